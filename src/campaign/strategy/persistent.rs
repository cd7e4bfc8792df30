//! One held container per service: `docker compose up`, then `exec` for each run.

mod ending;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::containers::Containers;
use super::ready::{self, Need};
use crate::campaign::attempt::{Attempt, Lifeline};
use crate::campaign::error::CampaignError;
use crate::campaign::event::RestartReason;
use crate::campaign::keeper::Keeper;
use crate::campaign::settings::ColdStart;
use crate::campaign::world::Entry;
use crate::cancel::Cancel;
use crate::engine::compose::{Command, Existing};
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;
use crate::engine::reply::Health;

/// Runs in containers that stay.
#[derive(Debug)]
pub(crate) struct Persistent {
    pub containers: Containers,
    /// Pause after the containers have started.
    pub warmup_delay: Duration,
    pub cold_start: ColdStart,
    held: BTreeMap<String, Held>,
}

/// The container that a service has now.
#[derive(Debug, Default)]
struct Held {
    id: String,
    /// Events after this mark may say that it changed.
    mark: usize,
    restarts: u32,
    remedy: Option<Remedy>,
    /// A run has been in it since it was started.
    used: bool,
    /// The breaks of the events when it was known to run; none: it is not known.
    sure: Option<u64>,
}

/// What a held container needs before its next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// It was started again, and is not ready yet.
    Wait,
    /// What a run left behind could not be ended in it.
    Restart,
    /// A restarted container is as blind for the GPU as before.
    NewContainer,
}

/// Seconds between TERM and KILL of a held container: what holds it has nothing to lose.
const RESTART_GRACE: u64 = 1;

/// How long the engine's report of a start may lag behind it.
const EVENT_LAG: Duration = Duration::from_secs(2);

/// What makes another look necessary before the next exec.
const CHANGES: [&str; 4] = ["die", "destroy", "pause", "health_status: unhealthy"];

impl Persistent {
    pub(crate) fn new(
        containers: Containers,
        warmup_delay: Duration,
        cold_start: ColdStart,
    ) -> Self {
        Self { containers, warmup_delay, cold_start, held: BTreeMap::new() }
    }

    /// `docker compose exec -T … SERVICE COMMAND`.
    pub(crate) fn invocation(
        &self,
        attempt: &Attempt,
        lifeline: Lifeline,
    ) -> Result<Invocation, CampaignError> {
        let world = self.containers.world(attempt)?;
        let environment = Containers::environment(attempt, world);
        let before = match &world.entry {
            // `exec` bypasses the entrypoint, so it comes first.
            Entry::Through(entrypoint) => entrypoint.clone(),
            Entry::Instead => Vec::new(),
        };
        let words = before.into_iter().chain(world.keeper.words(attempt, lifeline)).collect();
        let command = Command { service: &world.service, environment: &environment, words };
        Ok(self.containers.project.exec(&command))
    }

    /// The `up` lines.
    pub(crate) fn first(&self) -> Vec<Invocation> {
        let held: Vec<&str> = self.containers.worlds.iter().map(|w| w.service.as_str()).collect();
        self.containers.first(&held)
    }

    /// Starts dependencies and held services and waits for both.
    pub(crate) async fn begin(&mut self, cancel: &Cancel) -> Result<(), CampaignError> {
        ready::start_dependencies(&mut self.containers, cancel).await?;
        let services: Vec<String> =
            self.containers.worlds.iter().map(|world| world.service.clone()).collect();
        self.hold(&services, Existing::BroughtUpToDate, cancel).await?;
        let bare = self.containers.worlds.iter().filter(|w| w.keeper == Keeper::Nobody);
        let bare: Vec<String> = bare.map(|world| world.service.clone()).collect();
        for service in bare {
            // A lem that was killed may have left a run in it.
            self.end_bare(&service).await?;
        }
        tokio::select! {
            () = tokio::time::sleep(self.warmup_delay) => Ok(()),
            _ = cancel.raised() => Err(EngineError::Cancelled.into()),
        }
    }

    async fn hold(
        &mut self,
        services: &[String],
        existing: Existing,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        if services.is_empty() {
            // Compose takes no name for all of them.
            return Ok(());
        }
        let mark = self.containers.events.mark();
        let breaks = self.containers.events.breaks();
        let names: Vec<&str> = services.iter().map(String::as_str).collect();
        let up = self.containers.project.up(&names, existing);
        ready::bring_up(&self.containers, &up, cancel).await?;
        let needs: Vec<(String, Need)> =
            services.iter().map(|service| (service.clone(), self.need(service))).collect();
        for container in ready::wait(&self.containers, &needs, cancel).await? {
            let held = self.held.entry(container.service.clone()).or_default();
            held.id = container.id;
            held.mark = mark;
            held.remedy = None;
            held.used = false;
            held.sure = Some(breaks);
        }
        Ok(())
    }

    /// The line that gives a service's next run a cold start, where one is wanted.
    pub(crate) fn cooling(&self, service: &str) -> Option<Invocation> {
        let project = &self.containers.project;
        match self.cold_start {
            ColdStart::No => None,
            ColdStart::Restart => Some(project.restart(RESTART_GRACE, service)),
            ColdStart::NewContainer => Some(project.up(&[service], Existing::Recreated)),
        }
    }

    async fn cool(&mut self, service: &str, cancel: &Cancel) -> Result<(), CampaignError> {
        let Some(line) = self.cooling(service) else { return Ok(()) };
        self.while_it_restarts(service, cancel, async |it| {
            ready::bring_up(&it.containers, &line, cancel).await?;
            it.hold(&[service.to_owned()], Existing::BroughtUpToDate, cancel).await
        })
        .await
    }

    /// Brings up a service in the middle of the campaign.
    async fn hold_again(
        &mut self,
        service: &str,
        existing: Existing,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        let services = [service.to_owned()];
        self.while_it_restarts(service, cancel, async |it| {
            it.hold(&services, existing, cancel).await
        })
        .await
    }

    /// Does `work` while nobody else uses the service.
    async fn while_it_restarts(
        &mut self,
        service: &str,
        cancel: &Cancel,
        work: impl AsyncFnOnce(&mut Self) -> Result<(), CampaignError>,
    ) -> Result<(), CampaignError> {
        let tenure = Arc::clone(&self.containers.tenure);
        tenure.restarts(&[service], cancel).await?;
        let done = work(self).await;
        tenure.measures().await;
        done
    }

    fn need(&self, service: &str) -> Need {
        let keeps = self.containers.worlds.iter().any(|w| w.service == service && w.keeps_command);
        let checked = self.containers.healthchecks.get(service).copied().unwrap_or(false);
        if keeps && checked { Need::Healthy } else { Need::Running }
    }

    /// Looks at the container before an exec, where anything says that it changed; one that died
    /// is started again, once.
    pub(crate) async fn prepare(
        &mut self,
        attempt: &Attempt,
        cancel: &Cancel,
    ) -> Result<Option<RestartReason>, CampaignError> {
        let service = attempt.service.clone().unwrap_or_default();
        let events = &self.containers.events;
        let Some(held) = self.held.get(&service) else { return Ok(None) };
        let changed = CHANGES.iter().any(|what| events.happened(held.mark, &held.id, what));
        let unsure = held.sure != Some(events.breaks());
        let reason = match (held.remedy, changed || unsure) {
            (None, false) => None,
            (None, true) => self.look(&service, changed, cancel).await?,
            (Some(Remedy::Wait), _) => {
                self.hold_again(&service, Existing::BroughtUpToDate, cancel).await?;
                Some(RestartReason::LeftProcesses)
            }
            (Some(Remedy::Restart), _) => {
                self.restart(&service, cancel).await?;
                Some(RestartReason::LeftProcesses)
            }
            (Some(Remedy::NewContainer), _) => {
                self.count_restart(&service);
                self.hold_again(&service, Existing::Recreated, cancel).await?;
                Some(RestartReason::GpuLost)
            }
        };
        let used =
            self.held.get_mut(&service).is_some_and(|it| std::mem::replace(&mut it.used, true));
        if reason.is_none() && used {
            self.cool(&service, cancel).await?;
            self.held.entry(service).and_modify(|held| held.used = true);
        }
        Ok(reason)
    }

    /// Looks whether a container that may have changed still holds, and makes it.
    async fn look(
        &mut self,
        service: &str,
        changed: bool,
        cancel: &Cancel,
    ) -> Result<Option<RestartReason>, CampaignError> {
        let breaks = self.containers.events.breaks();
        let Some(held) = self.held.get_mut(service) else { return Ok(None) };
        let state = self.containers.state(&held.id).await?;
        match state.as_ref().map(|state| (state.status.as_str(), state.health)) {
            // The engine never starts a sick container again, and `up` leaves it as it is.
            Some(("running", Health::Unhealthy)) => {
                self.restart(service, cancel).await?;
                return Ok(Some(RestartReason::Unhealthy));
            }
            // The events broke off, and nothing happened meanwhile that matters.
            Some(("running", _)) if !changed => {
                held.sure = Some(breaks);
                return Ok(None);
            }
            // `up` takes a paused container for a running one.
            Some(("paused", _)) => self.restart(service, cancel).await?,
            Some(_) | None => {
                self.count_restart(service);
                self.hold_again(service, Existing::BroughtUpToDate, cancel).await?;
            }
        }
        Ok(Some(RestartReason::Died))
    }

    fn count_restart(&mut self, service: &str) {
        if let Some(held) = self.held.get_mut(service) {
            held.restarts += 1;
        }
    }

    /// The engine was away: what it held must be looked at.
    pub(crate) fn engine_was_lost(&mut self) {
        for held in self.held.values_mut() {
            held.sure = None;
        }
    }

    /// Restarts a held container and waits until it is as the runs need it.
    pub(crate) async fn restart(
        &mut self,
        service: &str,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        self.while_it_restarts(service, cancel, async |it| it.restart_now(service, cancel).await)
            .await
    }

    async fn restart_now(&mut self, service: &str, cancel: &Cancel) -> Result<(), CampaignError> {
        let events = &self.containers.events;
        let Some(held) = self.held.get_mut(service) else { return Ok(()) };
        let (mark, id) = (events.mark(), held.id.clone());
        held.restarts += 1;
        let restart = self.containers.docker.restart(RESTART_GRACE, &id);
        let restarted = self.containers.ask(&restart).await;
        // One that somebody removed in this moment is made anew below.
        if !ending::gone_by_itself(&restarted) {
            restarted?;
            // Its end must not be taken for another one later.
            events.wait(mark, &id, "start", EVENT_LAG).await;
        }
        self.hold(&[service.to_owned()], Existing::BroughtUpToDate, cancel).await?;
        self.held.entry(service.to_owned()).and_modify(|held| held.used = true);
        Ok(())
    }

    /// The next run of this service needs a container that has the GPU again.
    pub(crate) fn lost_gpu(&mut self, attempt: &Attempt) {
        if let Some(held) = self.held.get_mut(attempt.service.as_deref().unwrap_or_default()) {
            held.remedy = Some(Remedy::NewContainer);
        }
    }

    /// The held containers by service.
    pub(crate) fn held(&self) -> Vec<(String, String)> {
        self.held.iter().map(|(service, held)| (service.clone(), held.id.clone())).collect()
    }

    /// The container that a run's service has.
    pub(crate) fn container_of(&self, attempt: &Attempt) -> Option<&str> {
        let held = self.held.get(attempt.service.as_deref()?)?;
        Some(held.id.as_str()).filter(|id| !id.is_empty())
    }

    /// How often each service had to be started again.
    pub(crate) fn restarts(&self) -> Vec<(String, u32)> {
        self.held
            .iter()
            .filter(|(_, held)| held.restarts > 0)
            .map(|(service, held)| (service.clone(), held.restarts))
            .collect()
    }
}
