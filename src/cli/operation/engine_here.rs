//! Which engine this is: asked at most once an hour, as long as its socket stays the same one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::error::OperationError;
use super::store;
use crate::cancel::Cancel;
use crate::coordination::agent::Agent;
use crate::coordination::ledger::SeenEngine;
use crate::engine::Engine;
use crate::engine::chosen::Chosen;
use crate::engine::compose::ComposeProgram;
use crate::engine::container::Docker;
use crate::engine::error::EngineError;

/// For so long an engine is believed to be the one that it was.
const BELIEVED: Duration = Duration::from_secs(3600);

/// The engine that docker would ask.
pub(super) struct EngineHere {
    program: Option<PathBuf>,
    chosen: Chosen,
    connected: Option<Engine>,
}

impl EngineHere {
    /// Looks where it would be, and asks nobody.
    pub(super) fn look() -> Self {
        Self { program: which::which("docker").ok(), chosen: Chosen::look(), connected: None }
    }

    /// The `docker` program.
    pub(super) fn docker(&self) -> Option<Docker> {
        self.program.clone().map(Docker)
    }

    /// How Compose is started: as it was found, or else as it is nearly everywhere.
    pub(super) fn compose(&self) -> Option<ComposeProgram> {
        match &self.connected {
            Some(engine) => Some(engine.compose.clone()),
            None => self.program.clone().map(|docker| ComposeProgram::Plugin { docker }),
        }
    }

    /// Its id.
    pub(super) async fn id(
        &mut self,
        agent: &Arc<Agent>,
        cancel: &Cancel,
    ) -> Result<String, OperationError> {
        if self.program.is_none() {
            return Err(EngineError::DockerMissing.into());
        }
        if let Some(engine) = &self.connected {
            return Ok(engine.id.clone());
        }
        let address = self.address(agent);
        let asked = address.clone();
        let seen = agent.call(move |ledger, _| ledger.engine_at(&asked)).await?;
        if let Some(seen) = seen.as_ref().filter(|seen| self.is_still(seen)) {
            return Ok(seen.engine.clone());
        }
        match (self.connect(cancel).await, seen) {
            (Ok(engine), _) => {
                let docker = engine.docker.clone();
                let (id, stamp) = (engine.id.clone(), self.chosen.stamp.clone());
                let noted = id.clone();
                let note = move |ledger: &mut crate::coordination::ledger::Ledger, _: &_| {
                    ledger.note_engine(&address, &stamp, &noted)
                };
                store::check(&docker, agent, cancel).await?;
                agent.call(note).await?;
                Ok(id)
            }
            // It is away; what was its own still is.
            (Err(error), Some(seen)) if error.is_outage() => Ok(seen.engine),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The engine, which must answer now.
    pub(super) async fn connect(&mut self, cancel: &Cancel) -> Result<&Engine, EngineError> {
        if self.connected.is_none() {
            self.connected = Some(Engine::connect(cancel).await?);
        }
        self.connected.as_ref().ok_or(EngineError::DockerMissing)
    }

    fn is_still(&self, seen: &SeenEngine) -> bool {
        let age = Duration::try_from(Timestamp::now().duration_since(seen.seen_at));
        seen.stamp == self.chosen.stamp && age.is_ok_and(|age| age < BELIEVED)
    }

    /// Its address; that of a socket is another one on each machine.
    fn address(&self, agent: &Agent) -> String {
        let endpoint = &self.chosen.endpoint;
        if endpoint.starts_with("unix://") {
            format!("{} {endpoint}", agent.own().owner.host)
        } else {
            endpoint.clone()
        }
    }
}
