//! The ledger, for who only looks or steers: one in a file is never made by them.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{Timestamp, Zoned};

use crate::cli::ledger;
use crate::coordination::asking;
use crate::coordination::ear::Ear;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::{Board, Ledger, LedgerError};

/// A ledger that is asked on a thread where it may block.
#[derive(Debug, Clone)]
pub(super) struct Book(Arc<Mutex<Ledger>>);

impl Book {
    /// The ledger, if there is one.
    pub(super) async fn open() -> Result<Option<Self>, CoordinationError> {
        let place = ledger::place()?;
        let ledger = asking::ask(move || Ledger::open_existing(&place)).await?;
        Ok(ledger.map(|ledger| Self(Arc::new(Mutex::new(ledger)))))
    }

    /// Asks it something.
    pub(super) async fn ask<T, F>(&self, ask: F) -> Result<T, CoordinationError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Ledger) -> Result<T, LedgerError> + Send + 'static,
    {
        let ledger = Arc::clone(&self.0);
        let asking =
            asking::ask(move || ask(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(asking.await?)
    }

    /// One moment of it, with the tally of today.
    pub(super) async fn board(&self) -> Result<Board, CoordinationError> {
        self.ask(|ledger| ledger.board(midnight())).await
    }

    /// Hears when something may have changed. Only within a runtime.
    pub(super) async fn ear(&self) -> Result<Ear, CoordinationError> {
        let asking = self.ask(|ledger| Ok((ledger.owners(), ledger.server().is_some())));
        let (owners, is_shared) = asking.await?;
        Ok(Ear::open(&owners, is_shared.then(|| Arc::clone(&self.0))))
    }
}

/// The beginning of this day, where this machine is.
pub(super) fn midnight() -> Timestamp {
    let now = Zoned::now();
    now.start_of_day().map_or_else(|_| now.timestamp(), |day| day.timestamp())
}
