//! An error: what happened, where, why, and the next thing to type.

use std::error::Error;
use std::process::ExitCode;

use super::super::exit::{self, Failure};
use super::super::init::InitError;
use super::{plain, say};
use crate::yaml::YamlError;

/// Shows an error and says which exit code it has.
pub(in crate::cli) fn error(error: &impl Failure) -> ExitCode {
    what_happened(error);
    if let Some(YamlError::Invalid { help: Some(help), .. }) = error.yaml() {
        say(&format!("hint: {help}"));
    }
    for line in error.last_words() {
        say(&format!("  | {line}"));
    }
    if let Some(hint) = error.hint() {
        say(&format!("hint: {hint}"));
    }
    ExitCode::from(error.code())
}

/// Shows why a starter project was not written.
pub(in crate::cli) fn init_error(error: &InitError) -> u8 {
    what_happened(error);
    let (code, hint) = exit::init(error);
    say(&format!("hint: {hint}"));
    code
}

fn what_happened(error: &dyn Error) {
    say(&told(error));
}

/// An error and its causes, a line for each.
pub(in crate::cli) fn told(error: &dyn Error) -> String {
    let (mut told, mut cause) = (format!("error: {error}"), error.source());
    while let Some(error) = cause {
        told.push_str(&format!("\n  caused by: {error}"));
        cause = error.source();
    }
    plain(&told)
}

/// An error and its causes in one line.
pub(in crate::cli) fn with_causes(error: &dyn Error) -> String {
    let (mut line, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(error.to_string().trim());
        cause = error.source();
    }
    plain(&line)
}

/// Shows that lem could not even begin: no threads, no file descriptors.
pub(in crate::cli) fn failure_of_start(error: &std::io::Error) -> ExitCode {
    say(&format!("error: lem could not start: {error}"));
    ExitCode::from(exit::MACHINE)
}
