//! `lem unlock --force`: an operation is taken away from its owner.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::ledger::Book;
use super::wait::look;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, operations as show};
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::holders::end_blocking;
use crate::coordination::liveness::Liveness;
use crate::coordination::operation::OperationId;
use crate::coordination::owner::{Owner, person};

/// Take an operation away from an owner that is dead, or with `--kill` from one that lives.
///
/// What the engine was told goes on: see to it that nobody is harmed by what begins now. A
/// living owner is asked with `lem cancel` first.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The number of the operation
    #[arg(value_name = "ID")]
    id: i64,
    /// That you mean it
    #[arg(long, required = true)]
    force: bool,
    /// Why, for those whose operation it was
    #[arg(long, value_name = "TEXT", required = true, value_parser = NonEmptyStringValueParser::new())]
    reason: String,
    /// End the owner, and all that it started for this: TERM, 10 s, KILL
    #[arg(long)]
    kill: bool,
    /// The same, if it has not been heard of for a minute
    #[arg(long)]
    kill_stalled: bool,
    /// The operation as one JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// How long an owner has to end in order.
const GRACE: Duration = Duration::from_secs(10);

/// Runs `lem unlock`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let id = OperationId(arguments.id);
    block_on::<_, CoordinationError>(async |_: &Cancel| {
        let missing = || CoordinationError::NoOperation { id };
        let book = Book::open().await?.ok_or_else(missing)?;
        let board = book.board().await?;
        let Some(own) = board.snapshot.live.iter().find(|it| it.id == id) else {
            let state = look(&book, id).await?.state;
            return Err(CoordinationError::HasEnded { id, state });
        };
        let owner = board.snapshot.owners.get(&own.owner);
        let liveness = board.liveness(own);
        let mut is_killed = false;
        match liveness {
            Liveness::Settles { .. } | Liveness::Gone => {}
            // Nobody can be ended there from here; its lem ends its command when it hears of it.
            Liveness::Elsewhere if arguments.kill => render::say(&format!(
                "warning: {} is on another machine, and may be at it until it hears of this",
                own.who
            )),
            Liveness::Stalled { .. } if arguments.kill_stalled || arguments.kill => {
                end(id, owner).await?;
                is_killed = true;
            }
            Liveness::Lives | Liveness::Outlived if arguments.kill => {
                end(id, owner).await?;
                is_killed = true;
            }
            Liveness::Lives
            | Liveness::Outlived
            | Liveness::Stalled { .. }
            | Liveness::Elsewhere => {
                let stalled = matches!(liveness, Liveness::Stalled { .. });
                return Err(CoordinationError::StillLives { id, who: own.who.clone(), stalled });
            }
        }
        if is_killed {
            // It has just died: what the engine was told by it goes on, and is kept from others.
            let board = book.board().await?;
            let own = board.snapshot.live.iter().find(|it| it.id == id);
            if let Some(Liveness::Settles { left }) = own.map(|own| board.liveness(own)) {
                let left = crate::duration::human(left);
                render::say(&format!(
                    "warning: the engine may be at it for another {left}, and nobody else gets it \
                     until then; `lem unlock` once more takes it away at once"
                ));
                return tell(&book, id, arguments.json).await;
            }
        }
        let why = format!("{} took it away: {}", person(), arguments.reason);
        book.ask(move |ledger| ledger.take_away(id, &why)).await?;
        if let Liveness::Settles { left } = liveness {
            let left = crate::duration::human(left);
            render::say(&format!("warning: the engine may be at it for another {left}"));
        }
        tell(&book, id, arguments.json).await
    })
}

/// Tells how the operation is now.
async fn tell(book: &Book, id: OperationId, json: bool) -> Result<u8, CoordinationError> {
    let row = look(book, id).await?;
    if json {
        render::json(&row);
    } else {
        show::ended(&row);
    }
    Ok(exit::DONE)
}

/// Ends an owner of this machine.
async fn end(id: OperationId, owner: Option<&Owner>) -> Result<(), CoordinationError> {
    let Some(owner) = owner.cloned() else { return Ok(()) };
    let ending = tokio::task::spawn_blocking(move || end_blocking(&owner, GRACE));
    let left = ending.await.unwrap_or_default();
    if left.is_empty() {
        return Ok(());
    }
    let pids: Vec<String> = left.iter().map(|it| format!("pid {}", it.id.pid)).collect();
    Err(CoordinationError::NotKilled { id, pids: pids.join(", ") })
}
