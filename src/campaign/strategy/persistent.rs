//! One held container per service: `docker compose up`, then `exec` for each run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::containers::{Containers, end};
use super::ready::{self, Need};
use crate::campaign::attempt::{Attempt, Lifeline};
use crate::campaign::error::CampaignError;
use crate::campaign::event::RestartReason;
use crate::campaign::keeper::Keeper;
use crate::campaign::settings::ColdStart;
use crate::campaign::watch::Marks;
use crate::campaign::world::Entry;
use crate::cancel::Cancel;
use crate::engine::compose::{Command, Existing};
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;
use crate::engine::process::Exit;

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

/// Whether nothing of a run is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    Yes,
    Perhaps,
}

/// Seconds between TERM and KILL of a held container: what holds it has nothing to lose.
const RESTART_GRACE: u64 = 1;

/// How long the engine's report of a start may lag behind it.
const EVENT_LAG: Duration = Duration::from_secs(2);

/// What makes another look necessary before the next exec.
const CHANGES: [&str; 3] = ["die", "destroy", "pause"];

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
        ready::start_dependencies(&self.containers, cancel).await?;
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
        if let Some(line) = self.cooling(service) {
            ready::bring_up(&self.containers, &line, cancel).await?;
            self.hold(&[service.to_owned()], Existing::BroughtUpToDate, cancel).await?;
        }
        Ok(())
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
                self.hold(std::slice::from_ref(&service), Existing::BroughtUpToDate, cancel)
                    .await?;
                Some(RestartReason::LeftProcesses)
            }
            (Some(Remedy::Restart), _) => {
                self.restart(&service, cancel).await?;
                Some(RestartReason::LeftProcesses)
            }
            (Some(Remedy::NewContainer), _) => {
                self.count_restart(&service);
                self.hold(std::slice::from_ref(&service), Existing::Recreated, cancel).await?;
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
        match self.containers.status(&held.id).await?.as_deref() {
            // The events broke off, and nothing happened meanwhile that matters.
            Some("running") if !changed => {
                held.sure = Some(breaks);
                return Ok(None);
            }
            // `up` takes a paused container for a running one.
            Some("paused") => self.restart(service, cancel).await?,
            Some(_) | None => {
                self.count_restart(service);
                self.hold(&[service.to_owned()], Existing::BroughtUpToDate, cancel).await?;
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
        let events = &self.containers.events;
        let Some(held) = self.held.get_mut(service) else { return Ok(()) };
        let (mark, id) = (events.mark(), held.id.clone());
        held.restarts += 1;
        let restart = self.containers.docker.restart(RESTART_GRACE, &id);
        self.containers.ask(&restart).await?;
        // Its end must not be taken for another one later.
        events.wait(mark, &id, "start", EVENT_LAG).await;
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

    /// Ends what a run has in its container. Where that may not be all of it, or the user has no
    /// patience, the container is restarted: before its next run, or now if there will be none.
    pub(crate) async fn make_sure_gone(
        &mut self,
        attempt: &Attempt,
        marks: &Marks,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        let Some(id) = self.container_of(attempt).map(str::to_owned) else { return Ok(()) };
        let gone = if cancel.insists() {
            Gone::Perhaps
        } else {
            self.kill(&id, attempt, marks, cancel).await?
        };
        if gone == Gone::Yes {
            return Ok(());
        }
        if cancel.now().is_some() {
            let grace = if cancel.insists() { 0 } else { RESTART_GRACE };
            let restarted = self.containers.ask(&self.containers.docker.restart(grace, &id)).await;
            return if gone_by_itself(&restarted) { Ok(()) } else { Ok(restarted.map(drop)?) };
        }
        if let Some(held) = self.held.get_mut(attempt.service.as_deref().unwrap_or_default()) {
            held.remedy = held.remedy.or(Some(Remedy::Restart));
        }
        Ok(())
    }

    /// Ends what carries the run's mark, as root and as the run's own user: root in a container
    /// may not read the environment of another user's processes.
    async fn kill(
        &self,
        id: &str,
        attempt: &Attempt,
        marks: &Marks,
        cancel: &Cancel,
    ) -> Result<Gone, EngineError> {
        if attempt.keeper == Keeper::Nobody {
            let runs = self.containers.runs_something(id).await;
            return if gone_by_itself(&runs) || !runs? { Ok(Gone::Yes) } else { Ok(Gone::Perhaps) };
        }
        let own = marks.started.as_ref().map(|mark| mark.uid).filter(|uid| *uid != 0);
        let users = ["0".to_owned()].into_iter().chain(own.map(|uid| uid.to_string()));
        // Only the keeper knows the processes that have lost the mark; was it killed itself?
        let mut gone = if marks.broken_off() { Gone::Perhaps } else { Gone::Yes };
        for user in users {
            let kill = async |grace: Duration| {
                let words = attempt.keeper.killer(&attempt.run, grace).unwrap_or_default();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.containers.ask(&self.containers.docker.exec(&user, id, &words)).await
            };
            match end(cancel, kill).await {
                Ok(_) => {}
                // `prepare` will notice.
                not_there if gone_by_itself(&not_there) => return Ok(Gone::Yes),
                Err(error) if error.is_outage() => return Err(error),
                Err(EngineError::Failed { exit: Exit::Code(_), .. }) => gone = Gone::Perhaps,
                Err(error) => return Err(error),
            }
        }
        Ok(gone)
    }

    /// Ends a run that nobody keeps, if one goes on in the service's container: by starting the
    /// container again.
    async fn end_bare(&mut self, service: &str) -> Result<(), CampaignError> {
        let Some(held) = self.held.get_mut(service) else { return Ok(()) };
        let runs = self.containers.runs_something(&held.id).await;
        if gone_by_itself(&runs) || !runs? {
            return Ok(());
        }
        let mark = self.containers.events.mark();
        self.containers.ask(&self.containers.docker.restart(RESTART_GRACE, &held.id)).await?;
        // Its end must not be taken for another one later.
        self.containers.events.wait(mark, &held.id, "start", EVENT_LAG).await;
        held.mark = self.containers.events.mark();
        held.restarts += 1;
        held.remedy = held.remedy.or(Some(Remedy::Wait));
        Ok(())
    }

    /// Ends a run that nobody keeps.
    pub(crate) async fn stop(&mut self, attempt: &Attempt) -> Result<(), CampaignError> {
        match attempt.keeper {
            Keeper::Nobody => self.end_bare(attempt.service.as_deref().unwrap_or_default()).await,
            Keeper::InnerLem | Keeper::Shell => Ok(()),
        }
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

/// Whether a container isn't there any more, or doesn't run, so nothing of the run is either.
fn gone_by_itself<T>(reply: &Result<T, EngineError>) -> bool {
    match reply {
        Err(EngineError::Failed { complaint, .. }) => {
            complaint.contains("not running") || complaint.contains("No such container")
        }
        Ok(_) | Err(_) => false,
    }
}
