//! `lem why`: what an operation waits for, was refused by, or came to.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::ledger::Book;
use super::row::{Blocker, Row, seconds};
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, operations as show};
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::forecast::places_of;
use crate::coordination::ledger::{Board, EventLine};
use crate::coordination::operation::{Operation, OperationId, State};
use crate::coordination::part::{Verdict, verdict};

/// Say why an operation waits, was refused or ended: the verdict, its reason, and who is in the way.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The number of the operation
    #[arg(value_name = "ID")]
    id: i64,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// Everything that is known about it.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Explained {
    pub operation: Row,
    /// For one that waits: how many in the queue it waits for, and it.
    pub position: Option<usize>,
    pub expected_wait_seconds: Option<f64>,
    /// Whom it waits for, or was refused by.
    pub behind: Vec<Met>,
    pub history: Vec<EventLine>,
}

/// Somebody who is or was in the way.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Met {
    pub severity: &'static str,
    pub reason: String,
    /// What was wanted that meets it: `restart shop/api`.
    pub wants: Option<String>,
    /// What the other one does: `config shop/api`.
    pub has: Option<String>,
    pub operation: Row,
}

/// Runs `lem why`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let id = OperationId(arguments.id);
    block_on::<_, CoordinationError>(async |_: &Cancel| {
        let missing = || CoordinationError::NoOperation { id };
        let book = Book::open().await?.ok_or_else(missing)?;
        let own = book.ask(move |ledger| ledger.operation(id)).await?.ok_or_else(missing)?;
        let history = book.ask(move |ledger| ledger.history(id)).await?;
        let board = book.board().await?;
        let mut explained = explain(&own, &board, history);
        if own.state == State::Rejected
            && let Some(by) = own.note.as_deref().and_then(refused_by)
            && let Some(other) = book.ask(move |ledger| ledger.operation(by)).await?
        {
            explained.behind.extend(met(&own, &other, &board));
        }
        if arguments.json {
            render::json(&explained);
        } else {
            show::explained(&explained);
        }
        Ok(exit::DONE)
    })
}

fn explain(own: &Operation, board: &Board, history: Vec<EventLine>) -> Explained {
    let live = &board.snapshot.live;
    let place = places_of(live, &board.snapshot.graph, &board.usual, board.snapshot.now);
    let place = place.get(&own.id);
    let behind = place.map(|place| {
        place.behind.iter().filter_map(|obstacle| {
            let other = live.iter().find(|it| it.id == obstacle.operation)?;
            let blocker = Blocker::of(obstacle, live);
            let mut met = met(own, other, board)?;
            // Places that are taken are no matter of the matrix.
            if met.severity != blocker.severity {
                (met.severity, met.reason) = (blocker.severity, blocker.reason);
            }
            Some(met)
        })
    });
    let shown = live.iter().find(|it| it.id == own.id);
    Explained {
        operation: match shown {
            Some(now) => Row::of(now, board),
            None => Row::over(own, board.snapshot.now),
        },
        position: place.map(|place| place.position),
        expected_wait_seconds: place.and_then(|place| place.wait).map(seconds),
        behind: behind.into_iter().flatten().collect(),
        history,
    }
}

/// How one gets on with another: the worst that any of their parts comes to.
fn met(own: &Operation, other: &Operation, board: &Board) -> Option<Met> {
    let pairs = own.parts.iter().flat_map(|one| other.parts.iter().map(move |two| (one, two)));
    let judged = pairs.map(|(one, two)| (verdict(one, two, &board.snapshot.graph), one, two));
    let (Verdict { severity, reason }, one, two) =
        judged.max_by_key(|(verdict, _, _)| verdict.severity)?;
    let shown = board.snapshot.live.iter().find(|it| it.id == other.id);
    Some(Met {
        severity: severity.word(),
        reason,
        wants: Some(one.to_string()),
        has: Some(two.to_string()),
        operation: match shown {
            Some(now) => Row::of(now, board),
            None => Row::over(other, board.snapshot.now),
        },
    })
}

/// The operation that one was refused by, from what the ledger noted: `operation 5: …`.
fn refused_by(note: &str) -> Option<OperationId> {
    note.strip_prefix("operation ")?.split_once(':')?.0.parse().ok().map(OperationId)
}
