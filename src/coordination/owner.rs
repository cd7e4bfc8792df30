//! Who has operations: a process with a file that it keeps locked.
//!
//! 2026-11-21: the kernel's lock on that file decides who lives. The docker clients and commands
//! that an owner starts inherit it, so it is free when the last of them has ended, however that
//! was; a process id could be anybody's by then, and says nothing about a client that goes on.
//! The end of the last one closes the file, which everybody hears who watches the folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use procfs::process::Process;
use uuid::Uuid;

use crate::state_dir;

/// An owner, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub id: String,
    /// The machine, by its id: what a number of a process means nothing beyond.
    pub host: String,
    /// The run of its kernel.
    pub boot: String,
    pub pid: u32,
    /// In ticks since the machine started: a number that comes again has another one.
    pub pid_start: u64,
    /// The namespace of process numbers, by its inode.
    pub namespace: u64,
    pub file: PathBuf,
    /// For people: `user@host, pid 123`.
    pub who: String,
}

/// Whether an owner lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Lives,
    /// It is dead; something that it started lives on and has what it had.
    Outlived,
    Dead,
    /// It is of another boot of this machine: nothing of it is left, not even in the engine.
    OfAnotherBoot,
    /// It is of another machine, which only its lease tells about.
    Elsewhere,
}

/// This process as an owner, until it is dropped; by then its operations have ended.
#[derive(Debug)]
pub(crate) struct Own {
    pub owner: Owner,
    file: File,
}

impl Own {
    /// Makes this process an owner in the folder of owners.
    pub(crate) fn new(owners: &Path) -> io::Result<Self> {
        let id = Uuid::new_v4().simple().to_string();
        let path = owners.join(format!("{id}.lock"));
        // It gets its name once it is locked: what has such a name and is free is nobody's.
        let unlocked = owners.join(format!("{id}.{HALF}"));
        let file = state_dir::file(&unlocked)?;
        file.lock()?;
        fs::rename(&unlocked, &path)?;
        let me = Process::myself().and_then(|process| process.stat());
        let pid_start = me.map_or(0, |stat| stat.starttime);
        let who = format!("{}, pid {}", person(), std::process::id());
        let owner = Owner {
            id,
            host: host(),
            boot: boot()?,
            pid: std::process::id(),
            pid_start,
            namespace: namespace(),
            file: path,
            who,
        };
        Ok(Self { owner, file })
    }

    /// The lock for a child, as its input: it is held until both have let go.
    pub(crate) fn shared(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Lets every child that is started from now on have the lock too.
    pub(crate) fn hand_down(&self) -> io::Result<()> {
        fcntl(&self.file, FcntlArg::F_SETFD(FdFlag::empty())).map(drop).map_err(io::Error::from)
    }
}

/// What ends the name of a file that is not locked yet.
const HALF: &str = "new";
/// Longer than it takes to lock one.
const HALF_AN_AGE: Duration = Duration::from_secs(60);

/// Removes the files of owners that died before the ledger had heard of them.
pub(crate) fn remove_strays(owners: &Path, is_known: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(owners).into_iter().flatten().flatten() {
        let path = entry.path();
        let (Some(id), Some(end)) = (path.file_stem(), path.extension()) else { continue };
        let is_free = || File::open(&path).is_ok_and(|file| file.try_lock_shared().is_ok());
        let is_old = || {
            let at = entry.metadata().and_then(|it| it.modified()).ok();
            at.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > HALF_AN_AGE)
        };
        let is_stray = match end.to_str() {
            Some("lock") => !is_known(&id.to_string_lossy()) && is_free(),
            Some(HALF) => is_old(),
            _ => false,
        };
        if is_stray {
            let _ = fs::remove_file(&path);
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Its operations have ended; nobody looks for the file any more, whoever still has it.
        let _ = fs::remove_file(&self.owner.file);
    }
}

impl Owner {
    /// Whether it lives. Waits for nobody.
    pub(crate) fn life(&self) -> Life {
        // The kernel is what counts: a container has another name and id than its machine.
        if boot().is_ok_and(|boot| boot != self.boot) {
            return if self.host == host() { Life::OfAnotherBoot } else { Life::Elsewhere };
        }
        match File::open(&self.file) {
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Life::Dead,
                Err(TryLockError::WouldBlock) if self.is_there() == Some(false) => Life::Outlived,
                Err(_) => Life::Lives,
            },
            // Somebody removed the file of one that lives.
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.is_there() {
                Some(true) => Life::Lives,
                _ => Life::Dead,
            },
            // What can't be looked at is not taken away.
            Err(_) => Life::Lives,
        }
    }

    /// Whether the process itself is there; none where its number means nothing here.
    pub(crate) fn is_there(&self) -> Option<bool> {
        if self.namespace != namespace() {
            return None;
        }
        let pid = i32::try_from(self.pid).ok()?;
        let stat = Process::new(pid).and_then(|process| process.stat());
        Some(stat.is_ok_and(|stat| stat.starttime == self.pid_start && stat.state != 'Z'))
    }
}

/// The run of this machine's kernel.
///
/// # Errors
/// `/proc` can't be read.
pub(crate) fn boot() -> io::Result<String> {
    // Overridden by tests alone, as the path of `libnvidia-ml` is.
    if let Some(boot) = std::env::var_os("LEM_BOOT_ID") {
        return Ok(boot.to_string_lossy().into_owned());
    }
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// This machine: its id, or else its name.
fn host() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    if id.trim().is_empty() { name_of_host() } else { id.trim().to_owned() }
}

fn name_of_host() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "this machine".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// `user@host`.
pub(crate) fn person() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user.ok().flatten().map_or_else(|| "somebody".to_owned(), |user| user.name);
    format!("{user}@{}", name_of_host())
}

fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |it| it.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_owners_that_died_unheard_of_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let own = Own::new(folder.path()).unwrap();
        for name in ["stray.lock", "known.lock", "begins.new", "bell"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_strays(folder.path(), |id| id == "known");
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(&own.owner.id))
            .collect();
        left.sort();
        assert_eq!(left, ["begins.new", "bell", "known.lock"]);
        assert!(own.owner.file.exists());
    }

    #[test]
    fn an_owner_lives_until_its_file_is_let_go_and_leaves_none() {
        let folder = tempfile::tempdir().unwrap();
        let own = Own::new(folder.path()).unwrap();
        let owner = own.owner.clone();
        assert_eq!(owner.life(), Life::Lives);
        let child = own.shared().unwrap();
        let stranger = Owner { pid_start: owner.pid_start + 1, ..owner.clone() };
        assert_eq!(stranger.life(), Life::Outlived);
        let other = Owner { boot: "another".to_owned(), ..owner.clone() };
        assert_eq!(other.life(), Life::OfAnotherBoot);
        let contained = Owner { host: "another".to_owned(), ..owner.clone() };
        assert_eq!(contained.life(), Life::Lives, "one kernel, two names");
        let far = Owner { host: "another".to_owned(), ..other.clone() };
        assert_eq!(far.life(), Life::Elsewhere);
        drop(child);
        drop(own);
        assert_eq!(owner.life(), Life::Lives, "the process itself still runs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(stranger.life(), Life::Dead);
    }
}
