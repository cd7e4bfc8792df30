//! The rim: the only module that reads arguments, prints, asks and chooses exit codes.

#[cfg(feature = "host")]
mod campaign;
#[cfg(feature = "host")]
mod containers;
#[cfg(feature = "host")]
mod exit;
mod experiment;
#[cfg(feature = "host")]
mod flags;
#[cfg(feature = "host")]
mod gpu;
mod inner;
#[cfg(feature = "host")]
mod locks;
#[cfg(feature = "host")]
mod render;
#[cfg(feature = "host")]
mod resume;
#[cfg(feature = "host")]
mod runtime;
#[cfg(feature = "host")]
mod settings;
#[cfg(feature = "host")]
mod signals;
#[cfg(feature = "host")]
mod traces;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Run LLM experiments and model servers on your own GPUs with Docker Compose.
#[derive(Debug, Parser)]
#[command(name = "lem", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "host")]
    Campaign(Box<campaign::Arguments>),
    #[cfg(feature = "host")]
    Resume(Box<resume::Arguments>),
    #[cfg(feature = "host")]
    Ps(containers::PsArguments),
    #[cfg(feature = "host")]
    Reap(containers::ReapArguments),
    #[cfg(feature = "host")]
    Gpu(gpu::Arguments),
    Experiment(experiment::Arguments),
    #[command(flatten)]
    Inner(inner::Command),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    match parse() {
        Ok(cli) => dispatch(cli.command),
        Err(error) => {
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

fn parse() -> Result<Cli, clap::Error> {
    let mut definition = Cli::command();
    let matches = definition.try_get_matches_from_mut(std::env::args_os())?;
    #[cfg_attr(not(feature = "host"), expect(unused_mut, reason = "no command has such flags"))]
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))?;
    #[cfg(feature = "host")]
    if let Some(flags) = cli.command.flags() {
        flags.variables = flags::variables(&definition, &matches);
    }
    Ok(cli)
}

#[cfg(feature = "host")]
impl Command {
    /// The flags of a campaign, where the command takes them.
    fn flags(&mut self) -> Option<&mut flags::Flags> {
        match self {
            Self::Campaign(arguments) => Some(&mut arguments.flags),
            Self::Resume(arguments) => Some(&mut arguments.flags),
            _ => None,
        }
    }
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        #[cfg(feature = "host")]
        Command::Campaign(arguments) => campaign::run(*arguments),
        #[cfg(feature = "host")]
        Command::Resume(arguments) => resume::run(*arguments),
        #[cfg(feature = "host")]
        Command::Ps(arguments) => containers::ps(&arguments),
        #[cfg(feature = "host")]
        Command::Reap(arguments) => containers::reap(&arguments),
        #[cfg(feature = "host")]
        Command::Gpu(arguments) => gpu::run(&arguments),
        Command::Experiment(arguments) => experiment::run(arguments),
        Command::Inner(command) => inner::run(command),
    }
}
