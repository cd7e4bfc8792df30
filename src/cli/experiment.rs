//! `lem experiment`: arguments, the last line and the exit code of one experiment.

use std::error::Error;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use clap::Args;
use nix::sys::signal::Signal;

use crate::experiment::result::{ExperimentResult, Unit};
use crate::experiment::{self, ExperimentError, FileError, Outcome, Request, Unfinished};

/// Run one experiment here, in this process, and write its result.
///
/// Exit codes: 0 with a result; 1 if the result cannot be written; 2 if the arguments or the file
/// are wrong; for a command that fails its own code, 128 plus the signal that ended it, 127 if it
/// is missing and 126 if it cannot be executed; 143 or 130 after SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The experiment file (YAML)
    file: PathBuf,
    /// Dataset to record and to pass to a command; wins over the file's `dataset`
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Sequences of the synthetic workload; wins over the file's `num_samples`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample_size: Option<u64>,
    #[arg(
        long,
        value_name = "DIR",
        help = "Directory for a result under a new name \
        [default: $LLM_ENERGY_RESULTS_DIR, else ./results]"
    )]
    results_dir: Option<PathBuf>,
    #[arg(
        long,
        value_name = "PATH",
        help = "File for the result; wins over --results-dir \
        [default: $LEM_RESULT_PATH]"
    )]
    result: Option<PathBuf>,
    /// Changes nothing, for compatibility: nothing is ever asked
    #[arg(long)]
    yes: bool,
    /// Changes nothing, for compatibility: no state is kept between experiments
    #[arg(long)]
    fresh: bool,
}

/// Runs the experiment and says how it went on standard error.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let Arguments { file, dataset, sample_size, results_dir, result, yes: _, fresh: _ } = arguments;
    match experiment::run(Request { file, dataset, sample_size, result, results_dir }) {
        Ok(outcome) => conclude(&outcome),
        Err(error) => {
            say(&format!("error: {}", with_causes(&error)));
            if let Some(hint) = hint(&error) {
                say(hint);
            }
            ExitCode::from(exit_code(&error))
        }
    }
}

fn conclude(outcome: &Outcome) -> ExitCode {
    match outcome {
        Outcome::Finished { result, path } => {
            say(&format!("{}, result: {}", summary(result), path.display()));
            ExitCode::SUCCESS
        }
        Outcome::Unfinished(Unfinished::CommandFailed { program, status }) => {
            say(&format!("error: `{program}` {}, so there is no result", fate(*status)));
            ExitCode::from(shell_code(*status))
        }
        Outcome::Unfinished(Unfinished::Interrupted { signal }) => {
            say(&format!("error: told to end by {signal}, so there is no result"));
            ExitCode::from(signal_code(*signal as i32))
        }
    }
}

/// `synthetic: 64 tokens in 0.42 s (152.4 tokens/s)`
fn summary(result: &ExperimentResult) -> String {
    let seconds = result.wall_seconds;
    let work = &result.work;
    match work.unit {
        Unit::Commands => format!("command: done in {seconds:.2} s"),
        Unit::Tokens => {
            let rate = work.per_second.map(|r| format!(" ({r:.1} tokens/s)")).unwrap_or_default();
            format!("synthetic: {} tokens in {seconds:.2} s{rate}", work.amount)
        }
    }
}

fn fate(status: ExitStatus) -> String {
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(Ok(signal))) => format!("was ended by {signal}"),
        (None, _) => format!("ended with {status}"),
    }
}

/// The code a shell would give.
fn shell_code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(1),
        (None, Some(signal)) => signal_code(signal),
        (None, None) => 1,
    }
}

fn signal_code(signal: i32) -> u8 {
    u8::try_from(signal).map_or(u8::MAX, |number| 128_u8.saturating_add(number))
}

fn exit_code(error: &ExperimentError) -> u8 {
    match error {
        ExperimentError::File(_) | ExperimentError::Settings(_) | ExperimentError::Identity(_) => 2,
        ExperimentError::Command(experiment::CommandError::Missing { .. }) => 127,
        ExperimentError::Command(experiment::CommandError::NotExecutable { .. }) => 126,
        ExperimentError::Command(_)
        | ExperimentError::Destination(_)
        | ExperimentError::Kernel(_) => 1,
    }
}

fn hint(error: &ExperimentError) -> Option<&'static str> {
    matches!(error, ExperimentError::File(FileError::NoWorkload { .. })).then_some(
        "hint: add one of these to it:\n  \
         workload: {command: [python, run.py]}   # your own program\n  \
         workload: synthetic                     # arithmetic, to try things out",
    )
}

fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Writes a line to standard error; if nobody reads it, the exit code still says how it went.
fn say(line: &str) {
    let shown = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    let line: String = line.chars().map(shown).collect();
    let _ = writeln!(std::io::stderr(), "{line}");
}
