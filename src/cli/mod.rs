//! The rim: the only module that reads arguments, prints, asks and chooses exit codes.

use std::process::ExitCode;

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
