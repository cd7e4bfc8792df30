//! The rim: the only module that reads arguments, prints, asks and chooses exit codes.

mod experiment;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Run LLM experiments in containers.
#[derive(Debug, Parser)]
#[command(name = "lem", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Experiment(experiment::Arguments),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    match Cli::try_parse() {
        Ok(Cli { command: Command::Experiment(arguments) }) => experiment::run(arguments),
        Err(error) => {
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}
