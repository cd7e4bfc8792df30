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

impl EngineError {
    /// Whether it may be the engine that was away, hung or talked nonsense: what was asked is worth
    /// asking again once it answers. What became of what was asked is not known.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Down { .. } | Self::TimedOut { .. } | Self::Unexpected(_) => true,
            Self::Failed { complaint, .. } => speaks_of_an_outage(complaint),
            Self::DockerMissing
            | Self::TooOld { .. }
            | Self::ComposeMissing { .. }
            | Self::ComposeTooOld { .. }
            | Self::NotStarted { .. }
            | Self::File(_)
            | Self::Cancelled => false,
        }
    }
}

/// What a docker client says when there is no engine behind the socket, or none any more.
pub(crate) fn speaks_of_an_outage(text: &str) -> bool {
    [
        "Cannot connect to the Docker daemon",
        "error during connect",
        "error waiting for container: unexpected EOF",
        "Bad response from Docker engine",
        "invalid character",
        "malformed HTTP",
        "ReadResponse: EOF",
        "unexpected EOF",
        "the daemon is shutting down",
    ]
    .iter()
    .any(|words| text.contains(words))
}
