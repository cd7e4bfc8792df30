//! The gate before each run: its GPUs must be free and cool.
//!
//! It only looks and waits, but for one thing: a held container of the campaign that keeps a GPU
//! full is restarted. What it can't see is no reason not to run; it says so once.

mod clocks;
mod eyes;
pub(crate) mod obstacle;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::clocks::{Clocks, Over};
use self::eyes::Eyes;
use self::obstacle::{Obstacle, culprit, obstacles};
use self::turns::Turns;
use super::attempt::Attempt;
use super::error::CampaignError;
use super::event::{Event, RestartReason};
use super::file::HealthCheck;
use super::plan::Run;
use super::strategy::Strategy;
use crate::cancel::Cancel;
use crate::engine::devices::Gpus;
use crate::engine::error::EngineError;
use crate::gpu::error::GpuError;
use crate::gpu::look::Lookout;
use crate::gpu::reading::{Gpu, Reading};
use crate::mebibytes::Mebibytes;

/// How often the GPUs are looked at while a run waits for them.
const POLL: Duration = Duration::from_millis(250);

/// The gate of one campaign.
#[derive(Debug)]
pub(crate) struct Gate {
    check: HealthCheck,
    /// The GPUs of each service; of local runs, under no name.
    gpus: BTreeMap<String, Gpus>,
    eyes: Eyes,
    /// Whether there ever was a GPU to see.
    seen_any: bool,
    /// Services whose GPUs can't be seen.
    unseen: BTreeSet<String>,
    turns: Turns,
    /// What was used before the campaign started anything, by GPU.
    before: BTreeMap<u32, Mebibytes>,
    /// What the campaign's own containers hold since they started, by GPU.
    own: BTreeMap<u32, Mebibytes>,
    /// Restarts by the gate.
    restarts: BTreeMap<String, u32>,
    warned: BTreeSet<String>,
    /// Failures that were waited for in vain: the next run doesn't wait for them again.
    given_up: BTreeSet<String>,
}

/// Whether a run may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// A GPU is not free, and nothing lem may do frees it; why, line by line.
    Busy(Vec<String>),
    /// A GPU of the run is gone.
    Lost(Vec<String>),
}

/// What a run sees of its GPUs.
enum View {
    /// Nothing that is in its way; empty where there is nothing to see at all.
    Obstacles(Vec<Obstacle>),
    Unseen(GpuError),
}

/// Everything that a wait at the gate needs.
pub(crate) struct Waiting<'a> {
    pub attempt: &'a Attempt,
    pub strategy: &'a mut Strategy,
    pub report: &'a mut dyn FnMut(Event),
    pub cancel: &'a Cancel,
}

impl Gate {
    /// A gate for services with these GPUs.
    pub(crate) fn new(check: &HealthCheck, gpus: BTreeMap<String, Gpus>) -> Self {
        Self {
            check: check.clone(),
            gpus,
            eyes: Eyes::Here(Lookout::default()),
            seen_any: false,
            unseen: BTreeSet::new(),
            turns: Turns::new(check.interval_experiments),
            before: BTreeMap::new(),
            own: BTreeMap::new(),
            restarts: BTreeMap::new(),
            warned: BTreeSet::new(),
            given_up: BTreeSet::new(),
        }
    }

    /// Remembers what is used before the campaign starts its containers.
    pub(crate) async fn before_start(&mut self, cancel: &Cancel) {
        if let Some(reading) = self.glance(cancel).await {
            self.seen_any = true;
            self.before = used(&reading);
        }
    }

    /// Takes what the containers hold now that they have started for the campaign's own: what is
    /// used since then, or what their processes have, if that is more, because they may have run
    /// before.
    pub(crate) async fn after_start(&mut self, strategy: &Strategy, cancel: &Cancel) {
        let Some(reading) = self.glance(cancel).await else { return };
        let containers = strategy.containers().await;
        for (gpu, now) in used(&reading) {
            let before = self.before.get(&gpu).copied().unwrap_or(now);
            let more = now.0.saturating_sub(before.0);
            let held = self.held_by(&reading, gpu, &containers);
            self.own.insert(gpu, Mebibytes(more.max(held.0)));
        }
    }

    async fn glance(&self, cancel: &Cancel) -> Option<Reading> {
        match &self.eyes {
            Eyes::Here(lookout) if self.check.enabled => tokio::select! {
                reading = lookout.look() => reading.ok(),
                _ = cancel.raised() => None,
            },
            Eyes::Here(_) | Eyes::InContainers => None,
        }
    }

    fn held_by(&self, reading: &Reading, gpu: u32, containers: &[String]) -> Mebibytes {
        let gpus: Vec<&Gpu> = reading.gpus.iter().filter(|found| found.index == gpu).collect();
        let mut holders = obstacle::holders_of(&gpus);
        self.eyes.identify(holders.iter_mut());
        let ours = holders.iter().filter(|holder| {
            holder.container_id.as_ref().is_some_and(|id| containers.contains(id))
        });
        Mebibytes(ours.filter_map(|holder| holder.mib).sum())
    }

    /// Waits until the run may start, or until it is clear that it may not.
    pub(crate) async fn pass(
        &mut self,
        run: Run,
        mut waiting: Waiting<'_>,
    ) -> Result<Passage, CampaignError> {
        if !self.check.enabled || !self.turns.due(run) {
            return Ok(Passage::Open);
        }
        let mut clocks = Clocks::default();
        let mut said: Vec<Obstacle> = Vec::new();
        loop {
            let cancel = waiting.cancel;
            let view = tokio::select! {
                view = self.view(&mut waiting) => view,
                _ = cancel.raised() => return Err(EngineError::Cancelled.into()),
            };
            clocks.note(&view);
            let over = clocks.over(&self.check);
            match (view, over) {
                (View::Obstacles(found), _) if found.is_empty() => return Ok(Passage::Open),
                (View::Obstacles(mut found), Some(Over::Memory)) => {
                    match self.freed(&found, &mut waiting).await? {
                        Freed::Perhaps => clocks.again(),
                        Freed::No => {
                            name_containers(&mut found, &waiting).await;
                            return Ok(Passage::Busy(lines(&found)));
                        }
                    }
                    continue;
                }
                (View::Obstacles(found), Some(Over::Cooling)) => {
                    let limit = crate::duration::human(self.check.max_cooldown.0);
                    let found = lines(&found).join("; ");
                    let message = format!("{found}, after {limit} of waiting; the run starts");
                    (waiting.report)(Event::Warning { message });
                    return Ok(Passage::Open);
                }
                (View::Obstacles(mut found), _) => {
                    if !are_alike(&found, &said) {
                        name_containers(&mut found, &waiting).await;
                        let (run, obstacles) = (waiting.attempt.run.clone(), found.clone());
                        (waiting.report)(Event::GateWaiting { run, obstacles });
                        said = found;
                    }
                }
                (View::Unseen(error @ GpuError::Lost { .. }), Some(_)) => {
                    return Ok(Passage::Lost(vec![error.to_string()]));
                }
                (View::Unseen(error), over) => {
                    let error = error.to_string();
                    self.warn(&format!("the GPUs can't be seen: {error}"), waiting.report);
                    if over.is_some() || self.given_up.contains(&error) {
                        self.given_up.insert(error);
                        return Ok(Passage::Open);
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                _ = cancel.raised() => return Err(EngineError::Cancelled.into()),
            }
        }
    }

    async fn view(&mut self, waiting: &mut Waiting<'_>) -> View {
        let service = waiting.attempt.service.clone().unwrap_or_default();
        let wanted = self.gpus.get(&service).cloned().unwrap_or(Gpus::Unsaid);
        if wanted == Gpus::None || self.unseen.contains(&service) {
            return View::Obstacles(Vec::new());
        }
        let reading = match self.eyes.look(waiting.attempt, waiting.strategy, waiting.cancel).await
        {
            Ok(reading) => reading,
            Err(error) if error.is_absence() && !self.seen_any => {
                return self.look_elsewhere(&service, &wanted, &error, waiting).await;
            }
            Err(error) => return View::Unseen(error),
        };
        self.judge(&reading, &wanted, waiting)
    }

    /// This machine has no GPU that lem could see. Containers are asked where one is said to be.
    async fn look_elsewhere(
        &mut self,
        service: &str,
        wanted: &Gpus,
        error: &GpuError,
        waiting: &mut Waiting<'_>,
    ) -> View {
        let held = waiting.strategy.held_container(waiting.attempt).is_some();
        if wanted.are_said() && held && matches!(self.eyes, Eyes::Here(_)) {
            let inside = Eyes::InContainers;
            let look = inside.look(waiting.attempt, waiting.strategy, waiting.cancel).await;
            if let Ok(reading) = look {
                self.eyes = inside;
                return self.judge(&reading, wanted, waiting);
            }
        }
        self.unseen.insert(service.to_owned());
        if wanted.are_said() {
            let message = format!("runs start without a look at their GPUs: {error}");
            self.warn(&message, waiting.report);
        }
        View::Obstacles(Vec::new())
    }

    fn judge(&mut self, reading: &Reading, wanted: &Gpus, waiting: &mut Waiting<'_>) -> View {
        self.seen_any = true;
        let is_wanted = |gpu: &Gpu| match (wanted, &self.eyes) {
            // A container counts its own GPUs from 0, and sees no others.
            (Gpus::Named(names), Eyes::Here(_)) => names.iter().any(|name| gpu.is(name)),
            _ => true,
        };
        let mut chosen: Vec<&Gpu> = reading.gpus.iter().filter(|gpu| is_wanted(gpu)).collect();
        let lost = reading.silent.iter().find(|(index, error)| {
            matches!(error, GpuError::Lost { .. })
                && match wanted {
                    Gpus::Named(names) => names.iter().any(|name| *name == index.to_string()),
                    _ => true,
                }
        });
        if let Some((_, error)) = lost {
            return View::Unseen(error.clone());
        }
        if chosen.is_empty() {
            chosen = reading.gpus.iter().collect();
            let message =
                "the Compose file names GPUs that are not here; all of them are looked at";
            self.warn(message, waiting.report);
        }
        for gpu in chosen.iter().filter(|gpu| gpu.memory.is_none()) {
            let message = format!(
                "GPU {} does not say how much of its memory is used, so that is not waited for",
                gpu.index
            );
            self.warn(&message, waiting.report);
        }
        let mut found = obstacles(&self.check, &chosen, &self.own);
        if found.iter().any(Obstacle::is_memory) {
            self.eyes.identify(found.iter_mut().flat_map(Obstacle::holders_mut));
        }
        View::Obstacles(found)
    }

    /// Restarts the campaign's own container that keeps a GPU full, if it is one and may be.
    async fn freed(
        &mut self,
        found: &[Obstacle],
        waiting: &mut Waiting<'_>,
    ) -> Result<Freed, CampaignError> {
        let service = waiting.attempt.service.clone().unwrap_or_default();
        let culprit = culprit(found, &waiting.strategy.held(), &service);
        let Some(service) = culprit.filter(|_| self.check.restart_on_failure) else {
            return Ok(Freed::No);
        };
        let restarts = self.restarts.entry(service.clone()).or_default();
        if *restarts >= self.check.max_restarts {
            return Ok(Freed::No);
        }
        *restarts += 1;
        waiting.strategy.restart(&service, waiting.cancel).await?;
        let restarts = waiting.strategy.restarts();
        let restarts = restarts.iter().find(|(name, _)| *name == service).map_or(0, |(_, n)| *n);
        let reason = RestartReason::GpuFull;
        (waiting.report)(Event::ServiceRestarted { service, restarts, reason });
        Ok(Freed::Perhaps)
    }

    fn warn(&mut self, message: &str, report: &mut dyn FnMut(Event)) {
        if self.warned.insert(message.to_owned()) {
            report(Event::Warning { message: message.to_owned() });
        }
    }
}

/// Whether something was done that may have freed a GPU.
enum Freed {
    Perhaps,
    No,
}

fn used(reading: &Reading) -> BTreeMap<u32, Mebibytes> {
    let used = reading.gpus.iter().filter_map(|gpu| Some((gpu.index, gpu.memory?.used)));
    used.collect()
}

fn are_alike(found: &[Obstacle], others: &[Obstacle]) -> bool {
    found.len() == others.len() && found.iter().zip(others).all(|(one, other)| one.is_like(other))
}

fn lines(found: &[Obstacle]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

/// Names instead of ids, where docker knows them and answers soon.
async fn name_containers(found: &mut [Obstacle], waiting: &Waiting<'_>) {
    let mut holders: Vec<_> = found.iter_mut().flat_map(Obstacle::holders_mut).collect();
    if holders.iter().all(|holder| holder.container_id.is_none()) {
        return;
    }
    let names = waiting.strategy.container_names(waiting.cancel).await;
    for holder in &mut holders {
        let id = holder.container_id.as_ref();
        holder.container = id.map(|id| names.get(id).unwrap_or(id).clone());
    }
}
