//! What both container strategies share: the project, its worlds, its events, its dependencies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::campaign::attempt::Attempt;
use crate::campaign::error::CampaignError;
use crate::campaign::tenure::Tenure;
use crate::campaign::world::World;
use crate::cancel::{self, Cancel};
use crate::engine::compose::{Existing, Project};
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::events::Events;
use crate::engine::invocation::Invocation;
use crate::engine::process;
use crate::engine::reply::{self, Container, State};
use crate::engine::resolved::Condition;

/// What the processes of a run that is over get to end by themselves: the inner lem is among them,
/// and ends also those that have lost the run's mark.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// Ends a run by `kill`, with a grace until the user insists, and without one from then on.
pub(super) async fn end<T>(cancel: &Cancel, kill: impl AsyncFn(Duration) -> T) -> T {
    if !cancel.insists() {
        tokio::select! {
            done = kill(LAST_GRACE) => return done,
            () = cancel.insisted() => {}
        }
    }
    kill(Duration::ZERO).await
}

/// The containers of a campaign's project.
#[derive(Debug)]
pub(crate) struct Containers {
    pub docker: Docker,
    /// With the override as its last file.
    pub project: Project,
    pub owner: String,
    pub worlds: Vec<World>,
    pub dependencies: Vec<(String, Condition)>,
    /// Those of the services and dependencies that have a healthcheck.
    pub healthchecks: BTreeMap<String, bool>,
    pub health_timeout: Duration,
    pub events: Events,
    /// The dependencies that run.
    pub serving: Vec<Serving>,
    /// What the campaign has of the machine.
    pub tenure: Arc<Tenure>,
}

/// A dependency that runs.
#[derive(Debug)]
pub(crate) struct Serving {
    pub service: String,
    pub id: String,
    /// Events after this mark may say that it has ended.
    pub mark: usize,
}

impl Containers {
    /// The world of the service that a run needs.
    pub(crate) fn world(&self, attempt: &Attempt) -> Result<&World, CampaignError> {
        let service = attempt.service.as_deref().unwrap_or_default();
        self.worlds.iter().find(|world| world.service == service).ok_or_else(|| {
            CampaignError::NoService {
                experiment: attempt.run.clone(),
                service: service.to_owned(),
                known: self.worlds.iter().map(|world| world.service.clone()).collect(),
            }
        })
    }

    /// A dependency that lem started and that has ended since.
    pub(crate) fn ended_dependency(&self) -> Option<&str> {
        let ended = |it: &&Serving| self.events.happened(it.mark, &it.id, "die");
        self.serving.iter().find(ended).map(|it| it.service.as_str())
    }

    /// `-e` arguments of a run: values for lem's own variables, bare names for the user's.
    pub(crate) fn environment(attempt: &Attempt, world: &World) -> Vec<String> {
        attempt.environment.iter().chain(&world.pass).cloned().collect()
    }

    /// The `up` lines before the first run: dependencies as they are, then `held` services.
    pub(crate) fn first(&self, held: &[&str]) -> Vec<Invocation> {
        let dependencies: Vec<&str> = self.dependencies.iter().map(|d| d.0.as_str()).collect();
        let mut lines = Vec::new();
        if !dependencies.is_empty() {
            lines.push(self.project.up(&dependencies, Existing::UsedAsItIs));
        }
        if !held.is_empty() {
            lines.push(self.project.up(held, Existing::BroughtUpToDate));
        }
        lines
    }

    /// A short question to docker that Ctrl-C does not cut off: it is part of cleaning up.
    pub(crate) async fn ask(&self, invocation: &Invocation) -> Result<String, EngineError> {
        let (_raise, never) = cancel::pair();
        process::ask(invocation, &never).await
    }

    /// Whether anything was started in a container beside its own command, and still runs.
    pub(crate) async fn runs_something(&self, id: &str) -> Result<bool, EngineError> {
        let said = self.ask(&self.docker.execs(id)).await?;
        Ok(!matches!(said.trim(), "null" | "[]" | ""))
    }

    /// Removes containers, whoever else is removing them.
    pub(crate) async fn remove(&self, ids: &[&str]) -> Result<(), EngineError> {
        let (_raise, never) = cancel::pair();
        process::remove(&self.docker.remove(ids), &never).await
    }

    /// How a container is; none of one that is not there.
    pub(crate) async fn state(&self, id: &str) -> Result<Option<State>, EngineError> {
        let inspect = self.docker.inspect(&[id]);
        match self.ask(&inspect).await {
            Ok(text) => Ok(reply::states(&text)?.into_iter().next()),
            Err(EngineError::Failed { complaint, .. }) if complaint.contains("No such") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The containers with a label.
    pub(crate) async fn list(&self, label: &str) -> Result<Vec<Container>, EngineError> {
        Ok(reply::containers(&self.ask(&self.docker.list(label)).await?)?)
    }
}
