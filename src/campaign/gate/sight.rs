//! What a run sees of its GPUs: which are its own, what is in its way on them, or why it sees none.

use std::collections::{BTreeMap, BTreeSet};

use super::Waiting;
use super::eyes::Eyes;
use super::obstacle::{Obstacle, obstacles};
use super::own::Own;
use crate::campaign::event::Event;
use crate::campaign::file::HealthCheck;
use crate::campaign::strategy::Strategy;
use crate::cancel::Cancel;
use crate::engine::devices::Gpus;
use crate::gpu::error::GpuError;
use crate::gpu::reading::{Gpu, Reading};

/// What a run sees of its GPUs.
#[derive(Debug)]
pub(super) enum View {
    /// What is in its way; empty also where there is nothing to see at all.
    Obstacles(Vec<Obstacle>),
    Unseen(GpuError),
}

/// The sight of one campaign.
#[derive(Debug)]
pub(super) struct Sight {
    /// The GPUs of each service; of local runs, under no name.
    gpus: BTreeMap<String, Gpus>,
    eyes: Eyes,
    /// Whether there ever was a GPU to see.
    seen_any: bool,
    /// Services whose GPUs can't be seen.
    unseen: BTreeSet<String>,
    own: Own,
    warned: BTreeSet<String>,
}

impl Sight {
    /// Services with these GPUs; where this machine has none, the first look shows whether they can
    /// be seen from elsewhere.
    pub(super) fn new(gpus: BTreeMap<String, Gpus>, eyes: Eyes) -> Self {
        Self {
            gpus,
            eyes,
            seen_any: false,
            unseen: BTreeSet::new(),
            own: Own::default(),
            warned: BTreeSet::new(),
        }
    }

    /// Remembers what is used before the campaign starts its containers.
    pub(super) async fn before_start(&mut self, cancel: &Cancel) {
        if let Some(reading) = self.glance(cancel).await {
            self.seen_any = true;
            self.own.before_start(&reading, &self.eyes);
        }
    }

    /// Takes what the campaign's services hold now that they have started for its own.
    pub(super) async fn after_start(&mut self, strategy: &Strategy, cancel: &Cancel) {
        if let Some(reading) = self.glance(cancel).await {
            self.own.after_start(&reading, &strategy.containers().await, &self.eyes);
        }
    }

    async fn glance(&self, cancel: &Cancel) -> Option<Reading> {
        match &self.eyes {
            Eyes::Here(lookout) => tokio::select! {
                reading = lookout.look() => reading.ok(),
                _ = cancel.raised() => None,
            },
            Eyes::InContainers => None,
        }
    }

    /// What is in the way of a run.
    pub(super) async fn view(&mut self, check: &HealthCheck, waiting: &mut Waiting<'_>) -> View {
        let service = waiting.attempt.service.clone().unwrap_or_default();
        let wanted = self.gpus.get(&service).cloned().unwrap_or(Gpus::Unsaid);
        if wanted == Gpus::None || self.unseen.contains(&service) {
            return View::Obstacles(Vec::new());
        }
        let reading = match self.eyes.look(waiting.attempt, waiting.strategy, waiting.cancel).await
        {
            Ok(reading) => reading,
            Err(error) if error.is_absence() && !self.seen_any => {
                return self.look_elsewhere(check, (&service, &wanted), &error, waiting).await;
            }
            Err(error) => return View::Unseen(error),
        };
        self.judge(check, &reading, &wanted, waiting)
    }

    /// This machine has no GPU that lem could see. Containers are asked where one is said to be.
    async fn look_elsewhere(
        &mut self,
        check: &HealthCheck,
        (service, wanted): (&str, &Gpus),
        error: &GpuError,
        waiting: &mut Waiting<'_>,
    ) -> View {
        let held = waiting.strategy.held_container(waiting.attempt).is_some();
        if wanted.are_said() && held && matches!(self.eyes, Eyes::Here(_)) {
            let inside = Eyes::InContainers;
            let look = inside.look(waiting.attempt, waiting.strategy, waiting.cancel).await;
            if let Ok(reading) = look {
                self.eyes = inside;
                return self.judge(check, &reading, wanted, waiting);
            }
        }
        self.unseen.insert(service.to_owned());
        if wanted.are_said() {
            let why = match (&self.eyes, held) {
                (Eyes::InContainers, false) => {
                    "they are on the engine's machine, and no container is held there".to_owned()
                }
                (Eyes::InContainers, true) | (Eyes::Here(_), _) => error.to_string(),
            };
            let message = format!("runs start without a look at their GPUs: {why}");
            self.warn(&message, waiting.report);
        }
        View::Obstacles(Vec::new())
    }

    fn judge(
        &mut self,
        check: &HealthCheck,
        reading: &Reading,
        wanted: &Gpus,
        waiting: &mut Waiting<'_>,
    ) -> View {
        self.seen_any = true;
        let is_wanted = |gpu: &Gpu| match (wanted, &self.eyes) {
            // A container counts its own GPUs from 0, and sees no others.
            (Gpus::Named(names), Eyes::Here(_)) => names.iter().any(|name| gpu.is(name)),
            _ => true,
        };
        let mut chosen: Vec<&Gpu> = reading.gpus.iter().filter(|gpu| is_wanted(gpu)).collect();
        let silent = silent(reading, wanted, &self.eyes);
        if let Some(lost) = silent.iter().find(|error| matches!(error, GpuError::Lost { .. })) {
            return View::Unseen((*lost).clone());
        }
        if chosen.is_empty() && silent.is_empty() {
            chosen = reading.gpus.iter().collect();
            let named_by = match waiting.attempt.service {
                Some(_) => "the Compose file",
                None => "CUDA_VISIBLE_DEVICES",
            };
            let message =
                format!("{named_by} names GPUs that are not here; all of them are looked at");
            self.warn(&message, waiting.report);
        }
        for gpu in chosen.iter().filter(|gpu| gpu.memory.is_none()) {
            let message = format!(
                "GPU {} does not say how much of its memory is used, so that is not waited for",
                gpu.index
            );
            self.warn(&message, waiting.report);
        }
        let mut found = obstacles(check, &chosen, self.own.by_gpu());
        if found.iter().any(Obstacle::is_memory) {
            self.eyes.identify(found.iter_mut().flat_map(Obstacle::holders_mut));
        }
        match silent.first() {
            // What is known to be in the way counts, whatever else can't be seen.
            Some(unread) if found.is_empty() => View::Unseen((*unread).clone()),
            _ => View::Obstacles(found),
        }
    }

    /// Says it, once.
    pub(super) fn warn(&mut self, message: &str, report: &mut dyn FnMut(Event)) {
        if self.warned.insert(message.to_owned()) {
            report(Event::Warning { message: message.to_owned() });
        }
    }
}

/// Names instead of ids, where docker knows them and answers soon.
pub(super) async fn name_containers(found: &mut [Obstacle], waiting: &Waiting<'_>) {
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

/// Why GPUs that may be the run's don't answer. A silent GPU doesn't say its UUID, so it may be any
/// that no other GPU has.
fn silent<'a>(reading: &'a Reading, wanted: &Gpus, eyes: &Eyes) -> Vec<&'a GpuError> {
    let may_be = |index: u32, name: &str| match name.parse::<u32>() {
        Ok(named) => named == index,
        Err(_) => !reading.gpus.iter().any(|gpu| gpu.is(name)),
    };
    let is_wanted = |index: u32| match (wanted, eyes) {
        (Gpus::Named(names), Eyes::Here(_)) => names.iter().any(|name| may_be(index, name)),
        _ => true,
    };
    // A GPU that may not be seen from here is nobody's.
    let errors =
        reading.silent.iter().filter(|(_, error)| !matches!(error, GpuError::Hidden { .. }));
    errors.filter(|(index, _)| is_wanted(*index)).map(|(_, error)| error).collect()
}
