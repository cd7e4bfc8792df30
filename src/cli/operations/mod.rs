//! `lem ops`, `lem queue`, `lem locks`, `lem why`, `lem wait`, `lem cancel`, `lem prio` and
//! `lem unlock`: the operations of everybody, seen and steered.

mod cancel;
mod history;
mod ledger;
mod lock;
mod observe;
mod ops;
mod prio;
mod recover;
mod row;
pub(super) mod stats;
mod unlock;
mod view;
mod wait;
mod watch;
pub(super) mod why;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(super) use lock::{Arguments as LockArguments, run as lock};
pub(super) use row::Row;
pub(super) use view::{Document, Lock, Shown, Waiting};

/// Commands about operations that are there already.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Ops(ops::Arguments),
    Queue(QueueArguments),
    Locks(LocksArguments),
    Why(why::Arguments),
    Wait(wait::Arguments),
    Cancel(cancel::Arguments),
    Prio(prio::Arguments),
    Unlock(unlock::Arguments),
}

/// Show which operations wait: their place, for whom they wait, and how long that will take.
#[derive(Debug, Args)]
pub(in crate::cli) struct QueueArguments {
    /// One JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// Show what operations have: which places, how, and since when.
#[derive(Debug, Args)]
pub(in crate::cli) struct LocksArguments {
    /// One JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// Runs one of them.
pub(super) fn run(command: Command) -> ExitCode {
    match command {
        Command::Ops(arguments) => ops::run(&arguments),
        Command::Queue(arguments) => ops::part(ops::Part::Queue, arguments.json),
        Command::Locks(arguments) => ops::part(ops::Part::Locks, arguments.json),
        Command::Why(arguments) => why::run(&arguments),
        Command::Wait(arguments) => wait::run(&arguments),
        Command::Cancel(arguments) => cancel::run(&arguments),
        Command::Prio(arguments) => prio::run(&arguments),
        Command::Unlock(arguments) => unlock::run(&arguments),
    }
}
