//! ADAPTER: the `docker` command.
//!
//! What is said to docker is a value ([`invocation`], [`compose`], [`container`]); what it answers
//! is a value too ([`reply`], [`resolved`], [`about`], [`devices`], [`place`]). [`files`] finds what
//! Compose would read. Only [`process`] starts anything.

pub(crate) mod about;
pub(crate) mod chosen;
pub(crate) mod compose;
pub(crate) mod condition;
pub(crate) mod container;
pub(crate) mod devices;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod invocation;
pub(crate) mod labelled;
pub(crate) mod lem_keys;
pub(crate) mod life;
pub(crate) mod operations;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod reply;
pub(crate) mod resolved;

use std::path::PathBuf;
use std::time::Duration;

use about::About;
use compose::ComposeProgram;
use container::Docker;
use error::EngineError;
use invocation::Invocation;

use crate::cancel::Cancel;

/// A call that only asks something.
pub(crate) const ASKING: Duration = Duration::from_secs(15);

/// A call that ends and removes containers.
pub(crate) const REMOVING: Duration = Duration::from_secs(60);

/// The oldest engine that lem works with.
pub(crate) const OLDEST_ENGINE: (u32, u32) = (20, 10);
/// The oldest Compose that lem works with.
pub(crate) const OLDEST_COMPOSE: (u32, u32) = (2, 20);

/// The engine and the Compose that lem found and checked.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub docker: Docker,
    pub compose: ComposeProgram,
    /// The engine's own id, the same for every client.
    pub id: String,
    pub version: String,
    pub compose_version: String,
    /// What else it says of itself.
    pub about: About,
    /// Where it keeps images and containers, on its machine.
    pub root: PathBuf,
}

impl Engine {
    /// Finds docker and Compose and asks the engine who it is.
    pub(crate) async fn connect(cancel: &Cancel) -> Result<Self, EngineError> {
        let program = which::which("docker").map_err(|_| EngineError::DockerMissing)?;
        let docker = Docker(program);
        let reply = process::capture(&docker.info(), ASKING, cancel).await?;
        let machine = reply::machine(&reply.stdout).map_err(|unexpected| {
            let complaint = reply.stderr.trim().to_owned();
            if complaint.is_empty() {
                EngineError::Unexpected(unexpected)
            } else {
                EngineError::Down { reason: complaint }
            }
        })?;
        // Without a plugin the standalone program is asked; Compose is checked first because its
        // absence is there whether or not the engine runs.
        let (compose, compose_version) = match machine.compose {
            Some(version) => (ComposeProgram::Plugin { docker: docker.0.clone() }, version),
            None => standalone(cancel).await?,
        };
        if reply::version(&compose_version).is_none_or(|found| found < OLDEST_COMPOSE) {
            return Err(EngineError::ComposeTooOld { version: compose_version });
        }
        if let Some(reason) = machine.error {
            return Err(EngineError::Down { reason });
        }
        if machine.engine_id.is_empty() && machine.engine_version.is_empty() {
            return Err(EngineError::Down { reason: reply.stderr.trim().to_owned() });
        }
        if reply::version(&machine.engine_version).is_some_and(|found| found < OLDEST_ENGINE) {
            return Err(EngineError::TooOld { version: machine.engine_version });
        }
        let (id, version) = (machine.engine_id, machine.engine_version);
        let about = about::engine(&reply.stdout)?;
        Ok(Self { docker, compose, id, version, compose_version, about, root: machine.root })
    }
}

/// A `docker-compose` program of version 2 or newer, which does without a plugin.
pub(crate) async fn standalone(cancel: &Cancel) -> Result<(ComposeProgram, String), EngineError> {
    let missing = |found: &str| EngineError::ComposeMissing { found: found.to_owned() };
    let Ok(program) = which::which("docker-compose") else {
        return Err(missing("`docker` has no `compose` plugin and there is no `docker-compose`"));
    };
    let version = Invocation::new(&program, ["version", "--short"]);
    let version = process::ask(&version, cancel).await?.trim().to_owned();
    match reply::version(&version) {
        Some((major, _)) if major >= 2 => Ok((ComposeProgram::Standalone { program }, version)),
        _ => Err(missing(&format!("`docker-compose` is version {version}, which is Compose v1"))),
    }
}
