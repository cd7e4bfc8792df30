//! Whether an operation may begin. Pure: the wish and everybody else in, a decision out.
//!
//! 2026-11-21: no barging. Who would get on with what runs still waits behind who came before it
//! and would not get on with it; so a thousand small changes never keep a restart waiting. What
//! looks gets past everybody, since it gets on with everybody.

use super::claim::{Claims, clash, covers};
use super::dependency::Graph;
use super::operation::{OnConflict, Operation, OperationId, State};
use super::part::{Act, Part, Verdict, verdict};
use super::severity::{Response, Severity};

/// Operations of one container at once, the seed's number; those that only look get one less, so
/// that readers of logs don't keep a restart waiting.
pub(crate) const AT_ONCE: usize = 3;
/// Those that wait in one project.
pub(crate) const LONGEST_QUEUE: usize = 100;
/// Those of them that one agent has.
pub(crate) const LARGEST_SHARE: usize = 20;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newcomer<'a> {
    /// Its number, if it has been waiting.
    pub id: Option<OperationId>,
    pub parts: &'a [Part],
    /// See [`super::operation::Priority::rank`].
    pub rank: i64,
    pub on_conflict: OnConflict,
    pub over_shared: bool,
    /// The operations that it is part of: what they have, it has.
    pub ancestors: &'a [OperationId],
}

/// An operation that a newcomer meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub operation: OperationId,
    pub severity: Severity,
    pub reason: String,
    /// What the newcomer wants that meets it.
    pub wants: Part,
    pub cause: Cause,
}

/// Why it is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It runs.
    Runs,
    /// It waits, and is before the newcomer.
    IsBefore,
    /// There are as many of the container as may be.
    TakesThePlace,
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It begins, beside these.
    Start { beside: Vec<Obstacle> },
    /// It waits until these are gone.
    Wait { behind: Vec<Obstacle> },
    /// It repeats or contradicts this one.
    Refuse { by: Obstacle },
    /// It is in its own ancestor's way, and would wait for ever.
    Nested { by: Obstacle },
}

/// Decides on a newcomer. `others` are all operations that wait or run.
pub(crate) fn decide(newcomer: &Newcomer<'_>, others: &[Operation], graph: &Graph) -> Decision {
    let mut met: Vec<Obstacle> = Vec::new();
    for other in others.iter().filter(|other| Some(other.id) != newcomer.id) {
        let cause = match other.state {
            State::Active => Cause::Runs,
            State::Queued if is_before(other, newcomer) => Cause::IsBefore,
            _ => continue,
        };
        let Some(obstacle) = worst(newcomer, other, cause, graph) else { continue };
        if newcomer.ancestors.contains(&other.id) {
            if obstacle.severity >= Severity::High {
                return Decision::Nested { by: obstacle };
            }
            continue;
        }
        met.push(obstacle);
    }
    let refuses = |obstacle: &&Obstacle| {
        obstacle.severity.response() == Response::Block
            && newcomer.on_conflict == OnConflict::Refuse
            && newcomer.id.is_none()
    };
    if let Some(by) = met.iter().find(refuses) {
        return Decision::Refuse { by: by.clone() };
    }
    let mut behind: Vec<Obstacle> =
        met.iter().filter(|it| it.severity >= Severity::High).cloned().collect();
    if behind.is_empty() {
        behind = places_taken(newcomer, others);
    }
    if !behind.is_empty() {
        return Decision::Wait { behind };
    }
    let beside = met.into_iter().filter(|it| it.cause == Cause::Runs).collect();
    Decision::Start { beside }
}

fn is_before(other: &Operation, newcomer: &Newcomer<'_>) -> bool {
    let own = newcomer.id.map_or(i64::MAX, |id| id.0);
    (other.rank, other.id.0) < (newcomer.rank, own)
}

/// The worst that a newcomer meets of one operation.
fn worst(
    newcomer: &Newcomer<'_>,
    other: &Operation,
    cause: Cause,
    graph: &Graph,
) -> Option<Obstacle> {
    let is_ancestor = newcomer.ancestors.contains(&other.id);
    let held: Claims = if is_ancestor { all_claims(&other.parts) } else { Claims::new() };
    let mut worst: Option<(Verdict, &Part)> = None;
    for wants in newcomer.parts {
        if is_ancestor && covers(&held, &wants.claims()) {
            continue;
        }
        for has in &other.parts {
            if newcomer.over_shared && has.is_use() {
                continue;
            }
            let found = verdict(wants, has, graph);
            if worst.as_ref().is_none_or(|(it, _)| found.severity > it.severity) {
                worst = Some((found, wants));
            }
        }
    }
    let (Verdict { severity, reason }, wants) = worst?;
    (severity > Severity::None).then(|| Obstacle {
        operation: other.id,
        severity,
        reason,
        wants: wants.clone(),
        cause,
    })
}

/// Everything that several parts claim.
pub(crate) fn all_claims(parts: &[Part]) -> Claims {
    let mut all = Claims::new();
    for (resource, mode) in parts.iter().flat_map(Part::claims) {
        let mode = all.get(&resource).map_or(mode, |have| mode.and(*have));
        all.insert(resource, mode);
    }
    all
}

/// Whether the parts of a newcomer get on with those of operations that run: for one that runs
/// itself and changes what it does, so that who waits for it is not waited for.
pub(crate) fn in_the_way(
    id: OperationId,
    parts: &[Part],
    over_shared: bool,
    others: &[Operation],
) -> Vec<OperationId> {
    let wanted = all_claims(parts);
    let clashes = |other: &&Operation| {
        let has: Vec<Part> =
            other.parts.iter().filter(|part| !(over_shared && part.is_use())).cloned().collect();
        clash(&wanted, &all_claims(&has)).is_some()
    };
    let active = others.iter().filter(|it| it.id != id && it.state == State::Active);
    active.filter(clashes).map(|it| it.id).collect()
}

/// Those that take the places of a container, where all are taken.
fn places_taken(newcomer: &Newcomer<'_>, others: &[Operation]) -> Vec<Obstacle> {
    let is_of = |part: &Part, wants: &Part| {
        part.resource == wants.resource && matches!(part.act, Act::Kind(_))
    };
    for wants in newcomer.parts {
        let Act::Kind(kind) = wants.act else { continue };
        let looks = kind.only_looks();
        let counts = |other: &&Operation| {
            let alike = |part: &Part| matches!(part.act, Act::Kind(it) if it.only_looks() == looks);
            let own = other.parts.iter().any(|part| is_of(part, wants) && (!looks || alike(part)));
            let waits_for_a_place = other.state == State::Queued
                && is_before(other, newcomer)
                && other.parts.iter().any(|part| is_of(part, wants) && alike(part));
            Some(other.id) != newcomer.id
                && !newcomer.ancestors.contains(&other.id)
                && ((own && other.state == State::Active) || waits_for_a_place)
        };
        let taking: Vec<&Operation> = others.iter().filter(counts).collect();
        let places = places(looks);
        if taking.len() >= places {
            let obstacle = |other: &&Operation| Obstacle {
                operation: other.id,
                severity: Severity::High,
                reason: format!(
                    "{} has {places} operations at once at most",
                    wants.resource.short()
                ),
                wants: wants.clone(),
                cause: Cause::TakesThePlace,
            };
            return taking.iter().map(obstacle).collect();
        }
    }
    Vec::new()
}

/// How many operations of one container there may be at once: of those that only look, or of all.
pub(crate) fn places(looks: bool) -> usize {
    if looks { AT_ONCE - 1 } else { AT_ONCE }
}

/// What keeps a newcomer out of a full queue.
pub(crate) fn full(group: &str, agent: &str, others: &[Operation]) -> Option<Full> {
    let waiting = || others.iter().filter(|it| it.state == State::Queued && it.group == group);
    if waiting().filter(|it| it.agent == agent).count() >= LARGEST_SHARE {
        return Some(Full::Agent);
    }
    (waiting().count() >= LONGEST_QUEUE).then_some(Full::Project)
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Agent,
    Project,
}
