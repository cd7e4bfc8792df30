//! A file that docker clients keep open with lem: a lock on it is held until the last of them has
//! ended, however lem itself ends.
//!
//! 2026-11-21: all that lem starts inherit it but for what may outlive a campaign by right, as what
//! a user's notification starts, and for what is bound to lem's own life anyway. One flag of the
//! open file decides for the whole process: so who must not inherit it is started while nobody
//! else is.

use std::fs::File;
use std::io;
use std::sync::{PoisonError, RwLock};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

static HEIRLOOM: RwLock<Option<File>> = RwLock::new(None);

/// Hands a file down to what is started from now on.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn hand_down(file: File) -> io::Result<()> {
    pass_on(&file, FdFlag::empty())?;
    *HEIRLOOM.write().unwrap_or_else(PoisonError::into_inner) = Some(file);
    Ok(())
}

/// Starts something that inherits it.
pub(super) fn with<T>(start: impl FnOnce() -> T) -> T {
    let _shared = HEIRLOOM.read().unwrap_or_else(PoisonError::into_inner);
    start()
}

/// Starts something that does not.
pub(super) fn without<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let heirloom = HEIRLOOM.write().unwrap_or_else(PoisonError::into_inner);
    let Some(file) = &*heirloom else { return start() };
    pass_on(file, FdFlag::FD_CLOEXEC)?;
    let started = start();
    pass_on(file, FdFlag::empty())?;
    started
}

fn pass_on(file: &File, flag: FdFlag) -> io::Result<()> {
    fcntl(file, FcntlArg::F_SETFD(flag)).map(drop).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_have_it_or_not_as_they_are_started() {
        let file = tempfile::tempfile().unwrap();
        let inode = {
            use std::os::unix::fs::MetadataExt;
            file.metadata().unwrap().ino().to_string()
        };
        hand_down(file).unwrap();
        let open = || {
            let words = ["-c", "stat -L -c %i /proc/self/fd/* 2>/dev/null; true"];
            duct::cmd("sh", words).stdin_null().read()
        };
        let has = |listed: io::Result<String>| listed.unwrap().lines().any(|line| line == inode);
        assert!(has(with(open)));
        assert!(!has(without(open)));
        assert!(has(with(open)));
    }
}
