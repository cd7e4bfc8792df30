//! The ways an experiment gets to run: in a container of its own, in a held one, or here.
//!
//! One enum, so that the runner can't treat them differently by accident: what differs is in the
//! variants' own files.

pub(crate) mod containers;
pub(crate) mod disturbance;
pub(crate) mod ephemeral;
pub(crate) mod local;
pub(crate) mod persistent;
pub(crate) mod ready;

use std::collections::BTreeMap;
use std::time::Duration;

use self::containers::Containers;
use self::disturbance::Disturbance;
use self::ephemeral::Ephemeral;
use self::local::Local;
use self::persistent::Persistent;
use crate::campaign::attempt::{Attempt, Lifeline};
use crate::campaign::error::CampaignError;
use crate::campaign::event::RestartReason;
use crate::campaign::keeper::Keeper;
use crate::campaign::watch::Marks;
use crate::cancel::Cancel;
use crate::engine::container::{COMPOSE_PROJECT, Docker};
use crate::engine::events::Events;
use crate::engine::invocation::Invocation;
use crate::engine::process::{Exit, capture};
use crate::engine::reply;
use crate::inner::mark::EndedMark;

/// How the runs of a campaign run.
#[derive(Debug)]
pub(crate) enum Strategy {
    Ephemeral(Ephemeral),
    Persistent(Persistent),
    Local(Local),
}

/// How long the engine's report of a kill for memory may lag behind the end of the run.
const OOM_LAG: Duration = Duration::from_secs(2);

/// How long the engine's report of a command's end may lag behind it.
const EXEC_LAG: Duration = Duration::from_millis(500);

/// How long the names of containers are waited for.
const NAMING: Duration = Duration::from_secs(2);

impl Strategy {
    /// The command line of a try.
    pub(crate) fn invocation(
        &self,
        attempt: &Attempt,
        lifeline: Lifeline,
    ) -> Result<Invocation, CampaignError> {
        match self {
            Self::Ephemeral(it) => it.invocation(attempt, lifeline),
            Self::Persistent(it) => it.invocation(attempt, lifeline),
            Self::Local(it) => Ok(it.invocation(attempt, lifeline)),
        }
    }

    /// Command lines that come once, before the first run.
    pub(crate) fn first(&self) -> Vec<Invocation> {
        match self {
            Self::Ephemeral(it) => it.containers.first(&[]),
            Self::Persistent(it) => it.first(),
            Self::Local(_) => Vec::new(),
        }
    }

    /// The command line before a run that is not the first of its service.
    pub(crate) fn between(&self, service: &str) -> Option<Invocation> {
        match self {
            Self::Persistent(it) => it.cooling(service),
            Self::Ephemeral(_) | Self::Local(_) => None,
        }
    }

    /// Brings up what the runs need and waits until it is ready.
    pub(crate) async fn begin(&mut self, cancel: &Cancel) -> Result<(), CampaignError> {
        match self {
            Self::Ephemeral(it) => ready::start_dependencies(&mut it.containers, cancel).await,
            Self::Persistent(it) => it.begin(cancel).await,
            Self::Local(_) => Ok(()),
        }
    }

    /// Makes sure that a run can start now; why something had to be started again for it, if it had.
    pub(crate) async fn prepare(
        &mut self,
        attempt: &Attempt,
        cancel: &Cancel,
    ) -> Result<Option<RestartReason>, CampaignError> {
        match self {
            Self::Persistent(it) => it.prepare(attempt, cancel).await,
            Self::Ephemeral(_) | Self::Local(_) => Ok(None),
        }
    }

    /// A mark in the engine's events.
    pub(crate) fn mark(&self) -> usize {
        match self {
            Self::Ephemeral(it) => it.containers.events.mark(),
            Self::Persistent(it) => it.containers.events.mark(),
            Self::Local(_) => 0,
        }
    }

    /// Whether the kernel killed something of the run for lack of memory, by the engine's account.
    pub(crate) async fn saw_oom(
        &self,
        attempt: &Attempt,
        mark: usize,
        ended: Option<&EndedMark>,
        exit: Exit,
    ) -> bool {
        let (containers, container) = match self {
            Self::Ephemeral(it) => (&it.containers, Some(attempt.container.as_str())),
            Self::Persistent(it) => (&it.containers, it.container_of(attempt)),
            Self::Local(_) => return false,
        };
        let Some(container) = container else { return false };
        // Only a run whose inner lem was killed with it has no account of its own.
        let has_account = ended.is_some() && attempt.keeper != Keeper::Nobody;
        if !has_account && matches!(exit, Exit::Code(137)) {
            return containers.events.wait(mark, container, "oom", OOM_LAG).await;
        }
        containers.events.happened(mark, container, "oom")
    }

    /// Whether a run that nobody keeps has begun, by the engine's account.
    pub(crate) async fn has_begun(&self, attempt: &Attempt, mark: usize) -> bool {
        match self {
            Self::Ephemeral(it) => it.containers.events.happened(mark, &attempt.container, "start"),
            Self::Persistent(it) => match it.container_of(attempt) {
                Some(id) => it.containers.runs_something(id).await.unwrap_or(false),
                None => false,
            },
            Self::Local(_) => true,
        }
    }

    /// The exit code of a run that nobody keeps, by the engine's account: its container's, or the
    /// client's where the engine says that a command ended with it.
    pub(crate) async fn exit_code(
        &self,
        attempt: &Attempt,
        mark: usize,
        exit: Exit,
    ) -> Option<i32> {
        match self {
            Self::Ephemeral(it) => it.containers.events.exit_code(mark, &attempt.container),
            Self::Persistent(it) => {
                // The other codes have one meaning, or docker says more.
                let Exit::Code(code @ (1 | 125 | 130 | 255)) = exit else { return None };
                let (id, events) = (it.container_of(attempt)?, &it.containers.events);
                events.wait_for_exec(mark, id, code, EXEC_LAG).await.then_some(code)
            }
            Self::Local(_) => None,
        }
    }

    /// Asks a run that nobody keeps to end; the others know by their lifeline. What doesn't work
    /// here is found out when it is made sure that the run is gone.
    pub(crate) async fn stop(&mut self, attempt: &Attempt, cancel: &Cancel) {
        match self {
            Self::Ephemeral(it) => it.stop(attempt, cancel).await,
            Self::Persistent(it) => {
                let _ = it.stop(attempt).await;
            }
            Self::Local(_) => {}
        }
    }

    /// Ends whatever is left of a try, and looks that nothing is.
    pub(crate) async fn make_sure_gone(
        &mut self,
        attempt: &Attempt,
        marks: &Marks,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        match self {
            Self::Ephemeral(it) => it.make_sure_gone(attempt).await,
            Self::Persistent(it) => it.make_sure_gone(attempt, marks, cancel).await,
            Self::Local(it) => it.make_sure_gone(attempt, cancel).await,
        }
    }

    /// Where docker is asked; nowhere in local runs.
    pub(crate) fn docker(&self) -> Option<&Docker> {
        self.engine_side().map(|containers| &containers.docker)
    }

    /// How often the engine's events broke off so far.
    pub(crate) fn breaks(&self) -> u64 {
        self.engine_side().map_or(0, |containers| containers.events.breaks())
    }

    /// The engine was away: nothing is known any more of what it held.
    pub(crate) fn engine_was_lost(&mut self) {
        if let Self::Persistent(it) = self {
            it.engine_was_lost();
        }
    }

    /// Brings up again what the runs depend on; held containers follow before their next run.
    pub(crate) async fn recover(&mut self, cancel: &Cancel) -> Result<(), CampaignError> {
        match self {
            Self::Ephemeral(it) => ready::restart_dependencies(&mut it.containers, cancel).await,
            Self::Persistent(it) => ready::restart_dependencies(&mut it.containers, cancel).await,
            Self::Local(_) => Ok(()),
        }
    }

    /// A dependency that has ended since it was started.
    pub(crate) fn ended_dependency(&self) -> Option<&str> {
        self.engine_side()?.ended_dependency()
    }

    /// Ends when somebody else has done something to the run's container that its client may not
    /// notice.
    pub(crate) async fn disturbance(&self, attempt: &Attempt, mark: usize) -> Disturbance {
        match self.events_of(attempt) {
            Some((events, container)) => disturbance::of(events, mark, container).await,
            None => std::future::pending().await,
        }
    }

    /// Ends when the run's container has ended and its client should have noticed long ago.
    pub(crate) async fn end_that_nobody_noticed(&self, attempt: &Attempt, mark: usize) {
        match self.events_of(attempt) {
            Some((events, container)) => disturbance::ended(events, mark, container).await,
            None => std::future::pending().await,
        }
    }

    /// The engine's events, and what they call the container of a run.
    fn events_of<'a>(&'a self, attempt: &'a Attempt) -> Option<(&'a Events, &'a str)> {
        match self {
            Self::Ephemeral(it) => Some((&it.containers.events, &attempt.container)),
            Self::Persistent(it) => Some((&it.containers.events, it.container_of(attempt)?)),
            Self::Local(_) => None,
        }
    }

    /// The held containers by service.
    pub(crate) fn held(&self) -> Vec<(String, String)> {
        match self {
            Self::Persistent(it) => it.held(),
            Self::Ephemeral(_) | Self::Local(_) => Vec::new(),
        }
    }

    /// The container that a run's service has before the run.
    pub(crate) fn held_container(&self, attempt: &Attempt) -> Option<(&Docker, &str)> {
        match self {
            Self::Persistent(it) => Some((&it.containers.docker, it.container_of(attempt)?)),
            Self::Ephemeral(_) | Self::Local(_) => None,
        }
    }

    /// Restarts a held container and waits until it is as the runs need it.
    pub(crate) async fn restart(
        &mut self,
        service: &str,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        match self {
            Self::Persistent(it) => it.restart(service, cancel).await,
            Self::Ephemeral(_) | Self::Local(_) => Ok(()),
        }
    }

    /// A run lost the GPU: the next one of its service needs a container that has it.
    pub(crate) fn lost_gpu(&mut self, attempt: &Attempt) {
        if let Self::Persistent(it) = self {
            it.lost_gpu(attempt);
        }
    }

    fn engine_side(&self) -> Option<&Containers> {
        match self {
            Self::Ephemeral(it) => Some(&it.containers),
            Self::Persistent(it) => Some(&it.containers),
            Self::Local(_) => None,
        }
    }

    /// The ids of the project's containers; none where docker doesn't answer.
    pub(crate) async fn containers(&self) -> Vec<String> {
        let Some(containers) = self.engine_side() else { return Vec::new() };
        let listed = containers.list(&format!("{COMPOSE_PROJECT}={}", containers.owner)).await;
        listed.unwrap_or_default().into_iter().map(|container| container.id).collect()
    }

    /// The names of all running containers by id; none where docker is slow.
    pub(crate) async fn container_names(&self, cancel: &Cancel) -> BTreeMap<String, String> {
        let Some(containers) = self.engine_side() else { return BTreeMap::new() };
        match capture(&containers.docker.names(), NAMING, cancel).await {
            Ok(reply) => reply::names(&reply.stdout),
            Err(_) => BTreeMap::new(),
        }
    }

    /// Ends what a lem that was killed may have left of an earlier try.
    pub(crate) async fn end_earlier(
        &mut self,
        attempt: &Attempt,
        marks: &Marks,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        match self {
            // Its containers were removed when the campaign began.
            Self::Ephemeral(_) => Ok(()),
            Self::Persistent(_) | Self::Local(_) => {
                self.make_sure_gone(attempt, marks, cancel).await
            }
        }
    }

    /// How often each service had to be started again.
    pub(crate) fn restarts(&self) -> Vec<(String, u32)> {
        match self {
            Self::Persistent(it) => it.restarts(),
            Self::Ephemeral(_) | Self::Local(_) => Vec::new(),
        }
    }
}
