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
        sweep(owners);
        let id = Uuid::new_v4().simple().to_string();
        let path = owners.join(format!("{id}.lock"));
        let file = state_dir::file(&path)?;
        file.lock()?;
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

/// Removes the files of the dead. Most are removed with their owner's row; who was killed before it
/// asked for anything has none.
///
/// 2026-11-21: what is younger than a minute stays: between being made and being locked, a file
/// looks as if nobody had it.
fn sweep(owners: &Path) {
    const YOUNG: Duration = Duration::from_secs(60);
    let Ok(entries) = fs::read_dir(owners) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let made = entry.metadata().and_then(|data| data.modified());
        // One of the future, by a clock that was set, is one that is not known to be old.
        let age = made.ok().and_then(|made| made.elapsed().ok()).unwrap_or_default();
        if path.extension().is_none_or(|it| it != "lock") || age < YOUNG {
            continue;
        }
        if File::open(&path).is_ok_and(|file| file.try_lock_shared().is_ok()) {
            let _ = fs::remove_file(&path);
        }
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
