//! An operation as `--json` shows it.

use std::time::Duration;

use serde::Serialize;

use crate::coordination::admission::{Cause, Obstacle};
use crate::coordination::forecast::{self, Usual};
use crate::coordination::ledger::Board;
use crate::coordination::liveness::{Liveness, state};
use crate::coordination::operation::{Moment, Operation, State};

/// An operation.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Row {
    pub id: i64,
    pub state: &'static str,
    pub kind: Option<&'static str>,
    /// For people: `restart shop/api`.
    pub what: String,
    pub targets: Vec<Target>,
    pub agent: String,
    /// `user@host, pid 123`.
    pub who: String,
    pub reason: Option<String>,
    pub command: Option<String>,
    pub priority: u8,
    pub parent: Option<i64>,
    pub requested_at: String,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    /// How long it runs so far, or ran.
    pub seconds: Option<f64>,
    /// How long it waits so far, or waited.
    pub waited_seconds: Option<f64>,
    /// How long it is expected to go on.
    pub left_seconds: Option<f64>,
    pub limit_seconds: Option<f64>,
    /// What the engine was told last.
    pub step: Option<String>,
    /// `lives`, `stalled`, `held by a descendant`, `settling`, `elsewhere`; absent once it is over.
    pub liveness: Option<&'static str>,
    /// How long the engine may still be at it, or how long its owner has not been heard of.
    pub liveness_seconds: Option<f64>,
    /// Who wants it to end, and why.
    pub cancel: Option<String>,
    pub exit_code: Option<i32>,
    pub note: Option<String>,
}

/// What an operation does to a place.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Target {
    pub resource: String,
    pub name: String,
    pub act: &'static str,
    /// Whether it only follows from another one.
    pub implied: bool,
}

/// Who is in the way of one that waits.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Blocker {
    pub id: i64,
    pub what: String,
    pub agent: String,
    pub severity: &'static str,
    pub reason: String,
    /// Whether it runs; otherwise it waits too, before this one.
    pub runs: bool,
}

pub(super) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

impl Row {
    /// One of a board.
    pub(super) fn of(operation: &Operation, board: &Board) -> Self {
        let liveness = board.liveness(operation);
        Self::with(operation, liveness, &board.usual, board.snapshot.now)
    }

    /// One that is on no board any more: what the ledger has not noted as ended yet is lost.
    pub(super) fn over(operation: &Operation, now: Moment) -> Self {
        Self::with(operation, Liveness::Gone, &Usual::new(), now)
    }

    fn with(own: &Operation, liveness: Liveness, usual: &Usual, now: Moment) -> Self {
        let is_active = own.state == State::Active;
        let ran = is_active.then(|| own.started.map(|started| now.since(started))).flatten();
        let waits = (own.state == State::Queued).then(|| now.since(own.queued));
        let left = is_active.then(|| forecast::left(own, usual, now)).flatten();
        let life_seconds = match liveness {
            Liveness::Settles { left } => Some(left),
            Liveness::Stalled { silent } => Some(silent),
            _ => None,
        };
        let targets = own.parts.iter().map(|part| Target {
            resource: part.resource.to_string(),
            name: part.resource.short(),
            act: part.act.word(),
            implied: part.implied,
        });
        Self {
            id: own.id.0,
            state: state(own, liveness).word(),
            kind: own.kind().map(crate::coordination::kind::Kind::word),
            what: own.what.clone(),
            targets: targets.collect(),
            agent: own.agent.clone(),
            who: own.who.clone(),
            reason: own.reason.clone(),
            command: own.command.clone(),
            priority: own.priority,
            parent: own.parent.map(|id| id.0),
            requested_at: own.requested_at.to_string(),
            started_at: own.started_at.map(|at| at.to_string()),
            ended_at: own.ended_at.map(|at| at.to_string()),
            seconds: own.took.or(ran).map(seconds),
            waited_seconds: own.waited.or(waits).map(seconds),
            left_seconds: left.map(seconds),
            limit_seconds: own.limit.map(seconds),
            step: own.step.as_ref().map(|step| step.what.clone()),
            liveness: (!state(own, liveness).is_over()).then(|| liveness.word()),
            liveness_seconds: life_seconds.map(seconds),
            cancel: own.cancel.clone(),
            exit_code: own.exit_code,
            note: own.note.clone(),
        }
    }
}

impl Blocker {
    pub(super) fn of(obstacle: &Obstacle, live: &[Operation]) -> Self {
        let other = live.iter().find(|it| it.id == obstacle.operation);
        let text = |field: fn(&Operation) -> &String| other.map(field).cloned().unwrap_or_default();
        Self {
            id: obstacle.operation.0,
            what: text(|it| &it.what),
            agent: text(|it| &it.agent),
            severity: obstacle.severity.word(),
            reason: obstacle.reason.clone(),
            runs: match obstacle.cause {
                Cause::Runs => true,
                Cause::IsBefore => false,
                Cause::TakesThePlace => other.is_some_and(|it| it.state == State::Active),
            },
        }
    }
}
