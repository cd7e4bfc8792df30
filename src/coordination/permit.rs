//! Leave to act: asked for, waited for, held until it is ended.
//!
//! 2026-11-21: no service of ours hands permits out. Who waits finds out itself whether it is its
//! turn, when it hears that something has ended; so there is nobody who could be down.

mod met;
mod ticket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use self::met::{describe, met};
use self::ticket::{Ticket, Until};

use super::admission::{Full, Obstacle};
use super::agent::Agent;
use super::error::{CoordinationError, Met};
use super::ledger::{Answer, Change, Ending, Started};
use super::operation::{OperationId, State, Token, Wish};
use super::part::Part;
use super::trust::Trust;
use crate::cancel::Cancel;

/// How long to wait for what somebody else has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    For(Duration),
    /// As long as it takes.
    Endless,
}

/// One that waits, for those who show it.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub id: OperationId,
    /// How many in the queue are waited for, and it.
    pub position: usize,
    pub met: Met,
}

/// Leave to act. Ended by [`Permit::end`]; dropped, it counts as failed.
#[derive(Debug)]
pub(crate) struct Permit {
    agent: Arc<Agent>,
    pub id: OperationId,
    pub token: Token,
    /// What runs beside it.
    pub beside: Vec<Obstacle>,
    is_over: AtomicBool,
}

/// Somebody else's word about an operation that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// It shall end.
    Cancelled { why: String },
    /// It is another's now.
    TakenAway { why: String },
    /// It may be another's: for so long nobody could be told that its owner lives.
    Unheard { silent: Duration },
}

impl Disturbance {
    /// How long a command has to end then, of what it has otherwise.
    pub(crate) fn grace(&self, usual: Duration) -> Duration {
        match self {
            // A little later others may begin.
            Self::Unheard { silent } => usual.min(*silent / 2),
            Self::Cancelled { .. } | Self::TakenAway { .. } => usual,
        }
    }

    /// The error that it is to who has the operation.
    pub(crate) fn error(self, id: OperationId) -> CoordinationError {
        match self {
            Self::Cancelled { why } => CoordinationError::CancelledByOther { id, why },
            Self::TakenAway { why } => CoordinationError::TakenAway { id, why },
            Self::Unheard { silent } => CoordinationError::Unheard { id, silent },
        }
    }
}

/// Even if nothing is heard.
const LOOK: Duration = Duration::from_secs(5);

/// What is over by then is not listened for: to close an ear takes longer than many a command.
const BRIEF: Duration = Duration::from_millis(50);

impl Permit {
    /// Waits for leave.
    ///
    /// `waiting` hears once of each thing that is waited for.
    ///
    /// # Errors
    /// It is refused, or its turn does not come in time.
    pub(crate) async fn take(
        agent: &Arc<Agent>,
        mut wish: Wish,
        patience: Patience,
        cancel: &Cancel,
        waiting: &mut (dyn FnMut(&Waiting) + Send),
    ) -> Result<Self, CoordinationError> {
        wish.parent = wish.parent.or(agent.parent());
        let begun = Instant::now();
        let what = wish.what.clone();
        let waits = !matches!(patience, Patience::None | Patience::For(Duration::ZERO));
        let asking = Arc::clone(agent);
        // Made where the ledger answers: who gives up waiting for the answer gives it back.
        let asked = agent.call(move |ledger, owner| {
            let asked = Trust::now();
            Ok(match ledger.ask(&wish, owner, waits)? {
                Answer::Started(started) => Asked::Begun(Self::of(asking, started, asked)),
                Answer::Queued { id, behind } => Asked::Waits(Ticket::of(asking, id), behind),
                answer => Asked::Not(answer),
            })
        });
        let asked = tokio::select! {
            asked = asked => asked?,
            signal = cancel.raised() => return Err(CoordinationError::Cancelled { signal }),
        };
        match asked {
            Asked::Begun(permit) => Ok(permit),
            Asked::Waits(ticket, behind) => {
                ticket.wait(&what, behind, Until { begun, patience, cancel }, waiting).await
            }
            Asked::Not(answer) => Err(refusal(agent, what, answer).await?),
        }
    }

    /// What the ledger answered to a question that was asked then.
    fn of(agent: Arc<Agent>, started: Started, asked: i64) -> Self {
        agent.was_heard(asked);
        let Started { id, token, beside } = started;
        Self { agent, id, token, beside, is_over: AtomicBool::new(false) }
    }

    /// What a command that is run by this operation is told of it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let own = [
            (super::agent::OPERATION.to_owned(), self.id.to_string()),
            (super::agent::TOKEN.to_owned(), self.token.0.to_string()),
            (super::agent::LOCK.to_owned(), self.id.to_string()),
        ];
        own.into_iter().chain(self.agent.environment()).collect()
    }

    /// Ends it.
    ///
    /// # Errors
    /// Somebody took it away meanwhile, or the ledger can't be written.
    pub(crate) async fn end(self, ending: Ending) -> Result<(), CoordinationError> {
        self.is_done(ending).await
    }

    /// The same while others still have a hand on it.
    pub(crate) async fn is_done(&self, ending: Ending) -> Result<(), CoordinationError> {
        self.is_over.store(true, Ordering::Release);
        let (id, token) = (self.id, self.token);
        let was_ours = self.agent.call(move |ledger, _| ledger.finish(id, token, &ending)).await?;
        if was_ours { Ok(()) } else { Err(self.gone().await?) }
    }

    /// Ends it where the engine may go on with what it was told: others wait until that must be
    /// over, as they do when an owner dies. Of no use to an agent that lives on.
    ///
    /// # Errors
    /// As for [`Self::end`].
    pub(crate) async fn leave(self, ending: Ending) -> Result<(), CoordinationError> {
        self.is_over.store(true, Ordering::Release);
        let (id, token) = (self.id, self.token);
        let leaving = self.agent.call(move |ledger, _| ledger.leave_to_settle(id, token, &ending));
        if leaving.await? { Ok(()) } else { Err(self.gone().await?) }
    }

    /// Notes what the engine is about to be told and how long it may be at it, whoever dies; or,
    /// without one, that it is done.
    pub(crate) async fn step(
        &self,
        step: Option<(&str, Duration)>,
    ) -> Result<(), CoordinationError> {
        let (id, token) = (self.id, self.token);
        let step = step.map(|(what, limit)| (what.to_owned(), limit));
        let noting = self.agent.call(move |ledger, _| {
            ledger.step(id, token, step.as_ref().map(|(what, limit)| (what.as_str(), *limit)))
        });
        if noting.await? { Ok(()) } else { Err(self.gone().await?) }
    }

    /// The same, on this thread.
    pub(crate) fn step_blocking(
        &self,
        step: Option<(&str, Duration)>,
    ) -> Result<bool, CoordinationError> {
        let (id, token) = (self.id, self.token);
        let step = step.map(|(what, limit)| (what.to_owned(), limit));
        self.agent.call_blocking(move |ledger, _| {
            ledger.step(id, token, step.as_ref().map(|(what, limit)| (what.as_str(), *limit)))
        })
    }

    /// Notes how long the engine may go on after the death of everybody who has it, while no step
    /// is noted.
    pub(crate) async fn settle(&self, settle: Duration) -> Result<(), CoordinationError> {
        let (id, token) = (self.id, self.token);
        let noting = self.agent.call(move |ledger, _| ledger.settle(id, token, settle));
        if noting.await? { Ok(()) } else { Err(self.gone().await?) }
    }

    /// Does something else from now on if nobody who runs is in the way, on this thread; whether
    /// it does.
    pub(crate) fn change_blocking(
        &self,
        parts: &[Part],
        what: &str,
        over_shared: bool,
    ) -> Result<bool, CoordinationError> {
        let (id, token) = (self.id, self.token);
        let (parts, what) = (parts.to_vec(), what.to_owned());
        let changed = self
            .agent
            .call_blocking(move |ledger, _| ledger.change(id, token, &parts, over_shared, &what))?;
        Ok(changed == Change::Done)
    }

    /// Does something else from now on, once nobody who runs is in the way. What it has so far, it
    /// has until then.
    pub(crate) async fn change(
        &self,
        parts: Vec<Part>,
        what: &str,
        over_shared: bool,
        patience: Patience,
        cancel: &Cancel,
        waiting: &mut (dyn FnMut(&Waiting) + Send),
    ) -> Result<(), CoordinationError> {
        let begun = Instant::now();
        let (mut ear, mut told, parts) = (None, None, Arc::new(parts));
        loop {
            let (id, token) = (self.id, self.token);
            let (wanted, text) = (Arc::clone(&parts), what.to_owned());
            let change = self
                .agent
                .call(move |ledger, _| ledger.change(id, token, &wanted, over_shared, &text));
            let in_the_way = match change.await? {
                Change::Done => return Ok(()),
                Change::TakenAway => return Err(self.gone().await?),
                Change::Nested(parent) => {
                    return Err(CoordinationError::Nested { what: what.to_owned(), parent });
                }
                Change::InTheWay(those) => those,
            };
            let snapshot = self.agent.call(|ledger, _| ledger.snapshot()).await?;
            let wants = parts[0].clone();
            let obstacle = Obstacle {
                operation: in_the_way[0],
                severity: super::severity::Severity::High,
                reason: "both want the same".to_owned(),
                wants,
                cause: super::admission::Cause::Runs,
            };
            let blocked = describe(&snapshot, what, &obstacle, None);
            let left = match patience {
                Patience::None => Duration::ZERO,
                Patience::For(limit) => limit.saturating_sub(begun.elapsed()),
                Patience::Endless => LOOK,
            };
            if left.is_zero() {
                let blocked = Box::new(blocked);
                return Err(CoordinationError::Expired { blocked, waited: begun.elapsed() });
            }
            if told != Some(in_the_way[0]) {
                told = Some(in_the_way[0]);
                waiting(&Waiting { id, position: 0, met: blocked });
            }
            let Some(ear) = &ear else {
                // What ended before there was an ear for it is asked about at once.
                ear = Some(self.agent.ear());
                continue;
            };
            tokio::select! {
                () = ear.heard() => {}
                () = sleep(LOOK.min(left)) => {}
                signal = cancel.raised() => return Err(CoordinationError::Cancelled { signal }),
            }
        }
    }

    /// Waits until somebody else wants it to end, or takes it away; for ever, if nobody does.
    pub(crate) async fn disturbed(&self) -> Result<Disturbance, CoordinationError> {
        tokio::select! {
            disturbance = self.taken_or_cancelled() => disturbance,
            // Whatever the ledger is asked meanwhile: that may take long.
            silent = self.agent.lost_its_lease() => Ok(Disturbance::Unheard { silent }),
        }
    }

    /// The same by somebody's word alone.
    pub(crate) async fn taken_or_cancelled(&self) -> Result<Disturbance, CoordinationError> {
        sleep(BRIEF).await;
        let ear = self.agent.ear();
        loop {
            let id = self.id;
            match self.agent.call(move |ledger, _| ledger.operation(id)).await {
                Ok(Some(it)) if it.state == State::Active && it.token == Some(self.token) => {
                    if let Some(why) = it.cancel {
                        return Ok(Disturbance::Cancelled { why });
                    }
                }
                // A ledger that can't be asked now is asked again.
                Err(CoordinationError::Ledger(_)) => {}
                Err(error) => return Err(error),
                Ok(other) => {
                    let why = other.and_then(|it| it.note).unwrap_or_default();
                    return Ok(Disturbance::TakenAway { why });
                }
            }
            tokio::select! {
                () = ear.heard() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// That it is somebody else's.
    async fn gone(&self) -> Result<CoordinationError, CoordinationError> {
        let id = self.id;
        let own = self.agent.call(move |ledger, _| ledger.operation(id)).await?;
        let why = own.and_then(|it| it.note).unwrap_or_else(|| "nobody said why".to_owned());
        Ok(CoordinationError::TakenAway { id, why })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_over.load(Ordering::Acquire) {
            return;
        }
        let ending = Ending::failed("it was given up");
        let (id, token) = (self.id, self.token);
        // What the ledger does not hear, it finds out: the owner ends.
        let _ = self.agent.call_blocking(move |ledger, _| ledger.finish(id, token, &ending));
    }
}

/// What became of a question, with what has to be given back.
enum Asked {
    Begun(Permit),
    Waits(Ticket, Vec<Obstacle>),
    Not(Answer),
}

/// Why there is neither a permit nor a place in the queue.
async fn refusal(
    agent: &Arc<Agent>,
    what: String,
    answer: Answer,
) -> Result<CoordinationError, CoordinationError> {
    Ok(match answer {
        Answer::Refused { by, .. } => {
            CoordinationError::Blocked { blocked: Box::new(met(agent, &what, &by).await?) }
        }
        Answer::WouldWait { behind, .. } => {
            CoordinationError::WouldWait { blocked: Box::new(met(agent, &what, &behind[0]).await?) }
        }
        Answer::Nested { by } => CoordinationError::Nested { what, parent: by.operation },
        Answer::Full { limit: Full::Project, waiting } => CoordinationError::QueueFull { waiting },
        Answer::Full { limit: Full::Agent, waiting } => {
            CoordinationError::AgentFull { agent: agent.name().to_owned(), waiting }
        }
        // These two are no refusals, and were taken before.
        Answer::Started(Started { id, .. }) | Answer::Queued { id, .. } => {
            CoordinationError::NoOperation { id }
        }
    })
}

#[cfg(test)]
mod tests;
