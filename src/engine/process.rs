//! Child processes of the host's lem: the only module that starts one.
//!
//! Every child has a process group of its own, so that a terminal's Ctrl-C reaches lem alone and
//! lem decides what ends in which order; and its input is `/dev/null` or a pipe that lem holds,
//! because a child in a group of its own that reads the terminal is stopped by the kernel.
//! Ending a docker client does not end the container: see [`crate::campaign`]'s strategies.

mod attended;
mod feed;
mod heirloom;
mod leave;
mod stream;

use std::fmt;
use std::fs::File;
use std::io::PipeReader;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duct::{Expression, Handle};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::error::EngineError;
use super::invocation::Invocation;
use crate::cancel::Cancel;
use crate::secret::hidden_in;

pub(crate) use attended::Attended;
pub(crate) use feed::feed_blocking;
pub(crate) use heirloom::hand_down;
pub(crate) use leave::{Ask, Leaving, Left};
pub(crate) use stream::Stream;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        status.code().map_or_else(|| Self::Signal(status.signal().unwrap_or(0)), Self::Code)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What a finished command said.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
}

impl Reply {
    /// The output, if the command succeeded.
    pub(crate) fn success(self, invocation: &Invocation) -> Result<String, EngineError> {
        match self.exit {
            Exit::Code(0) => Ok(self.stdout),
            exit => Err(EngineError::Failed {
                command: invocation.to_string(),
                exit,
                complaint: last_words(&self.stderr, &self.stdout),
            }),
        }
    }

    /// Whether a removal failed only because somebody else removed everything, or is at it: the
    /// client of a `run --rm` outlives a lem that is killed.
    pub(crate) fn found_it_gone(&self) -> bool {
        let gone = |line: &str| {
            line.contains("No such container") || line.contains("is already in progress")
        };
        let mut lines = self.stderr.lines().filter(|line| !line.trim().is_empty()).peekable();
        self.exit == Exit::Code(1) && lines.peek().is_some() && lines.all(gone)
    }
}

/// The end of what a failed command said, on either stream.
fn last_words(stderr: &str, stdout: &str) -> String {
    let text = if stderr.trim().is_empty() { stdout } else { stderr };
    let text = hidden_in(text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// Runs a command and waits for its end, at most `limit`, and only until the user insists on the
/// end of everything.
pub(crate) fn capture_blocking(
    invocation: &Invocation,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Reply, EngineError> {
    /// How often it looks what the user wants.
    const LOOK: Duration = Duration::from_millis(50);
    let expression = expression(invocation).stdin_null().stdout_capture().stderr_capture();
    let handle = spawn(&expression, invocation)?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match handle.wait_timeout(left.min(LOOK)) {
            Ok(Some(output)) => return Ok(reply(output)),
            Err(source) => return Err(not_started(invocation, source)),
            Ok(None) if left.is_zero() || cancel.insists() => {
                signal_group(&handle, Signal::SIGKILL);
                // A grandchild outside the group may hold the pipe: it is not waited for.
                let _ = handle.wait_timeout(Duration::from_secs(1));
                return Err(if left.is_zero() {
                    EngineError::TimedOut { command: invocation.to_string(), limit }
                } else {
                    EngineError::Cancelled
                });
            }
            Ok(None) => {}
        }
    }
}

/// Runs a command and waits for its end, its time limit or the user, whichever is first.
pub(crate) async fn capture(
    invocation: &Invocation,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Reply, EngineError> {
    captured(expression(invocation).stdin_null(), invocation, limit, cancel).await
}

/// The same for a command that holds a lock with lem: where lem is killed, the lock is free once
/// the command too has ended. It has the lock as its input, and must not read that.
pub(crate) async fn capture_holding(
    lock: std::io::Result<File>,
    invocation: &Invocation,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Reply, EngineError> {
    let input = lock.map_err(|source| not_started(invocation, source))?;
    captured(expression(invocation).stdin_file(input), invocation, limit, cancel).await
}

async fn captured(
    expression: Expression,
    invocation: &Invocation,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Reply, EngineError> {
    let expression = expression.stdout_capture().stderr_capture();
    let handle = Arc::new(spawn(&expression, invocation)?);
    let waiting = tokio::task::spawn_blocking({
        let handle = Arc::clone(&handle);
        move || handle.wait().map(reply)
    });
    let end = |error| {
        signal_group(&handle, Signal::SIGKILL);
        Err(error)
    };
    tokio::select! {
        ended = waiting => match ended {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(source)) => Err(not_started(invocation, source)),
            Err(panicked) => Err(not_started(invocation, std::io::Error::other(panicked))),
        },
        () = tokio::time::sleep(limit) => {
            end(EngineError::TimedOut { command: invocation.to_string(), limit })
        }
        _ = cancel.raised() => end(EngineError::Cancelled),
    }
}

/// The answer to a short question; an error, if the command failed.
pub(crate) async fn ask(invocation: &Invocation, cancel: &Cancel) -> Result<String, EngineError> {
    capture(invocation, super::ASKING, cancel).await?.success(invocation)
}

/// Runs a removal. What somebody else has removed, or is removing, is what was wanted.
pub(crate) async fn remove(removal: &Invocation, cancel: &Cancel) -> Result<(), EngineError> {
    let reply = capture(removal, super::REMOVING, cancel).await?;
    if reply.found_it_gone() { Ok(()) } else { reply.success(removal).map(drop) }
}

/// Runs a command whose words a person follows on standard error, without a time limit.
pub(crate) async fn show(invocation: &Invocation, cancel: &Cancel) -> Result<(), EngineError> {
    let stderr = std::io::stderr().as_fd().try_clone_to_owned();
    let stderr = stderr.map_err(|source| not_started(invocation, source))?;
    let mut child = Child::start(invocation, None, stderr.into())?;
    tokio::select! {
        exit = child.ended() => match exit {
            Exit::Code(0) => Ok(()),
            exit => Err(EngineError::Failed {
                command: invocation.to_string(),
                exit,
                complaint: "see above".to_owned(),
            }),
        },
        _ = cancel.raised() => Err(EngineError::Cancelled),
    }
}

/// A running child whose output goes to a file. Dropping it kills what is left of its group.
#[derive(Debug)]
pub(crate) struct Child {
    handle: Arc<Handle>,
    ended: watch::Receiver<Option<Exit>>,
}

impl Child {
    /// Starts a command that reads `stdin` and writes both streams to `log`, in the order written:
    /// nothing has to be drained, and the log is whole even when this process is killed.
    pub(crate) fn start(
        invocation: &Invocation,
        stdin: Option<PipeReader>,
        log: File,
    ) -> Result<Self, EngineError> {
        let stderr = log.try_clone().map_err(|source| not_started(invocation, source))?;
        let expression = expression(invocation).stdout_file(log).stderr_file(stderr);
        let expression = match stdin {
            Some(pipe) => expression.stdin_file(pipe),
            None => expression.stdin_null(),
        };
        let handle = Arc::new(spawn(&expression, invocation)?);
        let (sender, ended) = watch::channel(None);
        tokio::task::spawn_blocking({
            let handle = Arc::clone(&handle);
            move || {
                let exit = handle.wait().map_or(Exit::Signal(0), |output| output.status.into());
                let _ = sender.send(Some(exit));
            }
        });
        Ok(Self { handle, ended })
    }

    /// Waits for the end. May be dropped and called again.
    pub(crate) async fn ended(&mut self) -> Exit {
        match self.ended.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::Signal(0)),
            Err(_) => Exit::Signal(0),
        }
    }

    /// Asks the child's group to end.
    pub(crate) fn ask_to_end(&self) {
        if self.ended.borrow().is_none() {
            signal_group(&self.handle, Signal::SIGTERM);
        }
    }

    /// Kills the child and its group.
    pub(crate) fn kill(&self) {
        if self.ended.borrow().is_none() {
            signal_group(&self.handle, Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn expression(invocation: &Invocation) -> Expression {
    let mut expression = duct::cmd(&invocation.program, &invocation.arguments)
        .before_spawn(|command| {
            command.process_group(0);
            Ok(())
        })
        .unchecked();
    // What the user's `COMPOSE_…` variables say was made into arguments; left in the environment
    // they would say it again, to calls that it is not meant for. A lem inside a run of another
    // lem is a run of its own. The address of a webhook is lem's secret.
    for (name, _) in std::env::vars_os() {
        let word = name.to_string_lossy();
        if word.starts_with("COMPOSE_") || word == "LEM_RUN_ID" || word == "LEM_WEBHOOK_URL" {
            expression = expression.env_remove(name);
        }
    }
    for (name, value) in &invocation.environment {
        expression = expression.env(name, value);
    }
    match &invocation.directory {
        Some(directory) => expression.dir(directory),
        None => expression,
    }
}

fn spawn(expression: &Expression, invocation: &Invocation) -> Result<Handle, EngineError> {
    heirloom::with(|| expression.start()).map_err(|source| not_started(invocation, source))
}

/// The same for what has nothing to do with what lem does to containers.
fn spawn_apart(expression: &Expression, invocation: &Invocation) -> Result<Handle, EngineError> {
    heirloom::without(|| expression.start()).map_err(|source| not_started(invocation, source))
}

fn not_started(invocation: &Invocation, source: std::io::Error) -> EngineError {
    EngineError::NotStarted { program: invocation.program.clone(), source }
}

fn reply(output: &std::process::Output) -> Reply {
    Reply {
        exit: output.status.into(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn signal_group(handle: &Handle, signal: Signal) {
    for pid in handle.pids() {
        if let Ok(pid) = i32::try_from(pid) {
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_that_somebody_else_did_or_does_found_it_gone() {
        let gone = |code, stderr: &str| {
            let (exit, stderr) = (Exit::Code(code), stderr.to_owned());
            Reply { exit, stdout: String::new(), stderr }.found_it_gone()
        };
        let missing = "Error: No such container: 64dc\n";
        let going = "Error response from daemon: removal of container 64dc is already in progress";
        assert!(gone(1, missing) && gone(1, going) && gone(1, &format!("{missing}{going}")));
        let stuck = "Error response from daemon: could not kill: permission denied\n";
        assert!(!gone(1, &format!("{missing}{stuck}")));
        assert!(!gone(1, "") && !gone(0, ""));
    }
}
