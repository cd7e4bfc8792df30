//! Questions to a ledger, on a thread where they may block, for no longer than anybody would wait.

use std::io;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ledger::{Ledger, LedgerError, Place, Snapshot};

/// Longer than a ledger that works takes, whoever has it: a server that hangs says nothing ever.
const ANSWER: Duration = Duration::from_secs(75);

/// Asks something. What a late answer brings is dropped.
///
/// # Errors
/// There is no answer in time, or it is an error.
pub(crate) async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    match timeout(ANSWER, spawn_blocking(question)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(died)) => {
            let source = io::Error::other(died);
            Err(LedgerError::Folder { path: "the ledger's thread".into(), source })
        }
        Err(_) => Err(LedgerError::Silent { limit: ANSWER }),
    }
}

/// How long the last word to a server is waited for by somebody who ends.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// Asks something on a thread of its own and waits on this one, for no longer than a farewell may
/// take: for guards that are dropped. What is not heard in time is found out by others.
///
/// # Errors
/// There is no answer in time, or it is an error.
pub(crate) fn briefly<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    let (says, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || says.send(question()));
    answer.recv_timeout(FAREWELL).unwrap_or(Err(LedgerError::Silent { limit: FAREWELL }))
}

/// One moment of a ledger, if there is one: for who only looks.
///
/// # Errors
/// It can't be used.
pub(crate) async fn look(place: Place) -> Result<Option<Snapshot>, LedgerError> {
    ask(move || Ledger::open_existing(&place)?.map(|mut ledger| ledger.snapshot()).transpose())
        .await
}
