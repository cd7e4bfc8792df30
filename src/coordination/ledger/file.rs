//! A ledger in a file of this machine.
//!
//! 2026-12-01: a new one has pages of 1 KiB, and what its log has is moved into it by who has just
//! left the gate. With pages of 4 KiB and whoever filled the log doing it within, everybody waited for
//! the disk after each ninety operations (seen: 11 pages each, and 20 ms to flush a thousand).

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::db::{Db, Mode};
use super::error::{LedgerError, is_busy, of_query};
use super::file_system;
use super::gate::{self, Gate};
use super::vantage::Vantage;
use crate::coordination::operation::{Moment, millis};
use crate::state_dir;

/// Its name.
pub(super) const NAME: &str = "ledger.db";

/// The file, with the gate before it.
#[derive(Debug)]
pub(super) struct File {
    gate: Gate,
    pub path: PathBuf,
    /// How often it was written to since its log was last moved into it.
    written: Cell<u32>,
}

impl File {
    /// Opens the file in a folder, and makes it where there is none.
    pub(super) fn open(folder: &Path) -> Result<(Self, Db), LedgerError> {
        const SETTINGS: &str = "PRAGMA busy_timeout = 0; PRAGMA foreign_keys = ON;";
        if let Some(kind) = file_system::shared(folder) {
            return Err(LedgerError::Shared { path: folder.to_owned(), kind });
        }
        let unusable = |source| LedgerError::Folder { path: folder.to_owned(), source };
        let gate = Gate::open(folder).map_err(unusable)?;
        let file = Self { gate, path: folder.join(NAME), written: Cell::new(0) };
        // `SQLite` gives what it puts beside it the same mode. What can't be made, it will say.
        let _ = state_dir::file(&file.path);
        let connection = SqliteConnection::establish(&file.path.to_string_lossy());
        let mut db = Db::File(
            connection.map_err(|source| LedgerError::unopened(&file.path.display(), source))?,
        );
        db.batch_execute(SETTINGS).map_err(|source| of_query(&file.path, source))?;
        Ok((file, db))
    }

    /// Has readers and a writer not wait for each other.
    pub(super) fn log_ahead(&self, db: &mut Db) -> Result<(), LedgerError> {
        const SETTINGS: &str = "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL";
        let _passed = self.gate.pass()?;
        self.patiently(|| db.batch_execute(SETTINGS))
    }

    /// Has a transaction not wait for the disk.
    pub(super) fn relax(&self, db: &mut Db) -> Result<(), LedgerError> {
        // Where all write without a pause, the log is never moved whole: then by who has the gate.
        const SETTINGS: &str = "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 8000";
        let relaxed = db.batch_execute(SETTINGS);
        relaxed.map_err(|source| of_query(&self.path, source))
    }

    pub(super) fn transaction<T>(
        &self,
        db: &mut Db,
        mode: Mode,
        vantage: &mut Vantage,
        work: impl Fn(&mut Db, &Vantage) -> QueryResult<T>,
    ) -> Result<T, LedgerError> {
        if mode == Mode::Reading {
            return self.patiently(|| transact(db, mode, vantage, &work));
        }
        let passed = self.gate.pass()?;
        let done = self.patiently(|| transact(db, mode, vantage, &work))?;
        drop(passed);
        self.keep_log_short(db);
        Ok(done)
    }

    /// Moves what the log has into the file from time to time, and waits for the disk while others
    /// write on.
    fn keep_log_short(&self, db: &mut Db) {
        const OFTEN: u32 = 200;
        let written = self.written.get() + 1;
        self.written.set(written % OFTEN);
        if written == OFTEN {
            // Somebody else may be at it; nothing is lost by leaving it to him.
            let _ = db.batch_execute("PRAGMA wal_checkpoint(PASSIVE)");
        }
    }

    /// The same where nobody else writes at this moment; what comes of it nobody needs to know.
    pub(super) fn at_once(
        &self,
        db: &mut Db,
        vantage: &mut Vantage,
        work: impl Fn(&mut Db, &Vantage) -> QueryResult<()>,
    ) {
        if let Some(_passed) = self.gate.pass_at_once() {
            let _ = transact(db, Mode::Noting, vantage, &work);
        }
    }

    /// Tries until nobody else has the file for a moment: who opens it first after a crash does.
    fn patiently<T>(&self, mut work: impl FnMut() -> QueryResult<T>) -> Result<T, LedgerError> {
        let begun = Instant::now();
        loop {
            match work() {
                Ok(done) => return Ok(done),
                Err(error) if is_busy(&error) && begun.elapsed() < gate::LONGEST => gate::pause(),
                Err(error) => return Err(of_query(&self.path, error)),
            }
        }
    }
}

fn transact<T>(
    db: &mut Db,
    mode: Mode,
    vantage: &mut Vantage,
    work: impl Fn(&mut Db, &Vantage) -> QueryResult<T>,
) -> QueryResult<T> {
    db.transact(mode, |db| {
        vantage.now = now();
        work(db, vantage)
    })
}

/// The clock of the ledger: it runs on evenly, whatever is done to the wall clock, and is the
/// same for all processes of this boot.
fn now() -> Moment {
    use nix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    Moment(now.map_or(0, millis))
}
