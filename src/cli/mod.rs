//! The rim: the only module that reads arguments, prints, asks and chooses exit codes.

mod inner;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Run LLM experiments and model servers on your own GPUs with Docker Compose.
#[derive(Debug, Parser)]
#[command(name = "lem", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Inner(inner::Command),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Inner(command) => inner::run(command),
    }
}
