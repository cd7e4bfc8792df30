//! Who has operations: a process with a file that it keeps locked.
//!
//! 2026-11-21: the kernel's lock on that file decides who lives. The docker clients and commands
//! that an owner starts inherit it, so it is free when the last of them has ended, however that
//! was; a process id could be anybody's by then, and says nothing about a client that goes on.
//! The end of the last one closes the file, which everybody hears who watches the folder.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use procfs::ProcError;
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
    pub sign: Sign,
}

/// What tells whether an owner lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The kernel's lock on its file.
    Lock,
    /// Its word: it keeps what it has for so long without another one.
    Lease { left: Duration },
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
    /// It is where its file can't be seen, and has a lease.
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
        let (unlocked, path) =
            (owners.join(format!("{id}.new")), owners.join(format!("{id}.lock")));
        let file = state_dir::file(&unlocked)?;
        file.lock()?;
        // One that is called so and is not locked is of the dead, then.
        fs::rename(&unlocked, &path)?;
        let me = Process::myself().and_then(|process| process.stat());
        let pid_start = me.map_or(0, |stat| stat.starttime);
        let who = format!("{}, pid {}", person(), std::process::id());
        let owner = Owner {
            id,
            host: host(),
            boot: boot()?.to_owned(),
            pid: std::process::id(),
            pid_start,
            namespace: namespace(),
            file: path,
            who,
            sign: Sign::Lock,
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

impl Drop for Own {
    fn drop(&mut self) {
        // Its operations have ended; nobody looks for the file any more, whoever still has it.
        let _ = fs::remove_file(&self.owner.file);
    }
}

impl Owner {
    /// Whether it lives. Waits for nobody.
    pub(crate) fn life(&self) -> Life {
        self.life_unless(|| self.is_there() == Some(false))
    }

    /// The same, where it makes no difference whether it is what it started that lives: to tell
    /// takes several times as long, and everybody's transaction does this of everybody.
    pub(crate) fn glance(&self) -> Life {
        self.life_unless(|| false)
    }

    /// Whether it lives, as its file says, unless it is said that it has been outlived.
    fn life_unless(&self, outlived: impl FnOnce() -> bool) -> Life {
        match self.sign {
            Sign::Lease { left } if left.is_zero() => return Life::Dead,
            Sign::Lease { .. } => return Life::Elsewhere,
            Sign::Lock => {}
        }
        // The kernel is what counts: a container has another name and id than its machine. A file of
        // another machine was copied, or the machine got another name.
        if boot().is_ok_and(|boot| boot != self.boot) {
            return Life::OfAnotherBoot;
        }
        match File::open(&self.file) {
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Life::Dead,
                Err(TryLockError::WouldBlock) if outlived() => Life::Outlived,
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

    /// For how long it is believed to live, where only its word tells.
    pub(crate) fn lease(&self) -> Option<Duration> {
        match self.sign {
            Sign::Lock => None,
            Sign::Lease { left } => Some(left),
        }
    }

    /// Whether the process itself is there; none where its number means nothing here.
    pub(crate) fn is_there(&self) -> Option<bool> {
        // The first namespace of each machine has the same number.
        if self.sign != Sign::Lock || self.namespace != namespace() {
            return None;
        }
        let pid = i32::try_from(self.pid).ok()?;
        match Process::new(pid).and_then(|process| process.stat()) {
            Ok(stat) => Some(stat.starttime == self.pid_start && stat.state != 'Z'),
            Err(ProcError::NotFound(_)) => Some(false),
            // What can't be looked at may be anything.
            Err(_) => None,
        }
    }
}

/// Nobody takes so long from making a file to locking it.
const YOUNG: Duration = Duration::from_secs(60);

/// Whether a file is called as an owner's.
pub(crate) fn is_one(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "lock")
}

/// Removes the files of owners that died before anybody heard of them.
pub(crate) fn sweep(owners: &Path, known: &[String]) {
    for entry in fs::read_dir(owners).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_known = path
            .file_stem()
            .is_none_or(|stem| known.iter().any(|id| stem.to_str() == Some(id.as_str())));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        let is_left = match path.extension().and_then(OsStr::to_str) {
            Some("lock") => !is_known,
            Some("new") => age().is_some_and(|age| age > YOUNG),
            _ => false,
        };
        let is_free = || File::open(&path).is_ok_and(|file| file.try_lock_shared().is_ok());
        if is_left && is_free() {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The run of this machine's kernel.
///
/// # Errors
/// `/proc` can't be read.
pub(crate) fn boot() -> io::Result<&'static str> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(boot) = BOOT.get() {
        return Ok(boot);
    }
    // Overridden by tests alone, as the path of `libnvidia-ml` is.
    let boot = match std::env::var("LEM_BOOT_ID") {
        Ok(boot) => boot,
        Err(_) => fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
    };
    Ok(BOOT.get_or_init(|| boot))
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
    static NAMESPACE: LazyLock<u64> =
        LazyLock::new(|| fs::metadata("/proc/self/ns/pid").map_or(0, |it| it.ino()));
    *NAMESPACE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_owner_that_nobody_heard_of_left_is_swept_and_the_living_keep_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let own = Own::new(folder.path()).unwrap();
        for name in ["dead.lock", "known.lock", "just-made.new", "bell"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let old = File::create(folder.path().join("made-long-ago.new")).unwrap();
        old.set_modified(std::time::SystemTime::now() - 2 * YOUNG).unwrap();
        sweep(folder.path(), &["known".to_owned()]);
        let left = fs::read_dir(folder.path()).unwrap().flatten();
        let mut left: Vec<_> = left.map(|it| it.file_name().into_string().unwrap()).collect();
        left.sort();
        let mut expected = vec![format!("{}.lock", own.owner.id)];
        expected.extend(["bell", "just-made.new", "known.lock"].map(str::to_owned));
        expected.sort();
        assert_eq!(left, expected);
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
        let not_to_be_seen = Owner { file: owner.file.join("x"), ..stranger.clone() };
        assert_eq!(not_to_be_seen.life(), Life::Lives, "what can't be looked at is not taken away");
        let other = Owner { boot: "another".to_owned(), ..owner.clone() };
        assert_eq!(other.life(), Life::OfAnotherBoot);
        let contained = Owner { host: "another".to_owned(), ..owner.clone() };
        assert_eq!(contained.life(), Life::Lives, "one kernel, two names");
        let lease = |left| Owner { sign: Sign::Lease { left }, ..other.clone() };
        assert_eq!(lease(Duration::from_secs(1)).life(), Life::Elsewhere);
        assert_eq!(lease(Duration::ZERO).life(), Life::Dead);
        drop(child);
        drop(own);
        assert_eq!(owner.life(), Life::Lives, "the process itself still runs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(stranger.life(), Life::Dead);
    }
}
