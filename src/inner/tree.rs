//! The command and everything that descends from it: started, reaped, measured.
//!
//! This process is the subreaper of the
//! tree, so that a process whose parent ended becomes our child and never leaves the tree.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::program;
use super::spawn::spawn;
use crate::process_tree;

/// This process can't be the one that ends and reaps a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootError {
    /// Without this an orphan would leave the tree.
    #[error("cannot become the reaper of the run's processes")]
    NoReaper { source: Errno },
    /// The system would tell neither when the command ends nor how.
    #[error("started with SIGCHLD ignored, so that no end of a command could be seen")]
    ChildrenIgnored,
}

/// The command could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// There is no such file, on the PATH or at the place named.
    #[error("there is no command `{}`", word.display())]
    Missing { word: OsString },
    /// The file is there, but not the program it needs: a script's interpreter or the loader.
    #[error("the interpreter of `{}` is missing", word.display())]
    InterpreterMissing { word: OsString },
    /// The system refused to execute the file.
    #[error("cannot execute `{}`", word.display())]
    NotExecutable { word: OsString, source: Errno },
}

/// How the command itself ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandEnd {
    Exited(i32),
    Signaled(i32),
    /// The system told no status that we can read.
    Unknown,
}

/// A run's processes, as their common ancestor sees them.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    command: Option<Running>,
    end: Option<(CommandEnd, Duration)>,
}

#[derive(Debug)]
struct Running {
    pid: Pid,
    since: Instant,
}

/// What the reaped processes used.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_memory_bytes: u64,
}

impl Tree {
    /// Makes this process the subreaper, with nothing started yet.
    pub(crate) fn new() -> Result<Self, RootError> {
        if process_tree::ignores(Signal::SIGCHLD) {
            return Err(RootError::ChildrenIgnored);
        }
        set_child_subreaper(true).map_err(|source| RootError::NoReaper { source })?;
        Ok(Self::default())
    }

    /// Starts the command in a process group of its own, so that a terminal's signals come to us
    /// first, and without input: the standard input is our lifeline.
    pub(crate) fn start(&mut self, words: &[OsString]) -> Result<(), StartError> {
        let word = words.first().cloned().unwrap_or_default();
        let since = Instant::now();
        let pid = spawn(&program::resolve(&word), words).map_err(|source| match source {
            Errno::ENOENT if program::exists(&word) => StartError::InterpreterMissing { word },
            Errno::ENOENT => StartError::Missing { word },
            _ => StartError::NotExecutable { word, source },
        })?;
        self.command = Some(Running { pid, since });
        Ok(())
    }

    /// How the command ended, as far as [`Tree::reap`] has seen it.
    pub(crate) fn command_end(&self) -> Option<CommandEnd> {
        self.end.map(|(end, _)| end)
    }

    /// Whether the command was started and has not been reaped.
    pub(crate) fn command_runs(&self) -> bool {
        self.command.is_some()
    }

    /// From the command's start to its end, or to now; nothing for one that never started.
    pub(crate) fn wall(&self) -> Duration {
        let so_far = || self.command.as_ref().map_or(Duration::ZERO, |it| it.since.elapsed());
        self.end.map_or_else(so_far, |(_, wall)| wall)
    }

    /// Reaps every child that has ended. Says whether any child is left: without one there is no
    /// descendant, for an orphan would have become our child.
    pub(crate) fn reap(&mut self) -> bool {
        // First only a look, so that nothing is lost when a status can't be expressed.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            let (pid, end) = match waitid(Id::All, look) {
                Ok(WaitStatus::StillAlive) => return true,
                Ok(status) => (status.pid(), CommandEnd::of(status)),
                // A real-time signal ended it, which `waitid` can't name: nor who it was.
                Err(Errno::EINVAL) => self.ended_in_real_time(),
                Err(Errno::EINTR) => continue,
                Err(_) => {
                    self.note(CommandEnd::Unknown);
                    return false;
                }
            };
            // Where the look named no one, the reaping may; it fails for the same reason.
            let reaped = waitpid(pid, Some(WaitPidFlag::WNOHANG));
            let (pid, end) = reaped.map_or((pid, end), |it| (it.pid(), CommandEnd::of(it)));
            if pid == self.command.as_ref().map(|command| command.pid) {
                self.note(end);
            }
        }
    }

    /// The command, if it is what a real-time signal ended; otherwise no one in particular.
    fn ended_in_real_time(&self) -> (Option<Pid>, CommandEnd) {
        let command = self.command.as_ref().map(|command| command.pid);
        let signal = command.and_then(process_tree::signal_that_ended);
        signal.map_or((None, CommandEnd::Unknown), |signal| (command, CommandEnd::Signaled(signal)))
    }

    fn note(&mut self, end: CommandEnd) {
        if let Some(command) = self.command.take() {
            self.end = Some((end, command.since.elapsed()));
        }
    }
}

impl CommandEnd {
    /// The exit code, for a command that has one.
    pub(crate) fn code(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code),
            Self::Signaled(_) | Self::Unknown => None,
        }
    }

    fn of(status: WaitStatus) -> Self {
        match status {
            WaitStatus::Exited(_, code) => Self::Exited(code),
            WaitStatus::Signaled(_, signal, _) => Self::Signaled(signal as i32),
            _ => Self::Unknown,
        }
    }
}

/// What all reaped processes used so far, together with those that these had reaped.
pub(crate) fn spent() -> Spent {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Spent { cpu_seconds: 0.0, peak_memory_bytes: 0 };
    };
    Spent { cpu_seconds: cpu_seconds(&usage), peak_memory_bytes: peak_bytes(&usage) }
}

fn cpu_seconds(usage: &Usage) -> f64 {
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0)).as_secs_f64()
}

fn peak_bytes(usage: &Usage) -> u64 {
    u64::try_from(usage.max_rss()).unwrap_or(0).saturating_mul(1024)
}
