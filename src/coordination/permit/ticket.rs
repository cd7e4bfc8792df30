//! A place in the queue, and the wait for its turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::time::{sleep, timeout};

use super::met::{met, met_in_queue};
use super::{Patience, Permit, Waiting};
use crate::cancel::{Cancel, Signal};
use crate::coordination::admission::Obstacle;
use crate::coordination::agent::Agent;
use crate::coordination::asking::FAREWELL;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Turn;
use crate::coordination::operation::{Operation, OperationId, State};
use crate::coordination::trust::Trust;

/// Even if nothing is heard. When what it waits for may be over by the clock, it looks then.
const LOOK: Duration = Duration::from_secs(10);

/// How long somebody waits, and what ends it before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until<'a> {
    pub begun: Instant,
    pub patience: Patience,
    pub cancel: &'a Cancel,
}

/// What became of the question for its turn, with what has to be given back.
enum Its {
    Turn(Permit),
    NotYet(Vec<Obstacle>, Option<Duration>),
    Over(Box<Operation>),
    Gone,
}

/// A place in the queue, given back when it is dropped.
pub(super) struct Ticket {
    agent: Arc<Agent>,
    id: OperationId,
    is_over: bool,
}

impl Ticket {
    pub(super) fn of(agent: Arc<Agent>, id: OperationId) -> Self {
        Self { agent, id, is_over: false }
    }

    pub(super) async fn wait(
        mut self,
        what: &str,
        mut behind: Vec<Obstacle>,
        until: Until<'_>,
        waiting: &mut (dyn FnMut(&Waiting) + Send),
    ) -> Result<Permit, CoordinationError> {
        let ear = self.agent.ear();
        let mut told: Option<OperationId> = None;
        // What ended before there was an ear for it is asked about at once.
        let mut again = Some(Duration::ZERO);
        loop {
            if told != Some(behind[0].operation) {
                let (met, position) = met_in_queue(&self.agent, what, &behind[0], self.id).await?;
                waiting(&Waiting { id: self.id, position, met });
                told = Some(behind[0].operation);
            }
            // Nobody looks in step with another one.
            let mut pause = LOOK.mul_f64(rand::rng().random_range(0.8..1.2));
            if let Some(again) = again {
                pause = pause.min(again);
            }
            if let Patience::For(limit) = until.patience {
                let left = limit.saturating_sub(until.begun.elapsed());
                if left.is_zero() {
                    return Err(self.expire(what, &behind[0], until.begun).await?);
                }
                pause = pause.min(left);
            }
            tokio::select! {
                () = ear.heard() => {}
                () = sleep(pause) => {}
                signal = until.cancel.raised() => return Err(self.give_up(signal).await),
            }
            let its = tokio::select! {
                its = self.ask() => its?,
                signal = until.cancel.raised() => return Err(self.give_up(signal).await),
            };
            match its {
                Its::Turn(permit) => {
                    self.is_over = true;
                    return Ok(permit);
                }
                Its::NotYet(those, after) => {
                    const A_BIT: Duration = Duration::from_millis(2);
                    behind = those;
                    again = after.map(|after| after.saturating_add(A_BIT));
                }
                Its::Over(operation) => {
                    self.is_over = true;
                    return Err(over(&operation));
                }
                Its::Gone => {
                    self.is_over = true;
                    return Err(CoordinationError::NoOperation { id: self.id });
                }
            }
        }
    }

    async fn ask(&self) -> Result<Its, CoordinationError> {
        let (id, agent) = (self.id, Arc::clone(&self.agent));
        let asking = self.agent.call(move |ledger, _| {
            let asked = Trust::now();
            Ok(match ledger.turn(id)? {
                Turn::Started(started) => Its::Turn(Permit::of(agent, started, asked)),
                Turn::Waiting { behind, again } => Its::NotYet(behind, again),
                Turn::Over(operation) => Its::Over(operation),
                Turn::Gone => Its::Gone,
            })
        });
        asking.await
    }

    /// Leaves the queue for a signal. A ledger that does not hear of it sees who waits end.
    async fn give_up(&mut self, signal: Signal) -> CoordinationError {
        let why = signal.to_string();
        let _ = timeout(FAREWELL, self.withdraw(State::Cancelled, &why)).await;
        CoordinationError::Cancelled { signal }
    }

    async fn expire(
        &mut self,
        what: &str,
        behind: &Obstacle,
        begun: Instant,
    ) -> Result<CoordinationError, CoordinationError> {
        let met = met(&self.agent, what, behind).await?;
        self.withdraw(State::Expired, &met.reason).await?;
        Ok(CoordinationError::Expired { blocked: Box::new(met), waited: begun.elapsed() })
    }

    async fn withdraw(&mut self, state: State, why: &str) -> Result<(), CoordinationError> {
        self.is_over = true;
        let (id, why) = (self.id, why.to_owned());
        self.agent.call(move |ledger, _| ledger.withdraw(id, state, Some(&why))).await.map(drop)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let id = self.id;
        let why = Some("nobody waits any more");
        let _ =
            self.agent.call_blocking(move |ledger, _| ledger.withdraw(id, State::Cancelled, why));
    }
}

fn over(operation: &Operation) -> CoordinationError {
    let why = operation.note.clone().unwrap_or_else(|| "nobody said why".to_owned());
    match operation.state {
        State::Cancelled => CoordinationError::CancelledByOther { id: operation.id, why },
        _ => CoordinationError::TakenAway { id: operation.id, why },
    }
}
