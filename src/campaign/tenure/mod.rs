//! What a campaign has of the machine while it runs: one operation in the ledger, from before its
//! first container until after its last, whose parts change with what it does.
//!
//! 2026-11-21: once a campaign runs, a ledger that fails does not end it. It says so once and goes
//! on: a night of measurements is worth more than its place in a list.
//!
//! 2026-11-21: a campaign that was killed is no obstacle to the next one in its project. That one
//! finds what is left by its labels and removes it before anything else, as it always did; so it
//! takes the place over at once, unless somebody else waits for something of it: who would be let
//! in beside what is left. Others wait until its docker clients have ended and the engine must be
//! done.

pub(crate) mod claims;
pub(crate) mod gpus;
mod predecessor;
mod search;
mod wait;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use self::claims::{Claims, Phase};
use super::error::CampaignError;
use super::event::Event;
use crate::cancel::{Cancel, Signal};
use crate::coordination::agent::Agent;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Ending;
use crate::coordination::operation::{OnConflict, OperationId, Priority, Wish};
use crate::coordination::part::Part;
use crate::coordination::permit::{Disturbance, Patience, Permit};
use crate::coordination::resource::Resource;
use crate::engine::error::EngineError;

pub(crate) use self::predecessor::{living, take_away_predecessors};
pub(crate) use self::search::search;

/// How often one that waits looks whether the one before it was killed.
const LOOK: Duration = Duration::from_secs(1);
/// What the engine may take for the last word of a client that was killed: it makes and starts a
/// container.
const STARTING: Duration = Duration::from_secs(30);
/// The same for a restart, beyond the container's grace.
const RESTARTING: Duration = Duration::from_secs(36);
/// The same for a teardown as a whole: longer than that no teardown tries.
const ENDING: Duration = Duration::from_secs(120);
/// What a run may take to end when its lem and its client were killed, beyond its grace.
const LEFT_ALONE: Duration = Duration::from_secs(15);

/// What a campaign has of the machine.
#[derive(Debug, Default)]
pub(crate) struct Tenure {
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    permit: Permit,
    what: String,
    claims: Claims,
    /// After the death of everybody, a run may go on for so long.
    measuring: Duration,
    says: UnboundedSender<Event>,
    has_complained: AtomicBool,
    has_ended: AtomicBool,
}

/// Who asks, and how.
pub(crate) struct Asking<'a> {
    /// For people: `lem campaign FILE`.
    pub command: String,
    pub campaign: &'a str,
    /// Between TERM and KILL of a run.
    pub grace: Duration,
    pub patience: Patience,
}

impl Tenure {
    /// Waits until the campaign may have what it claims. `says` hears of what is waited for, and
    /// later of what goes wrong.
    ///
    /// # Errors
    /// Its turn does not come in time, or the ledger can't be used.
    pub(crate) async fn take(
        agent: &Arc<Agent>,
        claims: Claims,
        asking: Asking<'_>,
        says: UnboundedSender<Event>,
        cancel: &Cancel,
    ) -> Result<Self, CampaignError> {
        if claims.is_empty() {
            return Ok(Self::default());
        }
        let what = format!("campaign `{}`", asking.campaign);
        let wish = Wish {
            parts: claims.parts(Phase::Starting),
            what: what.clone(),
            command: Some(asking.command),
            agent: agent.name().to_owned(),
            reason: None,
            priority: Priority::default(),
            expect: None,
            limit: None,
            settle: STARTING,
            // A second campaign waits for its turn, whatever the first one does at the moment.
            on_conflict: OnConflict::Queue,
            over_shared: false,
            parent: None,
        };
        let seat = claims.project.as_ref().map(|it| claims::seat(&it.engine, &it.name));
        let parts = wish.parts.clone();
        if let Some(seat) = &seat {
            take_away_predecessors(agent, seat, Some(&parts)).await?;
        }
        let mut waiting = |it: &_| drop(says.send(wait::event(it)));
        let taking = Permit::take(agent, wish, asking.patience, cancel, &mut waiting);
        let permit = tokio::select! {
            permit = taking => permit?,
            error = keep_taking_away(agent, seat.as_ref(), &parts) => return Err(error.into()),
        };
        let measuring = asking.grace + LEFT_ALONE;
        let held = Held {
            permit,
            what,
            claims,
            measuring,
            says,
            has_complained: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        };
        Ok(Self { held: Some(held) })
    }

    /// Everything is up: nobody may change it while it is measured.
    pub(crate) async fn measures(&self) {
        let Some(held) = &self.held else { return };
        let (_raise, never) = crate::cancel::pair();
        // A ledger that fails may take its time for that: it is asked once.
        match held.change(Phase::Measuring, Patience::None, &never).await {
            Ok(()) => held.complain(held.permit.settle(held.measuring).await.err()),
            failed => held.complain(failed.err()),
        }
    }

    /// These services are about to be started again: waits until nobody else uses them. To be
    /// followed by [`Self::measures`].
    pub(crate) async fn restarts(
        &self,
        services: &[&str],
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        let Some(held) = &self.held else { return Ok(()) };
        match held.change(Phase::Restarting(services), Patience::Endless, cancel).await {
            Err(CoordinationError::Cancelled { .. }) => return Err(EngineError::Cancelled.into()),
            other => held.complain(other.err()),
        }
        let step = format!("restart {}", services.join(", "));
        held.complain(held.permit.step(Some((&step, RESTARTING))).await.err());
        Ok(())
    }

    /// What was started is removed from here on. On this thread: a guard that is dropped says so.
    ///
    /// 2026-11-21: also where somebody else uses a service of it. Who wants the end of a campaign gets
    /// it; and containers that nobody answers for are worse.
    pub(crate) fn ends(&self) {
        let Some(held) = &self.held else { return };
        let parts = held.claims.parts(Phase::Ending);
        let step = Some(("remove what was started", ENDING));
        match held.permit.change_blocking(&parts, &held.what, true) {
            Ok(_) => held.complain(held.permit.step_blocking(step).err()),
            Err(error) => held.complain(Some(error)),
        }
    }

    /// Waits until somebody else wants the campaign to end, for ever if nobody does. What that is
    /// to the campaign: a signal.
    ///
    /// 2026-11-30: that others may take it for dead is no reason to end it, as a ledger that fails is
    /// none. It ends when one of them has done so.
    pub(crate) async fn disturbed(&self) -> (Signal, Disturbance) {
        let Some(held) = &self.held else { return std::future::pending().await };
        match held.permit.taken_or_cancelled().await {
            Ok(disturbance) => (Signal::Terminate, disturbance),
            Err(error) => {
                held.complain(Some(error));
                std::future::pending().await
            }
        }
    }

    /// The number of its operation, if it has one.
    pub(crate) fn id(&self) -> Option<OperationId> {
        self.held.as_ref().map(|held| held.permit.id)
    }

    /// What a lem that a run of this machine starts is told: what the campaign has, it has.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.held.as_ref().map(|held| held.permit.environment()).unwrap_or_default()
    }

    /// It is over, and this is how.
    pub(crate) async fn end(&self, ending: Ending) {
        let Some(held) = &self.held else { return };
        if held.has_ended.swap(true, Ordering::AcqRel) {
            return;
        }
        match held.permit.is_done(ending).await {
            // That was said when it happened.
            Ok(()) | Err(CoordinationError::TakenAway { .. }) => {}
            Err(error) => held.complain(Some(error)),
        }
    }
}

/// One that is waited for may be killed meanwhile.
async fn keep_taking_away(
    agent: &Arc<Agent>,
    seat: Option<&Resource>,
    parts: &[Part],
) -> CoordinationError {
    let Some(seat) = seat else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = take_away_predecessors(agent, seat, Some(parts)).await {
            return error;
        }
    }
}

impl Held {
    async fn change(
        &self,
        phase: Phase<'_>,
        patience: Patience,
        cancel: &Cancel,
    ) -> Result<(), CoordinationError> {
        let says = self.says.clone();
        let mut waiting = move |it: &_| drop(says.send(wait::event(it)));
        let parts = self.claims.parts(phase);
        self.permit.change(parts, &self.what, false, patience, cancel, &mut waiting).await
    }

    /// Says it once, and goes on.
    fn complain(&self, error: Option<CoordinationError>) {
        let Some(error) = error else { return };
        // Whoever took it away said so.
        let is_known = matches!(error, CoordinationError::TakenAway { .. });
        if is_known || self.has_complained.swap(true, Ordering::AcqRel) {
            return;
        }
        let message = format!("the campaign goes on, but others may not see what it uses: {error}");
        let _ = self.says.send(Event::Warning { message });
    }
}

#[cfg(test)]
mod tests;
