//! `lem prio`: another priority for an operation that waits.

use std::process::ExitCode;

use clap::Args;

use super::ledger::Book;
use super::wait::look;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render;
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::operation::{OperationId, Priority, State};

/// Give an operation that waits another priority, as if it had been asked for with it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The number of the operation
    #[arg(value_name = "ID")]
    id: i64,
    /// 1 to 10; 10 is the most urgent, and each step is worth a minute of waiting
    #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(1..=10))]
    priority: u8,
    /// The operation as one JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// Runs `lem prio`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let id = OperationId(arguments.id);
    block_on::<_, CoordinationError>(async |_: &Cancel| {
        let missing = || CoordinationError::NoOperation { id };
        let book = Book::open().await?.ok_or_else(missing)?;
        let priority = Priority::new(arguments.priority).unwrap_or_default();
        let before = book.ask(move |ledger| ledger.prioritise(id, priority)).await?;
        let row = look(&book, id).await?;
        match before {
            Some(before) if before.state == State::Queued => {}
            _ => return Err(CoordinationError::DoesNotWait { id, state: row.state }),
        }
        if arguments.json {
            render::json(&row);
        } else {
            render::out(&format!("operation {id}, {}, has priority {}", row.what, row.priority));
        }
        Ok(exit::DONE)
    })
}
