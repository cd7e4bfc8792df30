//! `lem service …`: GPU services of this host.

mod check;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// GPU services.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::Arguments),
}

/// Runs `lem service …`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.verb {
        Verb::Check(arguments) => check::run(arguments),
    }
}
