//! The ledger: which operations wait, run, and ever ran, in a database that every lem of the
//! machine opens: a file, or a server that several machines share.
//!
//! 2026-11-21: one short transaction decides everything, and takes every claim or none: so nobody
//! holds one thing while waiting for another, and no two wait for each other. Nothing else is
//! waited for within one, no docker call is made.
//!
//! 2026-11-21: `synchronous = NORMAL`. Killing a process loses nothing that was committed; a power
//! cut may, and ends every owner too. The epoch of the tokens alone is flushed, once per boot.
//!
//! 2026-11-30: a file and a server differ in how a transaction begins ([`mod@file`], [`server`]), in the
//! clock, and in who tells that an owner lives ([`vantage`]); every question is asked once, of both.

mod ask;
mod board;
mod db;
mod end;
mod engines;
mod error;
mod file;
mod file_system;
mod gate;
mod left;
mod look;
mod past;
mod place;
mod places;
mod rank;
mod reclaim;
mod register;
mod retention;
mod rows;
mod schema;
mod server;
mod still;
mod vantage;
mod versions;

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use uuid::Uuid;

use self::db::Mode;
use self::file::File;
use self::still::Still;
use self::vantage::Vantage;
use self::versions::Version;
use super::operation::Moment;
use super::owner;
use crate::state_dir;

pub(crate) use ask::{Answer, Started, Turn};
pub(crate) use board::Board;
pub(super) use db::Db;
pub(crate) use end::{Change, Ending};
pub(crate) use engines::SeenEngine;
pub(crate) use error::LedgerError;
pub(crate) use left::left_as;
pub(crate) use look::{EventLine, Snapshot, Tally};
pub(crate) use past::Count;
pub(crate) use place::{Place, Server, URL, USUAL_LEASE};
pub(crate) use places::Known;
pub(crate) use reclaim::{Fate, fate};

/// A ledger, open.
pub(crate) struct Ledger {
    db: Db,
    store: Store,
    /// What belongs to it and is of this machine: the owners' files, and the bell.
    folder: PathBuf,
    boot: String,
    /// How often somebody rang whom only a server can have told.
    heard: u64,
    still: Option<Still>,
}

/// What it is kept in.
#[derive(Debug)]
enum Store {
    File(File),
    Server(Server),
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The folder of a ledger within its state.
const FOLDER: &str = "coordination";
/// The folder of the owners' files.
const OWNERS: &str = "owners";
/// The file that is written to when something has ended.
const BELL: &str = "bell";

impl Ledger {
    /// Opens a ledger, making it where there is none.
    pub(crate) fn open(place: &Place) -> Result<Self, LedgerError> {
        match place {
            Place::Machine => Self::open_in(&of_this_machine()?),
            Place::Server(server) => Self::open_on(server, of_this_machine()?),
        }
    }

    /// Opens a ledger, if there is one: for who only looks.
    pub(crate) fn open_existing(place: &Place) -> Result<Option<Self>, LedgerError> {
        let folder = match place {
            Place::Machine => state_dir::look(&state_dir::name("")),
            // Whoever names a server wants one there, and it makes no difference to the machine.
            Place::Server(server) => {
                return Self::open_on(server, of_this_machine()?).map(Some);
            }
        };
        match folder.map(|folder| folder.join(FOLDER)) {
            Some(folder) if folder.join(file::NAME).is_file() => Self::open_in(&folder).map(Some),
            _ => Ok(None),
        }
    }

    /// The ledger in a file of this folder.
    pub(crate) fn open_in(folder: &Path) -> Result<Self, LedgerError> {
        let unusable = |source| LedgerError::Folder { path: folder.to_owned(), source };
        state_dir::make(&folder.join(OWNERS)).map_err(unusable)?;
        let (file, db) = File::open(folder)?;
        let mut ledger = Self {
            db,
            store: Store::File(file),
            folder: folder.to_owned(),
            boot: boot()?,
            heard: 0,
            still: None,
        };
        ledger.prepare()?;
        Ok(ledger)
    }

    /// The ledger on a server; what is of this machine goes into the folder.
    pub(crate) fn open_on(server: &Server, folder: PathBuf) -> Result<Self, LedgerError> {
        let db = server::connect(server).map_err(|source| LedgerError::unopened(server, source))?;
        let store = Store::Server(server.clone());
        let mut ledger = Self { db, store, folder, boot: boot()?, heard: 0, still: None };
        ledger.prepare()?;
        // Owners of two ledgers know nothing of each other.
        let id = ledger.id()?;
        ledger.folder.push(id);
        let unusable = |source| LedgerError::Folder { path: ledger.folder.clone(), source };
        state_dir::make(&ledger.owners()).map_err(unusable)?;
        Ok(ledger)
    }

    fn prepare(&mut self) -> Result<(), LedgerError> {
        match self.reading(|db, _| versions::of(db))? {
            Version::Newer => return Err(LedgerError::Newer { ledger: self.name() }),
            Version::Older => {
                if let Store::File(file) = &self.store {
                    file.log_ahead(&mut self.db)?;
                }
                self.writing(|db, _| versions::bring_up(db))?;
            }
            Version::Ours => {}
        }
        self.begin_boot()?;
        match &self.store {
            Store::File(file) => file.relax(&mut self.db),
            Store::Server(_) => Ok(()),
        }
    }

    /// Notes once per boot that there is a new one, on the disk: no token comes twice, whatever
    /// a power cut takes of the grants. A server has them on its disk, and boots for nobody.
    fn begin_boot(&mut self) -> Result<(), LedgerError> {
        use schema::meta::dsl as m;
        let boot = match &self.store {
            Store::File(_) => self.boot.clone(),
            Store::Server(_) => String::new(),
        };
        let known =
            |db: &mut Db, _: &Vantage| m::meta.select(m::boot).get_result::<String>(db).optional();
        if self.reading(known)?.as_ref() == Some(&boot) {
            return Ok(());
        }
        self.writing(|db, _| {
            let known = m::meta.select((m::boot, m::epoch)).get_result::<(String, i64)>(db);
            match known.optional()? {
                None => diesel::insert_into(m::meta)
                    .values((
                        m::id.eq(1),
                        m::store.eq(Uuid::new_v4().to_string()),
                        m::boot.eq(&boot),
                        m::epoch.eq(1),
                        m::counter.eq(0),
                    ))
                    .execute(db)
                    .map(drop),
                Some((last, epoch)) if last != boot => diesel::update(m::meta)
                    .set((m::boot.eq(&boot), m::epoch.eq(epoch + 1), m::counter.eq(0)))
                    .execute(db)
                    .map(drop),
                Some(_) => Ok(()),
            }
        })
    }

    /// The folder that tells when something may have changed: the owners' files, and the bell.
    pub(crate) fn owners(&self) -> PathBuf {
        self.folder.join(OWNERS)
    }

    /// What it is called in front of people.
    pub(crate) fn name(&self) -> String {
        match &self.store {
            Store::File(file) => file.path.display().to_string(),
            Store::Server(server) => server.to_string(),
        }
    }

    /// The folder of what is of this machine and belongs to it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server that it is on, if it is.
    pub(crate) fn server(&self) -> Option<&Server> {
        match &self.store {
            Store::File(_) => None,
            Store::Server(server) => Some(server),
        }
    }

    /// How long an owner keeps what it has without a word; none, where the kernel tells who lives.
    pub(crate) fn lease(&self) -> Option<Duration> {
        self.server().map(Server::lease)
    }

    /// Wakes everybody who waits.
    pub(crate) fn ring(&mut self) {
        // Who waits looks again before long even if nobody hears this.
        let bell = self.owners().join(BELL);
        let _ = state_dir::file(&bell);
        if self.server().is_some() {
            let _ = server::ring(&mut self.db);
        }
    }

    /// How often somebody on another machine rang so far. Waits for nothing.
    pub(crate) fn listen(&mut self) -> u64 {
        if let Db::Server(server) = &mut self.db {
            self.heard += u64::from(server::rang(server));
        }
        self.heard
    }

    fn vantage(&self) -> Vantage {
        let (boot, owners, lease) = (self.boot.clone(), self.owners(), self.lease());
        Vantage { now: Moment(0), boot, owners, lease }
    }

    /// A transaction that writes.
    fn writing<T>(
        &mut self,
        work: impl Fn(&mut Db, &Vantage) -> QueryResult<T>,
    ) -> Result<T, LedgerError> {
        self.transaction(Mode::Writing, work)
    }

    /// A transaction that reads: one moment of the ledger, whatever is written meanwhile.
    fn reading<T>(
        &mut self,
        work: impl Fn(&mut Db, &Vantage) -> QueryResult<T>,
    ) -> Result<T, LedgerError> {
        self.transaction(Mode::Reading, work)
    }

    /// A transaction that writes what nobody waits for.
    fn noting<T>(
        &mut self,
        work: impl Fn(&mut Db, &Vantage) -> QueryResult<T>,
    ) -> Result<T, LedgerError> {
        self.transaction(Mode::Noting, work)
    }

    /// The same for what can be left to others: where somebody else writes at this moment, or it
    /// can't be written, nothing is done.
    fn noting_at_once(&mut self, work: impl Fn(&mut Db, &Vantage) -> QueryResult<()>) {
        let mut vantage = self.vantage();
        match &self.store {
            Store::File(file) => file.at_once(&mut self.db, &mut vantage, work),
            Store::Server(_) => drop(self.noting(|db, at| {
                db.batch_execute("SET LOCAL lock_timeout TO '50ms'")?;
                work(db, at)
            })),
        }
    }

    fn transaction<T>(
        &mut self,
        mode: Mode,
        work: impl Fn(&mut Db, &Vantage) -> QueryResult<T>,
    ) -> Result<T, LedgerError> {
        let mut vantage = self.vantage();
        match &self.store {
            Store::File(file) => file.transaction(&mut self.db, mode, &mut vantage, work),
            Store::Server(server) => {
                server::transaction(server, &mut self.db, mode, &mut vantage, work)
            }
        }
    }
}

fn of_this_machine() -> Result<PathBuf, LedgerError> {
    let variable = || PathBuf::from(state_dir::VARIABLE);
    let folder = state_dir::of_engine("");
    let folder = folder.map_err(|source| LedgerError::Folder { path: variable(), source })?;
    Ok(folder.join(FOLDER))
}

fn boot() -> Result<String, LedgerError> {
    let path = || "/proc/sys/kernel/random/boot_id".into();
    owner::boot().map(str::to_owned).map_err(|source| LedgerError::Folder { path: path(), source })
}
