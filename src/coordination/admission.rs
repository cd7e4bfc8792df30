//! Whether an operation may begin. Pure: the wish and everybody else in, a decision out.
//!
//! 2026-11-21: no barging. Who would get on with what runs still waits behind who came before it
//! and would not get on with it; so a thousand small changes never keep a restart waiting. What
//! looks gets past everybody, since it gets on with everybody. "Get on" is asked both ways: a start
//! of what a waiting restart needs would not mind the restart, but the restart would mind it.
//!
//! 2026-11-21: what is part of an operation that runs waits for what runs alone. Who waits may wait
//! for that very operation, and the two would wait for each other.
//!
//! 2026-11-21: nobody is refused for the sake of the dead. A repeated restart is wrong while the
//! first is done, not when the first was interrupted: it waits until the engine has settled.

use super::claim::{Claims, covers};
use super::dependency::Graph;
use super::kind::Kind;
use super::nesting;
use super::operation::{OnConflict, Operation, OperationId, State};
use super::part::{Act, Part, Verdict, verdict};
use super::resource::Level;
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
    /// It is in its own ancestor's way, or waits for who waits for that, and would for ever.
    Nested { by: Obstacle },
}

/// Decides on a newcomer. `others` are all operations that wait or run.
pub(crate) fn decide(newcomer: &Newcomer<'_>, others: &[Operation], graph: &Graph) -> Decision {
    let decision = by_itself(newcomer, others, graph);
    let Decision::Wait { behind } = &decision else { return decision };
    match nesting::circle(newcomer, behind, others, graph) {
        Some(by) => Decision::Nested { by },
        None => decision,
    }
}

/// The decision as far as it is about the newcomer alone, and not about who waits for whom.
pub(super) fn by_itself(newcomer: &Newcomer<'_>, others: &[Operation], graph: &Graph) -> Decision {
    let mut met: Vec<Obstacle> = Vec::new();
    for other in others.iter().filter(|other| Some(other.id) != newcomer.id) {
        let cause = match other.state {
            State::Active => Cause::Runs,
            State::Queued if is_waited_for(other, newcomer) => Cause::IsBefore,
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

/// Whether one that waits is before a newcomer, which does not get past it then.
fn is_waited_for(other: &Operation, newcomer: &Newcomer<'_>) -> bool {
    let own = newcomer.id.map_or(i64::MAX, |id| id.0);
    newcomer.ancestors.is_empty() && (other.rank, other.id.0) < (newcomer.rank, own)
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
            if newcomer.over_shared && is_lease(has, wants) {
                continue;
            }
            let mut found = verdict(wants, has, graph);
            if cause == Cause::IsBefore {
                let back = verdict(has, wants, graph);
                found = if back.severity > found.severity { back } else { found };
            }
            if other.freed.is_some() {
                found.severity = found.severity.min(Severity::High);
            }
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

/// Whether who uses one thing only leases what another wants, who minds leases by himself.
///
/// 2026-11-21: a lease is on exactly that service. Who uses all of a project, or a GPU, is counted
/// by nobody else: he is waited for.
fn is_lease(has: &Part, wants: &Part) -> bool {
    has.is_use() && has.resource == wants.resource && has.resource.level() != Level::Gpu
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

/// Who runs and would not get on with what `newcomer`, which runs itself, wants to do instead. Who
/// waits for it is not waited for.
pub(crate) fn in_the_way(
    newcomer: &Newcomer<'_>,
    others: &[Operation],
    graph: &Graph,
) -> Vec<OperationId> {
    let clashes = |other: &&Operation| {
        worst(newcomer, other, Cause::Runs, graph).is_some_and(|it| it.severity >= Severity::High)
    };
    let running = |it: &&Operation| Some(it.id) != newcomer.id && it.state == State::Active;
    others.iter().filter(running).filter(clashes).map(|it| it.id).collect()
}

/// Those that take the places of a container, where all are taken.
///
/// Who waits and is before the newcomer has its place already. Those that look have two of the
/// places at most, waiting or not, so that the rest is for those that change something.
fn places_taken(newcomer: &Newcomer<'_>, others: &[Operation]) -> Vec<Obstacle> {
    for wants in newcomer.parts {
        let Act::Kind(kind) = wants.act else { continue };
        let (mut looking, mut changing): (Vec<&Operation>, Vec<&Operation>) = (vec![], vec![]);
        for other in others {
            let counts = other.state == State::Active || is_waited_for(other, newcomer);
            if !counts || Some(other.id) == newcomer.id || newcomer.ancestors.contains(&other.id) {
                continue;
            }
            let here = other.parts.iter().filter(|part| part.resource == wants.resource);
            let kinds = here.filter_map(|part| match part.act {
                Act::Kind(kind) => Some(kind),
                Act::Shared | Act::Exclusive => None,
            });
            match kinds.map(Kind::only_looks).reduce(|one, two| one && two) {
                Some(true) => looking.push(other),
                // Of what changes something, a look waits for what does so now.
                Some(false) if !kind.only_looks() || other.state == State::Active => {
                    changing.push(other);
                }
                _ => {}
            }
        }
        let looks = places(true);
        let (taking, places) = if kind.only_looks() && looking.len() >= looks {
            (looking, looks)
        } else {
            looking.truncate(looks);
            looking.extend(changing);
            (looking, places(false))
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::forecast::tests::operation;
    use crate::coordination::kind::Kind;
    use crate::coordination::resource::Resource;

    /// So many that wait in a project, in turn of so many agents.
    fn waiting(count: usize, agents: usize) -> Vec<Operation> {
        let one = |number: usize| {
            let id = i64::try_from(number).unwrap_or(0);
            let mut it = operation(id, Kind::Config, "api", State::Queued);
            (it.group, it.agent) = ("shop".to_owned(), format!("agent-{}", number % agents));
            it
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn a_hundred_wait_in_a_project_and_twenty_of_them_of_one_agent() {
        assert_eq!(full("shop", "agent-0", &waiting(99, 9)), None);
        assert_eq!(full("shop", "newcomer", &waiting(100, 9)), Some(Full::Project));
        assert_eq!(full("lab", "newcomer", &waiting(100, 9)), None);
        assert_eq!(full("shop", "agent-0", &waiting(19, 1)), None);
        assert_eq!(full("shop", "agent-0", &waiting(20, 1)), Some(Full::Agent));
        assert_eq!(full("shop", "newcomer", &waiting(20, 1)), None);
        let mut running = waiting(100, 9);
        for it in &mut running {
            it.state = State::Active;
        }
        assert_eq!(full("shop", "newcomer", &running), None);
    }

    #[test]
    fn who_came_later_waits_behind_those_it_would_not_get_on_with_and_looks_get_past() {
        let live = [
            operation(1, Kind::Restart, "api", State::Active),
            operation(2, Kind::Scale, "api", State::Queued),
        ];
        let decision = |kind, name: &str| {
            let own = operation(3, kind, name, State::Queued);
            let newcomer = Newcomer {
                id: Some(own.id),
                parts: &own.parts,
                rank: own.rank,
                on_conflict: OnConflict::Queue,
                over_shared: false,
                ancestors: &[],
            };
            decide(&newcomer, &live[1..], &Graph::default())
        };
        let Decision::Wait { behind } = decision(Kind::Config, "api") else { panic!() };
        assert_eq!(behind[0].cause, Cause::IsBefore);
        assert!(matches!(decision(Kind::Read, "api"), Decision::Start { .. }));
        assert!(matches!(decision(Kind::Config, "other"), Decision::Start { .. }));
    }

    #[test]
    fn who_minds_leases_by_himself_waits_for_every_other_use() {
        let service = Resource::service("E", "shop", "api");
        let starts = |beside: Resource, wants: &Resource| {
            let mut other = operation(1, Kind::Read, "api", State::Active);
            other.parts = vec![Part::new(beside, Act::Shared)];
            let parts = [Part::new(wants.clone(), Act::Exclusive)];
            let newcomer = Newcomer {
                id: None,
                parts: &parts,
                rank: 0,
                on_conflict: OnConflict::Queue,
                over_shared: true,
                ancestors: &[],
            };
            matches!(decide(&newcomer, &[other], &Graph::default()), Decision::Start { .. })
        };
        assert!(starts(service.clone(), &service));
        assert!(!starts(Resource::project("E", "shop"), &service));
        assert!(!starts(Resource::engine("E"), &service));
        assert!(!starts(Resource::gpu("G"), &Resource::gpu("G")));
    }
}
