//! The rim: the only module that reads arguments, prints, asks and chooses exit codes.

#[cfg(feature = "host")]
mod campaign;
#[cfg(feature = "host")]
mod config;
#[cfg(feature = "host")]
mod containers;
#[cfg(feature = "host")]
mod couriers;
#[cfg(feature = "host")]
mod detach;
#[cfg(feature = "host")]
mod doctor;
#[cfg(feature = "host")]
mod elsewhere;
#[cfg(feature = "host")]
mod exit;
mod experiment;
#[cfg(feature = "host")]
mod flags;
#[cfg(all(feature = "host", any(test, fuzzing)))]
pub(crate) mod fuzzing;
#[cfg(feature = "host")]
mod gpu;
#[cfg(feature = "host")]
mod init;
mod inner;
#[cfg(feature = "host")]
mod known;
#[cfg(feature = "host")]
mod ledger;
#[cfg(feature = "host")]
mod locks;
#[cfg(feature = "host")]
mod logs;
#[cfg(feature = "host")]
mod notifications;
#[cfg(feature = "host")]
mod operation;
#[cfg(feature = "host")]
mod operations;
#[cfg(feature = "host")]
mod pages;
#[cfg(feature = "host")]
mod render;
#[cfg(feature = "host")]
mod repair;
#[cfg(feature = "host")]
mod resume;
#[cfg(feature = "host")]
mod runtime;
#[cfg(feature = "host")]
mod schema;
#[cfg(feature = "host")]
mod service;
#[cfg(feature = "host")]
mod settings;
#[cfg(feature = "host")]
mod signals;
#[cfg(feature = "host")]
mod status;
#[cfg(feature = "host")]
mod traces;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Run LLM experiments and model servers on your own GPUs with Docker Compose.
#[derive(Debug, Parser)]
#[command(name = "lem", version)]
struct Cli {
    #[cfg(feature = "host")]
    #[command(flatten)]
    early: Early,
    #[command(subcommand)]
    command: Command,
}

/// Options of a campaign that may also stand before the verb, where other tools want them.
#[cfg(feature = "host")]
#[derive(Debug, clap::Args)]
struct Early {
    #[arg(long = "json", id = "early_json", hide = true)]
    json: bool,
    #[arg(short = 'v', long = "verbose", id = "early_verbose", hide = true)]
    verbose: bool,
    #[arg(short = 'q', long = "quiet", id = "early_quiet", hide = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "host")]
    Campaign(Box<campaign::Arguments>),
    #[cfg(feature = "host")]
    Resume(Box<resume::Arguments>),
    #[cfg(feature = "host")]
    Status(status::Arguments),
    #[cfg(feature = "host")]
    Logs(logs::Arguments),
    #[cfg(feature = "host")]
    Repair(Box<repair::Arguments>),
    #[cfg(feature = "host")]
    Ps(containers::PsArguments),
    #[cfg(feature = "host")]
    Reap(containers::ReapArguments),
    #[cfg(feature = "host")]
    Service(service::Arguments),
    #[cfg(feature = "host")]
    Switch(service::SwitchArguments),
    #[cfg(feature = "host")]
    Phase(service::PhaseArguments),
    #[cfg(feature = "host")]
    Lock(Box<operations::LockArguments>),
    #[cfg(feature = "host")]
    Op(Box<operation::Arguments>),
    #[cfg(feature = "host")]
    #[command(flatten)]
    Operations(operations::Command),
    #[cfg(feature = "host")]
    Gpu(gpu::Arguments),
    #[cfg(feature = "host")]
    Config(Box<config::Arguments>),
    #[cfg(feature = "host")]
    Schema(schema::Arguments),
    #[cfg(feature = "host")]
    Completions(pages::CompletionsArguments),
    #[cfg(feature = "host")]
    Man(pages::ManArguments),
    #[cfg(feature = "host")]
    Doctor(doctor::Arguments),
    #[cfg(feature = "host")]
    Init(Box<init::Arguments>),
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
            #[cfg(feature = "host")]
            if error.use_stderr() {
                let words = std::env::args_os().skip(1);
                let words: Vec<String> =
                    words.map(|word| word.to_string_lossy().into_owned()).collect();
                if let Some(instead) = elsewhere::instead(&words) {
                    render::say(&format!("hint: {instead}"));
                }
            }
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
    {
        if let Some(flags) = cli.command.flags() {
            flags.variables = flags::variables(&definition, &matches);
        }
        if !cli.command.takes(&cli.early) {
            let wrong = "options of a verb stand after it: `lem VERB --json`";
            return Err(definition.error(clap::error::ErrorKind::ArgumentConflict, wrong));
        }
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
            Self::Config(arguments) => Some(arguments.flags()),
            Self::Repair(arguments) => Some(&mut arguments.flags),
            _ => None,
        }
    }

    /// Gives a campaign the options that stood before it; false where there are some and no
    /// campaign.
    fn takes(&mut self, early: &Early) -> bool {
        let manner = match self {
            Self::Campaign(arguments) => &mut arguments.manner,
            Self::Resume(arguments) => &mut arguments.manner,
            _ => return !(early.json || early.verbose || early.quiet),
        };
        manner.json |= early.json;
        manner.verbose |= early.verbose;
        manner.quiet |= early.quiet;
        true
    }
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        #[cfg(feature = "host")]
        Command::Campaign(arguments) => campaign::run(*arguments),
        #[cfg(feature = "host")]
        Command::Resume(arguments) => resume::run(*arguments),
        #[cfg(feature = "host")]
        Command::Status(arguments) => status::run(&arguments),
        #[cfg(feature = "host")]
        Command::Logs(arguments) => logs::run(arguments),
        #[cfg(feature = "host")]
        Command::Repair(arguments) => repair::run(&arguments),
        #[cfg(feature = "host")]
        Command::Ps(arguments) => containers::ps(&arguments),
        #[cfg(feature = "host")]
        Command::Reap(arguments) => containers::reap(&arguments),
        #[cfg(feature = "host")]
        Command::Service(arguments) => service::run(&arguments),
        #[cfg(feature = "host")]
        Command::Switch(arguments) => service::switch(&arguments),
        #[cfg(feature = "host")]
        Command::Phase(arguments) => service::phase(&arguments),
        #[cfg(feature = "host")]
        Command::Lock(arguments) => operations::lock(&arguments),
        #[cfg(feature = "host")]
        Command::Op(arguments) => operation::run(&arguments),
        #[cfg(feature = "host")]
        Command::Operations(command) => operations::run(command),
        #[cfg(feature = "host")]
        Command::Gpu(arguments) => gpu::run(&arguments),
        #[cfg(feature = "host")]
        Command::Config(arguments) => config::run(*arguments),
        #[cfg(feature = "host")]
        Command::Schema(arguments) => schema::run(&arguments),
        #[cfg(feature = "host")]
        Command::Completions(arguments) => pages::completions(&arguments, Cli::command()),
        #[cfg(feature = "host")]
        Command::Man(arguments) => pages::man(&arguments, Cli::command()),
        #[cfg(feature = "host")]
        Command::Doctor(arguments) => doctor::run(&arguments),
        #[cfg(feature = "host")]
        Command::Init(arguments) => init::run(*arguments),
        Command::Experiment(arguments) => experiment::run(arguments),
        Command::Inner(command) => inner::run(command),
    }
}
