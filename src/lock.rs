//! One holder at a time: a kernel lock on a file that also says who holds it.
//!
//! The kernel gives the lock back when its holder dies, however it dies; a process id in a file
//! could be anybody's by then.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{foreign_file, state_dir};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub pid: u32,
    /// What the holder does, for people.
    pub what: String,
    /// RFC 3339.
    pub since: String,
}

impl Holder {
    /// One of whom nothing is known but that it lives.
    pub(crate) fn unseen() -> Self {
        let what = "another lem of this machine, whose state is elsewhere".to_owned();
        Self { pid: 0, what, since: "just now".to_owned() }
    }

    /// This process.
    pub(crate) fn this(what: impl Into<String>) -> Self {
        let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Self { pid: std::process::id(), what: what.into(), since }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pid == 0 {
            return f.write_str(&self.what);
        }
        write!(f, "{} (pid {}, since {})", self.what, self.pid, self.since)
    }
}

/// The lock was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("held by {holder}")]
    Held { holder: Holder },
    #[error("cannot lock `{}`", path.display())]
    Unusable { path: PathBuf, source: std::io::Error },
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// A name on this machine that nobody else has until it is dropped: for those whose files are
/// elsewhere. The kernel gives it back as it does a file's lock, and it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Name {
    /// Where there are no such names, nothing.
    _listener: Option<UnixListener>,
}

/// Takes a name; none, if somebody has it.
pub(crate) fn take_name(name: &str) -> Option<Name> {
    let address = SocketAddr::from_abstract_name(name.as_bytes()).ok();
    match address.map(|address| UnixListener::bind_addr(&address)) {
        Some(Ok(listener)) => Some(Name { _listener: Some(listener) }),
        Some(Err(error)) if error.kind() == ErrorKind::AddrInUse => None,
        Some(Err(_)) | None => Some(Name { _listener: None }),
    }
}

/// Whether somebody on this machine has the name.
pub(crate) fn is_named(name: &str) -> bool {
    let address = SocketAddr::from_abstract_name(name.as_bytes());
    address.and_then(|address| UnixStream::connect_addr(&address)).is_ok()
}

/// How often, and for how long, a lock that is held is looked at again before it counts as held.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(10);

/// Takes the lock at `path`, or says who has it.
pub(crate) fn take(path: &Path, holder: &Holder) -> Result<Lock, LockError> {
    let unusable = |source| LockError::Unusable { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unusable)?;
    }
    let mut file = state_dir::file(path).map_err(unusable)?;
    let mut looks = LOOKS;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            // Perhaps somebody only looks who holds it, which takes a lock for a moment.
            Err(TryLockError::WouldBlock) if looks > 0 => {
                looks -= 1;
                std::thread::park_timeout(LOOK);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { holder: read(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
    }
    let text = serde_json::to_string(holder).unwrap_or_default();
    file.set_len(0).map_err(unusable)?;
    file.rewind().map_err(unusable)?;
    file.write_all(text.as_bytes()).map_err(unusable)?;
    Ok(Lock { _file: file })
}

/// Who holds the lock at `path` now, if anybody does.
pub(crate) fn holder(path: &Path) -> Option<Holder> {
    let mut file = foreign_file::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(read(&mut file)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// What a holder says of itself is shorter.
const LONGEST: u64 = 64 * 1024;

fn read(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(LONGEST).read_to_string(&mut text));
    // The holder may not have written yet, or may be a newer lem.
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_else(|| Holder {
        pid: 0,
        what: "another lem".to_owned(),
        since: "just now".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_learns_who_the_first_is_and_gets_the_lock_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/a.lock");
        let first = take(&path, &Holder::this("campaign `nightly`")).unwrap();
        let Err(LockError::Held { holder: seen }) = take(&path, &Holder::this("other")) else {
            panic!("taken twice")
        };
        assert_eq!((seen.what.as_str(), seen.pid), ("campaign `nightly`", std::process::id()));
        assert_eq!(holder(&path).unwrap(), seen);
        drop(first);
        assert_eq!(holder(&path), None);
        take(&path, &Holder::this("other")).unwrap();
    }

    #[test]
    fn a_name_is_had_once_and_free_again_afterwards() {
        let name = format!("lem-test-{}", std::process::id());
        let first = take_name(&name).unwrap();
        assert!(is_named(&name) && take_name(&name).is_none());
        drop(first);
        assert!(!is_named(&name) && take_name(&name).is_some());
    }
}
