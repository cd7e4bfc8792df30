//! Leave to act on services and GPUs: an operation of the ledger that runs.
//!
//! Everything that a command claims is one wish, which is granted as a whole or waits as a whole:
//! while it waits, it has nothing that anybody else could wait for.
//!
//! 2026-11-21: leases don't keep anybody from being granted leave; they are counted under it. So
//! who may not touch a leased service hears so at once, as in a dry run, and does not wait for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::claim;
use super::error::ServiceError;
use super::event::{Event, Tell};
use super::holder::Holder;
use super::look::Seen;
use super::machine::Machine;
use super::service::Service;
use super::settle;
use super::word::Word;
use crate::cancel::Signal;
use crate::coordination::agent::Agent;
use crate::coordination::dependency::Graph;
use crate::coordination::error::{CoordinationError, Met};
use crate::coordination::ledger::Ending;
use crate::coordination::operation::{OnConflict, State, Wish};
use crate::coordination::part::{Part, verdict};
use crate::coordination::permit::{Disturbance, Patience, Permit, Waiting};
use crate::coordination::resource::{Level, Resource};
use crate::coordination::severity::Severity;

/// Leave to act. Dropped without [`Self::end`], its operation counts as failed.
#[derive(Debug)]
pub(crate) struct Leave {
    permit: Permit,
    agent: Arc<Agent>,
    parts: Vec<Part>,
    /// The services as the ledger has them.
    resources: BTreeMap<String, Resource>,
    /// Why the ledger heard nothing of a word to the engine, where it did not.
    unnoted: Mutex<Option<String>>,
}

impl Machine {
    /// Waits for leave, or says who has the first thing that it did not get.
    ///
    /// The timeline hears once of each operation that is waited for.
    pub(crate) async fn leave(
        &self,
        parts: Vec<Part>,
        what: &str,
        patience: Patience,
        seen: &Seen,
        tell: Tell<'_>,
    ) -> Result<Leave, ServiceError> {
        let agent = Arc::clone(self.agent().await?);
        let wish = Wish {
            parts: parts.clone(),
            what: what.to_owned(),
            command: self.asks.command.clone(),
            agent: agent.name().to_owned(),
            reason: self.asks.reason.clone(),
            priority: self.asks.priority,
            expect: None,
            limit: None,
            settle: std::time::Duration::ZERO,
            on_conflict: OnConflict::Queue,
            over_shared: true,
            parent: agent.parent(),
        };
        // Who does not wait is answered by what is so now.
        settle::once(self, &agent, seen).await;
        let (sender, mut told) = mpsc::unbounded_channel();
        let mut waiting = move |waiting: &Waiting| {
            let _ = sender.send(waiting.met.clone());
        };
        let own = Arc::clone(&agent);
        let taking = Permit::take(&own, wish, patience, &self.cancel, &mut waiting);
        let settling = settle::as_it_shows(self, &own, seen);
        tokio::pin!(taking, settling);
        let mut waits = false;
        let taken = loop {
            tokio::select! {
                biased;
                taken = &mut taking => break taken,
                Some(met) = told.recv() => {
                    waits = true;
                    if let Some(holder) = holder(&agent, &met).await {
                        let what = taken_of(&parts, &met, seen);
                        tell(Event::Waiting { what, holder: holder.to_string() });
                    }
                }
                never = &mut settling, if waits => match never {},
            }
        };
        match taken {
            Ok(permit) => {
                let (resources, unnoted) = (seen.resources().clone(), Mutex::default());
                Ok(Leave { permit, agent, parts, resources, unnoted })
            }
            Err(
                CoordinationError::WouldWait { blocked }
                | CoordinationError::Expired { blocked, .. }
                | CoordinationError::Blocked { blocked },
            ) if blocked.holder.is_some() => match holder(&agent, &blocked).await {
                Some(holder) => {
                    let what = taken_of(&parts, &blocked, seen);
                    Err(ServiceError::Busy { what, holder: Box::new(holder) })
                }
                None => Err(CoordinationError::WouldWait { blocked }.into()),
            },
            Err(CoordinationError::Cancelled { signal }) => Err(ServiceError::Cancelled { signal }),
            Err(error) => Err(error.into()),
        }
    }
}

/// What of some parts somebody has, for people.
fn taken_of(parts: &[Part], met: &Met, seen: &Seen) -> String {
    let theirs = met.holder.as_ref().map(|it| it.parts.as_slice()).unwrap_or_default();
    let clash = |part: &&Part| {
        let clashes = |has| verdict(part, has, &Graph::default()).severity >= Severity::High;
        theirs.iter().any(clashes)
    };
    // A GPU that somebody has for itself says more than the services that want it.
    let rank = |part: &&Part| part.resource.level() != Level::Gpu;
    let part = parts.iter().filter(clash).min_by_key(rank);
    let Some(part) = part.or(parts.first()) else { return met.what.clone() };
    let mut services = seen.resources().iter();
    match services.find(|(_, resource)| **resource == part.resource) {
        Some((name, _)) => format!("service `{name}`"),
        None => part.resource.short(),
    }
}

/// Who is in the way, for people.
async fn holder(agent: &Arc<Agent>, met: &Met) -> Option<Holder> {
    let snapshot = agent.call(|ledger, _| ledger.snapshot()).await.ok()?;
    Some(Holder::or_last(met.holder.as_ref()?, &snapshot))
}

impl Leave {
    /// Whether nothing more is needed for these.
    pub(crate) fn covers(&self, parts: &[Part]) -> bool {
        claim::covers(&self.parts, parts)
    }

    /// Has other parts from now on, without a moment in between in which nobody has them. Only
    /// what it has may be had so: nobody waits for anybody with something in his hands.
    pub(crate) async fn become_one_of(
        &mut self,
        parts: Vec<Part>,
        what: &str,
        machine: &Machine,
    ) -> Result<(), ServiceError> {
        let wanted = parts.clone();
        let cancel = &machine.cancel;
        self.permit.change(wanted, what, true, Patience::None, cancel, &mut |_| {}).await?;
        self.parts = parts;
        Ok(())
    }

    /// Says something to the engine about a service, noted before and struck out after.
    ///
    /// 2026-11-21: it is said though the ledger can't be written. A switch that stops in the middle
    /// for that, and whose way back ends there too, does more harm than one that is not noted.
    ///
    /// # Errors
    /// The operation is somebody else's now, so nothing is said any more.
    pub(crate) async fn say<T>(
        &self,
        word: Word,
        service: &Service,
        saying: impl Future<Output = T>,
    ) -> Result<T, ServiceError> {
        let resource = self.resources.get(&service.name);
        let resource = resource.cloned().unwrap_or_else(|| Resource::name(&service.name));
        let text = word.text(&resource);
        match self.permit.step(Some((&text, word.longest()))).await {
            Ok(()) => {}
            Err(CoordinationError::Ledger(error)) => {
                let why = format!("`{text}` was not noted before it was said: {error}");
                let mut unnoted = self.unnoted.lock().unwrap_or_else(PoisonError::into_inner);
                unnoted.get_or_insert(why);
            }
            Err(error) => return Err(error.into()),
        }
        let said = saying.await;
        // What is not struck out counts only once nobody has this any more, and only for a while.
        let _ = self.permit.step(None).await;
        Ok(said)
    }

    /// The lock of who lives, for a docker client: what is claimed stays so until that has ended.
    pub(crate) fn lock(&self) -> std::io::Result<File> {
        self.agent.own().shared()
    }

    /// What a command that is run by this operation is told of it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.permit.environment()
    }

    /// Waits until somebody else wants the operation to end, or takes it away; for ever, where the
    /// ledger can't be asked.
    pub(crate) async fn disturbed(&self) -> Disturbance {
        match self.permit.disturbed().await {
            Ok(disturbance) => disturbance,
            Err(_) => std::future::pending().await,
        }
    }

    /// That somebody else wanted the end.
    pub(crate) fn ended_by_other(&self, disturbance: Disturbance) -> ServiceError {
        ServiceError::Coordination(disturbance.error(self.permit.id))
    }

    /// Does something with it, which is ended as by a signal where somebody else wants its end.
    pub(crate) async fn attend<T>(
        &self,
        machine: &Machine,
        work: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, ServiceError> {
        tokio::pin!(work);
        let disturbance = tokio::select! {
            biased;
            done = &mut work => return done,
            disturbance = self.disturbed() => disturbance,
        };
        machine.raise.raise(Signal::Terminate);
        match work.await {
            Err(error) if error.is_cut_off() => Err(self.ended_by_other(disturbance)),
            done => done,
        }
    }

    /// Gives everything back, and notes how it went.
    pub(crate) async fn end<T>(self, ended: &Result<T, ServiceError>, tell: Tell<'_>) {
        let ending = match ended {
            Ok(_) => Ending::done(),
            Err(error) if error.is_cut_off() => {
                Ending { state: State::Cancelled, ..Ending::failed(error.to_string()) }
            }
            Err(error) => Ending::failed(error.to_string()),
        };
        self.end_as(ending, tell).await;
    }

    /// The same in other words.
    pub(crate) async fn end_as(self, ending: Ending, tell: Tell<'_>) {
        let unnoted = self.unnoted.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = unnoted {
            tell(Event::Warning { text });
        }
        // What was done is done, whatever the ledger makes of it.
        if let Err(error) = self.permit.end(ending).await {
            tell(Event::Warning { text: error.to_string() });
        }
    }

    /// Gives everything back undone, because more turned out to be needed.
    pub(crate) async fn give_back(self, tell: Tell<'_>) {
        let why = "it needs more than it asked for, and asks anew".to_owned();
        let ending = Ending { state: State::Cancelled, exit_code: None, note: Some(why) };
        self.end_as(ending, tell).await;
    }
}
