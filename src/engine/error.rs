//! What can go wrong between lem and docker.

use std::path::PathBuf;
use std::time::Duration;

use super::process::Exit;
use super::reply::Unexpected;
use crate::duration::human;
use crate::yaml::YamlError;

/// The machine, the engine or Compose could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("there is no `docker` on the PATH")]
    DockerMissing,
    #[error("the docker engine does not answer: {reason}")]
    Down { reason: String },
    #[error("docker engine {version} is too old; lem needs 20.10 or newer")]
    TooOld { version: String },
    #[error("there is no Compose v2: {found}")]
    ComposeMissing { found: String },
    #[error("Compose {version} is too old; lem needs 2.20 or newer")]
    ComposeTooOld { version: String },
    #[error("`{}` could not be started", program.display())]
    NotStarted { program: PathBuf, source: std::io::Error },
    #[error("`{command}` took longer than {}", human(*limit))]
    TimedOut { command: String, limit: Duration },
    #[error("`{command}` ended with {exit}: {complaint}")]
    Failed { command: String, exit: Exit, complaint: String },
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
    #[error("the Compose file is not valid")]
    File(#[from] YamlError),
    #[error("interrupted")]
    Cancelled,
}
