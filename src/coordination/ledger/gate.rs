//! Who writes to the ledger goes through a gate, one after the other.
//!
//! 2026-11-21: `SQLite`'s own wait for a busy file lets one process have it hundreds of times while
//! another gets it once (measured: 557 to 1 in 4 s). The kernel's lock on a file wakes who wait for
//! it in the order in which they came.
//!
//! 2026-12-01: nobody looks again and again whether it is free: 32 who did so kept each other from the
//! processors (measured: 550 operations a second, and 1,000 where the kernel wakes them).

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

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
    /// Somebody else has this too while a thread of this process stands in the line.
    line: Arc<()>,
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
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("gate");
        Ok(Self { file: Arc::new(state_dir::file(&path)?), path, line: Arc::new(()) })
    }

    /// Waits until nobody else writes.
    pub(super) fn pass(&self) -> Result<Passed, LedgerError> {
        self.pass_within(LONGEST)
    }

    /// Passes where nobody else writes at this moment.
    pub(super) fn pass_at_once(&self) -> Option<Passed> {
        self.file.try_lock().ok().map(|()| Passed(Arc::clone(&self.file)))
    }

    fn pass_within(&self, limit: Duration) -> Result<Passed, LedgerError> {
        let begun = Instant::now();
        if let Some(passed) = self.try_pass()? {
            return Ok(passed);
        }
        if let Some(turn) = self.line_up() {
            match turn.recv_timeout(limit) {
                Ok(Ok(passed)) => return Ok(passed),
                Err(RecvTimeoutError::Timeout) => return Err(self.stuck(limit)),
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        while begun.elapsed() < limit {
            if let Some(passed) = self.try_pass()? {
                return Ok(passed);
            }
            pause();
        }
        Err(self.stuck(limit))
    }

    fn try_pass(&self) -> Result<Option<Passed>, LedgerError> {
        match self.file.try_lock() {
            Ok(()) => Ok(Some(Passed(Arc::clone(&self.file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => {
                Err(LedgerError::Folder { path: self.path.clone(), source })
            }
        }
    }

    /// Waits as the kernel has it, which knows no limit: so a thread does that, and passes on at once
    /// what comes too late. None where there is no thread to be had, or one from before still waits.
    fn line_up(&self) -> Option<Receiver<io::Result<Passed>>> {
        if Arc::strong_count(&self.line) > 1 {
            return None;
        }
        let (says, turn) = mpsc::channel();
        let (path, line) = (self.path.clone(), Arc::clone(&self.line));
        let wait = move || {
            let file = state_dir::file(&path)?;
            file.lock()?;
            Ok(Passed(Arc::new(file)))
        };
        let waiting = thread::Builder::new().spawn(move || {
            let _ = says.send(wait());
            drop(line);
        });
        waiting.ok().map(|_| turn)
    }

    fn stuck(&self, limit: Duration) -> LedgerError {
        LedgerError::Stuck { ledger: self.path.display().to_string(), limit }
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
        // The thread that waits goes on with that, and there is only the one.
        two.pass_within(limit).unwrap_err();
        assert_eq!(Arc::strong_count(&two.line), 2);
        drop(passed);
        // Nobody is there any more whom it would wait for.
        drop(two.pass_within(LONGEST).unwrap());
        while Arc::strong_count(&two.line) > 1 {
            thread::yield_now();
        }
        drop(one.pass_within(LONGEST).unwrap());
    }
}
