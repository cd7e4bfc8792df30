//! `lem ops`: containers, operations, queue, locks and today's numbers, as one moment.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::ledger::Book;
use super::observe::observe;
use super::view::Document;
use super::{history, stats, watch};
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::operation;
use crate::cli::render::{self, operations as show};
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Ledger;
use crate::duration::Time;

/// Show the containers that are known, what is being done to them, by whom, and who waits.
///
/// Looking waits for nobody and keeps nobody waiting. An engine that does not answer within 2 s
/// leaves its containers `unknown`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Show the operations of the last day instead, newest first, ended ones too
    #[arg(long)]
    all: bool,
    /// The same for so long: `2h`, `7d`
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Register(operation::RegisterArguments),
    Stats(stats::Arguments),
    Watch(watch::Arguments),
}

/// A part of what there is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Queue,
    Locks,
}

/// Runs `lem ops`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.verb {
        Some(Verb::Register(arguments)) => return operation::register(arguments),
        Some(Verb::Stats(arguments)) => return stats::run(arguments),
        Some(Verb::Watch(arguments)) => return watch::run(arguments),
        None => {}
    }
    if arguments.all || arguments.since.is_some() {
        return history::run(arguments.since, arguments.json);
    }
    block_on::<_, CoordinationError>(async |cancel: &Cancel| {
        let document = match Book::open().await? {
            None => Document::default(),
            Some(book) => {
                // The engine is asked first: what is shown of operations is the newest.
                let known = book.ask(Ledger::known).await?;
                let observation = observe(&known, cancel).await;
                Document::of(&book.board().await?, observation.as_ref())
            }
        };
        if arguments.json {
            render::json(&document);
        } else {
            show::document(&document);
        }
        Ok(exit::DONE)
    })
}

/// Runs `lem queue` or `lem locks`.
pub(super) fn part(part: Part, json: bool) -> ExitCode {
    block_on::<_, CoordinationError>(async |_: &Cancel| {
        let document = match Book::open().await? {
            None => Document::default(),
            Some(book) => Document::of(&book.board().await?, None),
        };
        match (part, json) {
            (Part::Queue, true) => render::json(&document.queue),
            (Part::Queue, false) => show::queue(&document.queue),
            (Part::Locks, true) => render::json(&document.locks),
            (Part::Locks, false) => show::locks(&document.locks),
        }
        Ok(exit::DONE)
    })
}
