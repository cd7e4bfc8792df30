//! An error: what happened, where, why, and the next thing to type.

use std::error::Error;
use std::process::ExitCode;

use super::super::exit;
use super::super::init::InitError;
use super::{plain, say};
use crate::campaign::error::CampaignError;
use crate::engine::error::EngineError;
use crate::engine::files::FilesError;
use crate::yaml::YamlError;

/// Shows an error and says which exit code it has.
pub(in crate::cli) fn error(error: &CampaignError) -> ExitCode {
    what_happened(error);
    if let Some(YamlError::Invalid { help: Some(help), .. }) = yaml(error) {
        say(&format!("hint: {help}"));
    }
    if let CampaignError::NotReady { log, .. } = error {
        for line in log.lines() {
            say(&format!("  | {line}"));
        }
    }
    if let Some(hint) = exit::hint(error) {
        say(&format!("hint: {hint}"));
    }
    ExitCode::from(exit::code(error))
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

fn yaml(error: &CampaignError) -> Option<&YamlError> {
    match error {
        CampaignError::File(error)
        | CampaignError::ComposeFiles(FilesError::File(error))
        | CampaignError::Engine(EngineError::File(error)) => Some(error),
        _ => None,
    }
}

/// Shows that lem could not even begin: no threads, no file descriptors.
pub(in crate::cli) fn failure_of_start(error: &std::io::Error) -> ExitCode {
    say(&format!("error: lem could not start: {error}"));
    ExitCode::from(exit::MACHINE)
}
