//! `lem cancel`: an operation shall end.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::ledger::Book;
use super::wait::{is_over, look, until};
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, operations as show};
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::operation::OperationId;
use crate::coordination::owner::person;

/// End an operation: one that waits leaves the queue, one that runs is asked to end its command.
///
/// Exit code 0 once it is cancelled, 1 if it had ended otherwise.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The number of the operation
    #[arg(value_name = "ID")]
    id: i64,
    /// Why, for those whose operation it is
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only ask it to end, and don't wait until it has
    #[arg(long)]
    no_wait: bool,
    /// The operation as one JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// A command has 10 s to end when it is asked; what takes longer is said.
const USUAL: Duration = Duration::from_secs(15);

/// Runs `lem cancel`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let id = OperationId(arguments.id);
    block_on::<_, CoordinationError>(async |cancel: &Cancel| {
        let missing = || CoordinationError::NoOperation { id };
        let book = Book::open().await?.ok_or_else(missing)?;
        let mut row = look(&book, id).await?;
        let had_ended = is_over(&row);
        if !had_ended {
            let why = match &arguments.reason {
                Some(reason) => format!("{} cancelled it: {reason}", person()),
                None => format!("{} cancelled it", person()),
            };
            book.ask(move |ledger| ledger.cancel(id, &why)).await?;
            row = look(&book, id).await?;
        }
        if !is_over(&row) && !arguments.no_wait {
            let (now, in_time) = until(&book, id, Some(USUAL), cancel, is_over).await?;
            row = now;
            if !in_time {
                render::say(&format!(
                    "… operation {id} was asked to end, and goes on; waiting for it \
                     (`lem unlock --force {id}` takes it away from {})",
                    row.who
                ));
                row = until(&book, id, None, cancel, is_over).await?.0;
            }
        }
        if arguments.json {
            render::json(&row);
        } else if !is_over(&row) {
            render::out(&format!("operation {id} was asked to end"));
        } else {
            show::ended(&row);
        }
        Ok(if !is_over(&row) || row.state == "cancelled" { exit::DONE } else { exit::FAILED })
    })
}
