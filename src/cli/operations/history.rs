//! `lem ops --all`: operations of some time, ended ones too.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;

use super::ledger::Book;
use super::row::Row;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, operations as show};
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::operation::Operation;
use crate::duration::Time;

/// More is no list that anybody reads.
const MOST: i64 = 10_000;

const A_DAY: Duration = Duration::from_secs(86_400);

/// The moment so long ago; the beginning of time, where it was before.
pub(super) fn ago(time: Option<Time>) -> Timestamp {
    let time = time.map_or(A_DAY, |time| time.0);
    let span = jiff::SignedDuration::try_from(time).unwrap_or(jiff::SignedDuration::MAX);
    Timestamp::now().checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Shows them.
pub(super) fn run(since: Option<Time>, json: bool) -> ExitCode {
    block_on::<_, CoordinationError>(async |_: &Cancel| {
        let since = ago(since);
        let rows = match Book::open().await? {
            None => Vec::new(),
            Some(book) => {
                let all = book.ask(move |ledger| ledger.asked_since(since, MOST)).await?;
                let board = book.board().await?;
                let row = |operation: Operation| {
                    let live = &board.snapshot.live;
                    match live.iter().find(|it| it.id == operation.id) {
                        Some(now) => Row::of(now, &board),
                        None => Row::over(&operation, board.snapshot.now),
                    }
                };
                all.into_iter().map(row).collect()
            }
        };
        if json {
            render::json(&rows);
        } else {
            show::history(&rows);
        }
        Ok(exit::DONE)
    })
}
