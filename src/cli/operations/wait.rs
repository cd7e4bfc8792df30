//! `lem wait`: until an operation has ended.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::time::sleep;

use super::ledger::Book;
use super::row::Row;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, operations as show};
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Ledger;
use crate::coordination::liveness::Liveness;
use crate::coordination::operation::OperationId;
use crate::duration::Time;

/// Wait until an operation has ended: exit code 0 if it was done, 1 if it ended otherwise, 124
/// where that takes too long.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The number of the operation
    #[arg(value_name = "ID")]
    id: i64,
    /// How long to wait, otherwise as long as it takes
    #[arg(long, value_name = "TIME")]
    timeout: Option<Time>,
    /// Wait for this state instead; exit code 1 where it ends without it
    #[arg(long, value_name = "STATE", default_value = "done")]
    status: Awaited,
    /// The operation as one JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Awaited {
    Active,
    Done,
    Failed,
    TimedOut,
    Cancelled,
    Lost,
    Expired,
}

impl Awaited {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Expired => "expired",
        }
    }
}

/// Even if nothing is heard: what settles ends without a sound.
const LOOK: Duration = Duration::from_millis(500);

/// Runs `lem wait`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let id = OperationId(arguments.id);
    block_on::<_, CoordinationError>(async |cancel: &Cancel| {
        let missing = || CoordinationError::NoOperation { id };
        let book = Book::open().await?.ok_or_else(missing)?;
        let wanted = arguments.status.word();
        let reached = |row: &Row| row.state == wanted || is_over(row);
        let limit = arguments.timeout.map(|time| time.0);
        let (row, in_time) = until(&book, id, limit, cancel, reached).await?;
        if arguments.json {
            render::json(&row);
        } else {
            show::ended(&row);
        }
        Ok(match (in_time, row.state == wanted) {
            (_, true) => exit::DONE,
            (true, false) => exit::FAILED,
            (false, false) => exit::TIME_LIMIT,
        })
    })
}

/// Whether nothing follows.
pub(super) fn is_over(row: &Row) -> bool {
    !matches!(row.state, "queued" | "active")
}

/// Waits until an operation is so, at most so long. The operation as it was last, and whether it
/// was in time.
pub(super) async fn until(
    book: &Book,
    id: OperationId,
    limit: Option<Duration>,
    cancel: &Cancel,
    reached: impl Fn(&Row) -> bool,
) -> Result<(Row, bool), CoordinationError> {
    let ear = book.ear().await?;
    let begun = Instant::now();
    loop {
        let row = look(book, id).await?;
        if reached(&row) {
            return Ok((row, true));
        }
        if row.liveness == Some(Liveness::SETTLES) {
            book.ask(Ledger::reclaim).await?;
        }
        let left = limit.map_or(LOOK, |limit| limit.saturating_sub(begun.elapsed()));
        if left.is_zero() {
            return Ok((row, false));
        }
        tokio::select! {
            () = ear.heard() => {}
            () = sleep(left.min(LOOK)) => {}
            signal = cancel.raised() => return Err(CoordinationError::Cancelled { signal }),
        }
    }
}

/// An operation as it is now.
pub(super) async fn look(book: &Book, id: OperationId) -> Result<Row, CoordinationError> {
    let board = book.board().await?;
    if let Some(live) = board.snapshot.live.iter().find(|it| it.id == id) {
        return Ok(Row::of(live, &board));
    }
    let own = book.ask(move |ledger| ledger.operation(id)).await?;
    let own = own.ok_or(CoordinationError::NoOperation { id })?;
    Ok(Row::over(&own, board.snapshot.now))
}
