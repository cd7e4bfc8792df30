//! The gate before each run: its GPUs must be free and cool.
//!
//! It only looks and waits, but for one thing: a held container of the campaign that keeps a GPU
//! full is restarted. What it can't see is no reason not to run; it says so once.

mod clocks;
mod eyes;
pub(crate) mod obstacle;
mod own;
mod sight;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::clocks::{Clocks, Over};
pub(crate) use self::eyes::Eyes;
use self::obstacle::{Obstacle, culprit};
use self::sight::{Sight, View, name_containers};
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

/// How often the GPUs are looked at while a run waits for them.
const POLL: Duration = Duration::from_millis(250);

/// The gate of one campaign.
#[derive(Debug)]
pub(crate) struct Gate {
    check: HealthCheck,
    sight: Sight,
    turns: Turns,
    /// Restarts by the gate.
    restarts: BTreeMap<String, u32>,
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

/// Everything that a wait at the gate needs.
pub(crate) struct Waiting<'a> {
    pub attempt: &'a Attempt,
    pub strategy: &'a mut Strategy,
    pub report: &'a mut dyn FnMut(Event),
    pub cancel: &'a Cancel,
}

impl Gate {
    /// A gate for services with these GPUs, seen from there.
    pub(crate) fn new(check: &HealthCheck, gpus: BTreeMap<String, Gpus>, eyes: Eyes) -> Self {
        Self {
            check: check.clone(),
            sight: Sight::new(gpus, eyes),
            turns: Turns::new(check.interval_experiments),
            restarts: BTreeMap::new(),
            given_up: BTreeSet::new(),
        }
    }

    /// Remembers what is used before the campaign starts its containers.
    pub(crate) async fn before_start(&mut self, cancel: &Cancel) {
        if self.check.enabled {
            self.sight.before_start(cancel).await;
        }
    }

    /// Takes what the campaign's services hold now that they have started for its own.
    pub(crate) async fn after_start(&mut self, strategy: &Strategy, cancel: &Cancel) {
        if self.check.enabled {
            self.sight.after_start(strategy, cancel).await;
        }
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
                view = self.sight.view(&self.check, &mut waiting) => view,
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
                    self.sight.warn(&format!("the GPUs can't be seen: {error}"), waiting.report);
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
}

/// Whether something was done that may have freed a GPU.
enum Freed {
    Perhaps,
    No,
}

fn are_alike(found: &[Obstacle], others: &[Obstacle]) -> bool {
    found.len() == others.len() && found.iter().zip(others).all(|(one, other)| one.is_like(other))
}

fn lines(found: &[Obstacle]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}
