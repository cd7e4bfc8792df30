//! Who writes to the ledger goes through a gate, one after the other.
//!
//! 2026-11-21: `SQLite`'s own wait for a busy file lets one process have it hundreds of times while
//! another gets it once (measured: 557 to 1 in 4 s). The kernel's lock on a file hands it on in
//! the order in which it was asked for.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rand::RngExt;

use super::error::LedgerError;
use crate::state_dir;

/// Longer than this nobody writes; who has the gate then was stopped, or the disk hangs.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// The gate of a ledger.
#[derive(Debug)]
pub(super) struct Gate {
    file: Arc<File>,
    path: PathBuf,
}

/// The gate passed, until it is dropped.
#[derive(Debug)]
pub(super) struct Passed(Arc<File>);

impl Drop for Passed {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Gate {
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join("gate");
        Ok(Self { file: Arc::new(state_dir::file(&path)?), path })
    }

    /// Waits until nobody else writes.
    pub(super) fn pass(&self) -> Result<Passed, LedgerError> {
        self.pass_within(LONGEST)
    }

    /// Passes where nobody else writes at this moment.
    pub(super) fn pass_at_once(&self) -> Option<Passed> {
        self.file.try_lock().ok().map(|()| Passed(Arc::clone(&self.file)))
    }

    /// A wait for the kernel's lock has no limit, so a thread does the waiting; one that comes too
    /// late passes on at once.
    fn pass_within(&self, limit: Duration) -> Result<Passed, LedgerError> {
        let unusable = |source| LedgerError::Folder { path: self.path.clone(), source };
        match self.file.try_lock() {
            Ok(()) => return Ok(Passed(Arc::clone(&self.file))),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let (says, word) = mpsc::channel();
        let path = self.path.clone();
        let wait = move || {
            let file = state_dir::file(&path)?;
            file.lock()?;
            Ok(Passed(Arc::new(file)))
        };
        let waiting = thread::Builder::new().spawn(move || says.send(wait()));
        waiting.map_err(unusable)?;
        match word.recv_timeout(limit) {
            Ok(passed) => passed.map_err(unusable),
            Err(_) => Err(LedgerError::Stuck { ledger: self.path.display().to_string(), limit }),
        }
    }
}

/// A moment that nobody else waits in step with.
pub(super) fn pause() {
    thread::park_timeout(Duration::from_micros(rand::rng().random_range(50..1500)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_at_a_time_and_who_never_comes_out_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Gate::open(folder.path()).unwrap(), Gate::open(folder.path()).unwrap());
        let limit = Duration::from_millis(30);
        let passed = one.pass().unwrap();
        assert!(two.pass_at_once().is_none());
        let given_up = two.pass_within(limit).unwrap_err();
        assert!(matches!(given_up, LedgerError::Stuck { limit: it, .. } if it == limit));
        drop(passed);
        two.pass_within(limit).unwrap();
    }
}
