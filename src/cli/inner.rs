//! The command line of what runs inside the container: `lem run`, `lem hold` and `lem kill`.
//!
//! The host writes these invocations, not a person, so they are hidden. Their standard output and
//! error belong to the run's command: this module adds a line only where something is wrong.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use nix::poll::{PollFd, PollFlags, poll};

use crate::inner::{
    self, EXIT_BEGUN_BEFORE, EXIT_BROKEN, EXIT_SURVIVORS, EXIT_UNWRITABLE, MARKER, Order, RunError,
};

/// How long a message waits for room in a pipe that the command may have filled.
const PATIENCE_MS: u16 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a command in this container and leave none of its processes behind.
    ///
    /// The run lasts until the command exits, the time limit is reached, the standard input (the
    /// lifeline) is closed or a signal asks to stop. Then every process that the command started,
    /// and every one with the same `LEM_RUN_ID` in its environment, is ended.
    #[command(hide = true)]
    Run(RunArgs),
    /// Keep this container alive until a signal asks to stop.
    #[command(hide = true)]
    Hold,
    /// End every process in this container that has `LEM_RUN_ID=RUN` in its environment.
    ///
    /// Only processes whose environment this user may read are found.
    #[command(hide = true)]
    Kill(KillArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The results directory, where `started.json` and `ended.json` are written.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// End the run after this time.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    time_limit: Option<Duration>,
    /// The time between TERM and KILL.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    grace: Duration,
    /// Go on when the standard input is closed; one that is /dev/null counts as closed.
    #[arg(long)]
    no_lifeline: bool,
    /// The command and its arguments. `lem` is this program where the image has no other.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct KillArgs {
    /// The run's name, exactly.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    run: String,
    /// The time between TERM and KILL.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    grace: Duration,
}

pub(super) fn run(command: Command) -> ExitCode {
    ExitCode::from(match command {
        Command::Run(arguments) => run_command(arguments),
        Command::Hold => inner::hold().map_or_else(|error| fail(&error, EXIT_BROKEN), |()| 0),
        Command::Kill(arguments) => kill(&arguments),
    })
}

fn run_command(arguments: RunArgs) -> u8 {
    let order = Order {
        // An empty marker would match whatever else was started with an empty one.
        run: std::env::var(MARKER).ok().filter(|run| !run.is_empty()),
        dir: arguments.dir,
        result: std::env::var_os("LEM_RESULT_PATH").map(PathBuf::from),
        time_limit: arguments.time_limit,
        grace: arguments.grace,
        lifeline: !arguments.no_lifeline,
        command: arguments.command,
    };
    inner::run(&order, &mut |notice| say(notice)).unwrap_or_else(|error| {
        let code = match error {
            RunError::Unwritable { .. } => EXIT_UNWRITABLE,
            RunError::BegunBefore { .. } => EXIT_BEGUN_BEFORE,
            RunError::Deaf(_) | RunError::Rootless(_) => EXIT_BROKEN,
        };
        fail(&error, code)
    })
}

fn kill(arguments: &KillArgs) -> u8 {
    let killed = match inner::kill(&arguments.run, arguments.grace) {
        Ok(killed) => killed,
        Err(error) => return fail(&error, EXIT_BROKEN),
    };
    let line = match killed.ended {
        0 => "nothing found".to_owned(),
        ended => format!("ended {ended}"),
    };
    match killed.survivors {
        None => {
            // The processes are gone, whether or not someone still reads this.
            let _ = writeln!(io::stdout(), "{line}");
            0
        }
        Some(survivors) => fail(&survivors, EXIT_SURVIVORS),
    }
}

fn fail(error: &dyn Error, code: u8) -> u8 {
    say(error);
    code
}

/// Writes the error with its causes as one line on the standard error.
///
/// The pipe may be full, because the command filled it and nobody reads any more. Then the line is
/// dropped: a message must not keep a run from its end.
fn say(error: &dyn Error) {
    let mut line = format!("lem: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.push('\n');
    let stderr = io::stderr();
    let mut sink = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut sink, PATIENCE_MS).is_ok_and(|ready| ready > 0) {
        // In one piece: what the command writes at the same time can't get in between.
        let _ = (&stderr).write_all(line.as_bytes());
    }
}

/// Reads a time in seconds, fractions allowed.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("`{text}` seconds is no time that could be waited for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_fractions_but_no_sign_and_no_infinity() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert!(seconds("-1").is_err());
        assert!(seconds("inf").is_err());
        assert!(seconds("NaN").is_err());
        assert!(seconds("2s").is_err());
    }
}
