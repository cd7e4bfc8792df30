//! What goes wrong between agents.

use std::time::Duration;

use super::ledger::LedgerError;
use super::operation::OperationId;
use crate::cancel::Signal;

/// An operation was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CoordinationError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It repeats or contradicts what somebody does.
    #[error("{} is blocked: {}", blocked.what, blocked.reason)]
    Blocked { blocked: Box<Met> },
    /// Nobody waits, or nobody waits any longer.
    #[error("{} would have to wait: {}", blocked.what, blocked.reason)]
    WouldWait { blocked: Box<Met> },
    #[error("{} waited for {} and did not get its turn", blocked.what, crate::duration::human(*waited))]
    Expired { blocked: Box<Met>, waited: Duration },
    #[error("the queue is full: {waiting} operations wait in this project")]
    QueueFull { waiting: usize },
    #[error("`{agent}` has {waiting} operations in the queue of this project, as many as it may")]
    AgentFull { agent: String, waiting: usize },
    #[error(
        "{what} is not covered by operation {parent}, which it is part of, and would wait for it for ever"
    )]
    Nested { what: String, parent: OperationId },
    #[error("operation {id} was cancelled: {why}")]
    CancelledByOther { id: OperationId, why: String },
    #[error("operation {id} was taken away: {why}")]
    TakenAway { id: OperationId, why: String },
    #[error(
        "operation {id} was given up: the ledger could not be reached for {}, and others may take it \
         for dead",
        crate::duration::human(*silent)
    )]
    Unheard { id: OperationId, silent: Duration },
    #[error("there is no operation {id}")]
    NoOperation { id: OperationId },
    #[error("operation {id} does not wait: it is {state}")]
    DoesNotWait { id: OperationId, state: &'static str },
    #[error("operation {id} has ended already: it is {state}")]
    HasEnded { id: OperationId, state: &'static str },
    /// It is not taken away from who is well.
    #[error("operation {id} is not free to be taken: {who} {}", if *stalled { "is stalled" } else { "lives" })]
    StillLives { id: OperationId, who: String, stalled: bool },
    #[error("operation {id} goes on: could not end {pids}")]
    NotKilled { id: OperationId, pids: String },
    #[error("interrupted by {signal}")]
    Cancelled { signal: Signal },
}

/// An operation that another one met.
#[derive(Debug, Clone)]
pub(crate) struct Met {
    /// What was wanted.
    pub what: String,
    pub reason: String,
    pub severity: super::severity::Severity,
    /// Who is in the way; none where that one has ended meanwhile.
    pub holder: Option<super::operation::Operation>,
    /// When it is expected to end, from now.
    pub left: Option<Duration>,
    pub life: Option<super::owner::Life>,
}
