//! What goes wrong with an operation that somebody asks for.

use std::time::Duration;

use crate::cancel::Signal;
use crate::coordination::error::CoordinationError;
use crate::coordination::kind::Kind;
use crate::coordination::ledger::LedgerError;
use crate::engine::error::EngineError;
use crate::engine::files::FilesError;
use crate::gpu::error::GpuError;

/// An operation was not done.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum OperationError {
    #[error(transparent)]
    Coordination(#[from] CoordinationError),
    /// Somebody is in the way, of whom more is known.
    #[error("{error}")]
    InTheWay { error: CoordinationError, lines: Vec<String>, can_join: bool },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error("there is no GPU `{name}`")]
    NoGpu { name: String },
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("there is no container and no service `{name}`")]
    Unknown { name: String, nearest: Option<String>, known: Vec<String> },
    #[error("what `{kind}` means for {what} is not known without a command")]
    NoStandardCommand { kind: Kind, what: String, hint: &'static str },
    #[error("{what} has no container")]
    NothingThere { what: String },
    /// Two ledgers for one engine would not see each other's operations.
    #[error("this engine belongs to another ledger: {theirs}; this one is `{ours}`")]
    OtherLedger { theirs: String, ours: String, volume: String },
    /// Nobody can say whose the engine is.
    #[error("the volume `{volume}` does not say which ledger this engine belongs to")]
    NotMarked { volume: String },
    #[error("`{name}` is known already: {what}; what made it says what it needs")]
    KnownAlready { name: String, what: String },
    #[error("each of {} would need the next one, and none could be started first", path.join(", "))]
    Circle { path: Vec<String> },
    #[error("`{command}` can't be started")]
    NoCommand { command: String, source: std::io::Error },
    #[error("the current folder can't be used")]
    NoFolder { source: std::io::Error },
    #[error("interrupted by {signal}")]
    Cancelled { signal: Signal },
}

impl From<LedgerError> for OperationError {
    fn from(error: LedgerError) -> Self {
        Self::Coordination(error.into())
    }
}

/// How long one may take to end that was asked to.
pub(super) const GRACE: Duration = Duration::from_secs(10);
