//! The ledger: which operations wait, run, and ever ran, in a database that every lem of the
//! machine opens.
//!
//! 2026-11-21: one short transaction decides everything, and takes every claim or none: so nobody
//! holds one thing while waiting for another, and no two wait for each other. Nothing else is
//! waited for within one, no docker call is made.
//!
//! 2026-11-21: `synchronous = NORMAL`. Killing a process loses nothing that was committed; a power
//! cut may, and ends every owner too. The epoch of the tokens alone is flushed, once per boot.

mod ask;
mod board;
mod end;
mod engines;
mod error;
mod file_system;
mod gate;
mod left;
mod look;
mod past;
mod places;
mod rank;
mod reclaim;
mod register;
mod retention;
mod rows;
mod schema;
mod versions;

use std::path::{Path, PathBuf};
use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use uuid::Uuid;

use self::error::{is_busy, of_query};
use self::gate::Gate;
use self::versions::Version;
use super::operation::Moment;
use super::owner;
use crate::state_dir;

pub(crate) use ask::{Answer, Started, Turn};
pub(crate) use board::Board;
pub(crate) use end::{Change, Ending};
pub(crate) use engines::SeenEngine;
pub(crate) use error::LedgerError;
pub(crate) use left::left_as;
pub(crate) use look::{EventLine, Snapshot, Tally};
pub(crate) use past::Count;
pub(crate) use places::Known;
pub(crate) use reclaim::{Fate, fate};

/// The connection that the questions are asked through.
pub(super) type Db = SqliteConnection;

/// The ledger of this machine, open.
pub(crate) struct Ledger {
    connection: Db,
    gate: Gate,
    folder: PathBuf,
    path: PathBuf,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The folder of a ledger within its state.
const FOLDER: &str = "coordination";
/// The folder of the owners' files.
const OWNERS: &str = "owners";
/// The file that is written to when something has ended.
const BELL: &str = "bell";

impl Ledger {
    /// Opens the ledger of this machine, making it where there is none.
    pub(crate) fn open() -> Result<Self, LedgerError> {
        let variable = || PathBuf::from(state_dir::VARIABLE);
        let folder = state_dir::of_engine("")
            .map_err(|source| LedgerError::Folder { path: variable(), source })?;
        Self::open_in(&folder.join(FOLDER))
    }

    /// Opens the ledger of this machine, if there is one: for who only looks.
    pub(crate) fn open_existing() -> Result<Option<Self>, LedgerError> {
        let folder = state_dir::look(&state_dir::name("")).map(|folder| folder.join(FOLDER));
        match folder {
            Some(folder) if folder.join("ledger.db").is_file() => Self::open_in(&folder).map(Some),
            _ => Ok(None),
        }
    }

    pub(crate) fn open_in(folder: &Path) -> Result<Self, LedgerError> {
        let unusable = |source| LedgerError::Folder { path: folder.to_owned(), source };
        state_dir::make(&folder.join(OWNERS)).map_err(unusable)?;
        if let Some(kind) = file_system::shared(folder) {
            return Err(LedgerError::Shared { path: folder.to_owned(), kind });
        }
        let gate = Gate::open(folder).map_err(unusable)?;
        let path = folder.join("ledger.db");
        // `SQLite` gives what it puts beside it the same mode. What can't be made, it will say.
        let _ = state_dir::file(&path);
        let connection = SqliteConnection::establish(&path.to_string_lossy())
            .map_err(|source| LedgerError::Unopened { path: path.clone(), source })?;
        let mut ledger = Self { connection, gate, folder: folder.to_owned(), path };
        ledger.prepare()?;
        Ok(ledger)
    }

    fn prepare(&mut self) -> Result<(), LedgerError> {
        const SETTINGS: &str = "PRAGMA busy_timeout = 0; PRAGMA foreign_keys = ON;";
        self.connection.batch_execute(SETTINGS).map_err(|source| of_query(&self.path, source))?;
        match self.reading(versions::of)? {
            Version::Newer => return Err(LedgerError::Newer { path: self.path.clone() }),
            Version::Older => {
                let path = self.path.clone();
                let _passed = self.gate.pass()?;
                let set =
                    |connection: &mut Db| connection.batch_execute("PRAGMA journal_mode = WAL");
                patiently(&path, &mut self.connection, set)?;
                patiently(&path, &mut self.connection, |connection| {
                    connection.immediate_transaction(versions::bring_up)
                })?;
            }
            Version::Ours => {}
        }
        self.begin_boot()?;
        let relax = "PRAGMA synchronous = NORMAL";
        self.connection.batch_execute(relax).map_err(|source| of_query(&self.path, source))
    }

    /// Notes once per boot that there is a new one, on the disk: no token comes twice, whatever
    /// a power cut takes of the grants.
    fn begin_boot(&mut self) -> Result<(), LedgerError> {
        use schema::meta::dsl as m;
        let unreadable =
            |source| LedgerError::Folder { path: "/proc/sys/kernel/random/boot_id".into(), source };
        let boot = owner::boot().map_err(unreadable)?;
        let known =
            |connection: &mut Db| m::meta.select(m::boot).first::<String>(connection).optional();
        if self.reading(known)?.as_ref() == Some(&boot) {
            return Ok(());
        }
        self.writing(|connection, _| {
            let known = m::meta.select((m::boot, m::epoch)).first::<(String, i64)>(connection);
            match known.optional()? {
                None => diesel::insert_into(m::meta)
                    .values((
                        m::id.eq(1),
                        m::store.eq(Uuid::new_v4().to_string()),
                        m::boot.eq(&boot),
                        m::epoch.eq(1),
                        m::counter.eq(0),
                    ))
                    .execute(connection)
                    .map(drop),
                Some((last, epoch)) if last != boot => diesel::update(m::meta)
                    .set((m::boot.eq(&boot), m::epoch.eq(epoch + 1), m::counter.eq(0)))
                    .execute(connection)
                    .map(drop),
                Some(_) => Ok(()),
            }
        })
    }

    /// The folder that tells when something may have changed: the owners' files, and the bell.
    pub(crate) fn owners(&self) -> PathBuf {
        self.folder.join(OWNERS)
    }

    /// Wakes everybody who waits.
    pub(crate) fn ring(&self) {
        // Who waits looks again before long even if nobody hears this.
        let bell = self.owners().join(BELL);
        let _ = state_dir::file(&bell);
    }

    /// The clock of the ledger: it runs on evenly, whatever is done to the wall clock, and is the
    /// same for all processes of this boot.
    fn now() -> Moment {
        use nix::time::{ClockId, clock_gettime};
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
        Moment(now.map_or(0, super::operation::millis))
    }

    /// A transaction that writes.
    fn writing<T>(
        &mut self,
        work: impl Fn(&mut Db, Moment) -> QueryResult<T>,
    ) -> Result<T, LedgerError> {
        let _passed = self.gate.pass()?;
        patiently(&self.path, &mut self.connection, |connection| {
            connection.immediate_transaction(|connection| work(connection, Self::now()))
        })
    }

    /// The same for what can be left to others: only where nobody else writes at this moment.
    fn writing_at_once(&mut self, work: impl Fn(&mut Db, Moment) -> QueryResult<()>) {
        let Some(_passed) = self.gate.pass_at_once() else { return };
        let transaction = |connection: &mut Db| work(connection, Self::now());
        let _ = self.connection.immediate_transaction(transaction);
    }

    /// A transaction that reads: one moment of the ledger, whatever is written meanwhile.
    fn reading<T>(&mut self, work: impl Fn(&mut Db) -> QueryResult<T>) -> Result<T, LedgerError> {
        patiently(&self.path, &mut self.connection, |connection| connection.transaction(&work))
    }
}

/// Tries until nobody else has the file for a moment: who opens it first after a crash does.
fn patiently<T>(
    path: &Path,
    connection: &mut Db,
    work: impl Fn(&mut Db) -> QueryResult<T>,
) -> Result<T, LedgerError> {
    let begun = Instant::now();
    loop {
        match work(connection) {
            Ok(done) => return Ok(done),
            Err(error) if is_busy(&error) && begun.elapsed() < gate::LONGEST => gate::pause(),
            Err(error) => return Err(of_query(path, error)),
        }
    }
}
