//! What there is to see of operations at one moment: a document.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::observe::Observation;
use super::row::{Blocker, Row, seconds};
use crate::coordination::admission::all_claims;
use crate::coordination::claim::Mode;
use crate::coordination::forecast::places_of;
use crate::coordination::kind::Kind;
use crate::coordination::ledger::{Board, Known};
use crate::coordination::operation::{Operation, State};
use crate::coordination::part::Act;
use crate::coordination::resource::Resource;
use crate::engine::condition::Sum;

/// Everything that `lem ops` shows.
#[derive(Debug, Default, Serialize)]
pub(in crate::cli) struct Document {
    pub containers: Vec<Shown>,
    pub operations: Vec<Row>,
    pub queue: Vec<Waiting>,
    pub locks: Vec<Lock>,
    pub today: Today,
    /// Why the engine does not answer, where it was asked and doesn't.
    pub engine_error: Option<String>,
}

/// A container or service that is known.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Shown {
    pub name: String,
    pub resource: String,
    /// What is done to it; else what the engine says of it.
    pub state: &'static str,
    /// The operation that is at it.
    pub operation: Option<i64>,
    /// What the engine says of it now: `running`, `stopped`, `restarting`, `error`, `absent`; none
    /// where it can't say.
    pub observed: Option<&'static str>,
    /// How old that is.
    pub observed_seconds_ago: Option<f64>,
    pub health: Option<String>,
    pub detail: Option<String>,
    pub containers: Vec<String>,
    pub ports: Vec<u16>,
    /// None where nobody has said.
    pub needs: Option<Vec<String>>,
    /// Who said that there is such a container.
    pub source: String,
}

/// An operation that waits.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Waiting {
    /// How many in the queue it waits for, and it.
    pub position: usize,
    /// None where nobody can say.
    pub expected_wait_seconds: Option<f64>,
    pub behind: Vec<Blocker>,
    #[serde(flatten)]
    pub operation: Row,
}

/// What an operation has of a place.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Lock {
    pub operation: i64,
    pub resource: String,
    pub name: String,
    /// `shared`, `exclusive`, or `shared but for a part`.
    pub mode: &'static str,
    pub what: String,
    pub agent: String,
    pub who: String,
    pub since: Option<String>,
    pub seconds: Option<f64>,
    pub liveness: Option<&'static str>,
}

/// What today brought.
#[derive(Debug, Default, Serialize)]
pub(in crate::cli) struct Today {
    pub requested: u64,
    pub done: u64,
    pub lost: u64,
}

impl Document {
    /// What is to be seen of a board, and of the engine where it was asked.
    pub(super) fn of(board: &Board, observation: Option<&Observation>) -> Self {
        let live = &board.snapshot.live;
        let active = || live.iter().filter(|it| it.state == State::Active);
        let places = places_of(live, &board.snapshot.graph, &board.usual, board.snapshot.now);
        let waiting = |own: &Operation| {
            let place = places.get(&own.id)?;
            Some(Waiting {
                position: place.position,
                expected_wait_seconds: place.wait.map(seconds),
                behind: place.behind.iter().map(|it| Blocker::of(it, live)).collect(),
                operation: Row::of(own, board),
            })
        };
        let tally = board.tally;
        Self {
            containers: board.known.iter().map(|it| shown(it, board, observation)).collect(),
            operations: active().map(|it| Row::of(it, board)).collect(),
            queue: live.iter().filter_map(waiting).collect(),
            locks: active().flat_map(|it| locks(it, board)).collect(),
            today: Today { requested: tally.requested, done: tally.done, lost: tally.lost },
            engine_error: observation
                .and_then(|it| it.engine.as_ref().err())
                .map(ToString::to_string),
        }
    }
}

fn shown(known: &Known, board: &Board, observation: Option<&Observation>) -> Shown {
    let resource = &known.resource;
    let transition = board.snapshot.live.iter().find_map(|it| {
        Some((transition(it, resource)?, it.id.0)).filter(|_| it.state == State::Active)
    });
    let found = observation.and_then(|it| it.of(resource));
    let worst = found.as_ref().and_then(|all| all.iter().max_by_key(|(_, it)| it.sum()));
    let observed = match (&found, worst) {
        (_, Some((_, condition))) => Some(condition.sum().word()),
        (Some(_), None) => Some("absent"),
        (None, None) => None,
    };
    let age = |at: Instant| seconds(at.elapsed().max(Duration::from_millis(1)));
    let detail = worst.and_then(|(_, it)| match it.sum() {
        Sum::Running if it.status == "paused" => Some("it is paused".to_owned()),
        _ => it.fault(),
    });
    Shown {
        name: resource.short(),
        resource: resource.to_string(),
        state: transition.map(|(state, _)| state).or(observed).unwrap_or("unknown"),
        operation: transition.map(|(_, id)| id),
        observed,
        observed_seconds_ago: observed.and(observation).map(|it| age(it.at)),
        health: worst.and_then(|(_, it)| it.health.clone()),
        detail,
        containers: match &found {
            Some(all) => all.iter().map(|(it, _)| it.name.clone()).collect(),
            None => known.names.clone(),
        },
        ports: known.ports.clone(),
        needs: known.needs.as_ref().map(|needs| needs.iter().map(Resource::short).collect()),
        source: known.source.clone(),
    }
}

/// What an operation makes of a container while it runs.
fn transition(operation: &Operation, resource: &Resource) -> Option<&'static str> {
    let reaches = |of: &Resource| of == resource || resource.above().any(|above| above == *of);
    operation.parts.iter().filter(|part| reaches(&part.resource)).find_map(|part| {
        let Act::Kind(kind) = part.act else { return None };
        Some(match kind {
            Kind::Read | Kind::Health => return None,
            Kind::Config => "configuring",
            Kind::Restart => "restarting",
            Kind::Stop => "stopping",
            Kind::Start => "starting",
            Kind::Deploy => "deploying",
            Kind::Scale => "scaling",
        })
    })
}

fn locks(operation: &Operation, board: &Board) -> Vec<Lock> {
    let row = Row::of(operation, board);
    let claims = all_claims(&operation.parts).into_iter();
    let held = claims.filter_map(|(resource, mode)| {
        let mode = match mode {
            Mode::IntentShared | Mode::IntentExclusive => return None,
            Mode::Shared => "shared",
            Mode::SharedIntentExclusive => "shared but for a part",
            Mode::Exclusive => "exclusive",
        };
        Some((resource, mode))
    });
    held.map(|(resource, mode)| Lock {
        operation: row.id,
        resource: resource.to_string(),
        name: resource.short(),
        mode,
        what: row.what.clone(),
        agent: row.agent.clone(),
        who: row.who.clone(),
        since: row.started_at.clone(),
        seconds: row.seconds,
        liveness: row.liveness,
    })
    .collect()
}
