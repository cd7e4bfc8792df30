//! The command workload: start it, pass on a request to end, wait for it.
//!
//! The command is a direct child with this process's environment, output and process group, and
//! without input. What it leaves behind is not looked for: `lem run` and the container end a tree.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::interrupts::{Event, Interrupts};
use super::workload::Argv;

/// A command and what it is told about its experiment.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) argv: Argv,
    /// The experiment file, for `LEM_EXPERIMENT_CONFIG`.
    pub(crate) config: PathBuf,
    /// For `LEM_DATASET`.
    pub(crate) dataset: Option<String>,
    /// For `LEM_SAMPLE_SIZE`.
    pub(crate) sample_size: Option<u64>,
}

/// How a command that was started ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself, well or not.
    Alone(ExitStatus),
    /// After this process was told to end, whatever status the command made of it.
    Interrupted(Signal),
}

/// A command that could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// There is no such program.
    #[error(
        "cannot start `{program}`: no such program{}",
        if program.contains('/') { ", or its interpreter is missing" } else { " in PATH" }
    )]
    Missing { program: String },
    /// The program is there and cannot be executed.
    #[error("cannot execute `{program}`")]
    NotExecutable { program: String, source: io::Error },
    /// The path of the experiment file cannot be made absolute for the command.
    #[error("cannot tell the absolute path of `{}`", path.display())]
    NoPath { path: PathBuf, source: io::Error },
    /// The command was started and can no longer be waited for.
    #[error("lost the command `{program}`")]
    Lost { program: String, source: io::Error },
}

impl Invocation {
    /// Runs the command to its end.
    ///
    /// A signal that comes in the instant before the command is watched ends this process as it
    /// would any other.
    pub(crate) fn run(&self) -> Result<Ended, CommandError> {
        let program = self.argv.program();
        let lost = |source: io::Error| CommandError::Lost { program: program.to_owned(), source };
        let interrupts = Interrupts::open().map_err(|e| lost(e.into()))?;
        let mut child = self.start()?;
        wait(&mut child, &interrupts).map_err(lost)
    }

    fn start(&self) -> Result<Child, CommandError> {
        let program = self.argv.program();
        let config = std::path::absolute(&self.config)
            .map_err(|source| CommandError::NoPath { path: self.config.clone(), source })?;
        #[expect(clippy::disallowed_methods, reason = "the workload is a command of the user's")]
        let mut command = Command::new(program);
        command.args(self.argv.arguments()).stdin(Stdio::null());
        command.env("LEM_EXPERIMENT_CONFIG", config);
        set(&mut command, "LEM_DATASET", self.dataset.as_ref());
        set(&mut command, "LEM_SAMPLE_SIZE", self.sample_size.map(|n| n.to_string()));
        command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => CommandError::Missing { program: program.to_owned() },
            _ => CommandError::NotExecutable { program: program.to_owned(), source },
        })
    }
}

/// Sets a variable to what this experiment knows; what it does not know stays as inherited.
fn set(command: &mut Command, name: &str, value: Option<impl AsRef<OsStr>>) {
    if let Some(value) = value {
        command.env(name, value);
    }
}

/// Waits for the command and passes on what should end it.
fn wait(child: &mut Child, interrupts: &Interrupts) -> io::Result<Ended> {
    interrupts.block()?;
    let mut interrupted = None;
    loop {
        // Before the first event too: a command that ended before the signals were blocked has
        // sent its SIGCHLD to nobody.
        if let Some(status) = child.try_wait()? {
            return Ok(interrupted.map_or(Ended::Alone(status), Ended::Interrupted));
        }
        if let Event::Interrupt(interrupt) = interrupts.wait()? {
            interrupted.get_or_insert(interrupt.signal);
            if !interrupt.from_terminal {
                tell(child, interrupt.signal)?;
            }
        }
    }
}

/// Sends a signal to the command, which has not been waited for, so the id is still its own.
fn tell(child: &Child, signal: Signal) -> io::Result<()> {
    let id = i32::try_from(child.id()).map_err(io::Error::other)?;
    match kill(Pid::from_raw(id), signal) {
        // Not permitted: the program gave itself another user. It ends when the container does.
        Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
