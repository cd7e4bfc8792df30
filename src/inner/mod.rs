//! What runs inside the container: one run's command with everything it starts, from the first
//! mark in the results directory to the last process gone.
//!
//! This area knows nothing of Docker, of experiments or of the host's files. Its processes find
//! each other by two things alone: their parents in `/proc`, and the marker in their environment.
//! It is part of the container build, so it uses no thread and no async runtime, and it needs
//! nothing of the image: no shell, no `/tmp`, no libc.

mod hold;
mod kill;
pub(crate) mod mark;
mod oom;
mod program;
mod run;
mod spawn;
mod sweep;
mod tree;
mod verdict;
mod wake;

pub(crate) use hold::hold;
pub(crate) use kill::kill;
pub(crate) use run::{Order, RunError, run};

/// The environment variable that marks every process of a run with the run's name.
pub(crate) const MARKER: &str = "LEM_RUN_ID";

/// The entry of the environment that a run's processes carry.
fn entry(run: &str) -> Vec<u8> {
    format!("{MARKER}={run}").into_bytes()
}

/// The exit code of `lem kill` when processes are left that even KILL did not end.
pub(crate) const EXIT_SURVIVORS: u8 = 4;
/// The exit code of `lem run` when it can't write to the results directory: nothing was started.
pub(crate) const EXIT_UNWRITABLE: u8 = 119;

/// The exit code of `lem run` when the run was begun before, in this place.
pub(crate) const EXIT_BEGUN_BEFORE: u8 = 118;
/// The exit code of `lem run` when the time limit ended the command.
pub(crate) const EXIT_TIME_LIMIT: u8 = 124;
/// The exit code when the inner lem itself could not work, for a reason with no code of its own.
pub(crate) const EXIT_BROKEN: u8 = 125;
/// The exit code of `lem run` when the command was found but can't be executed.
pub(crate) const EXIT_NOT_EXECUTABLE: u8 = 126;
/// The exit code of `lem run` when there is no such command.
pub(crate) const EXIT_NOT_FOUND: u8 = 127;
