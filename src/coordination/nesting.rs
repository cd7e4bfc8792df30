//! Operations within operations: what a command that an operation runs asks for itself.
//!
//! 2026-11-21: what runs and waits for what it asked for itself holds one thing while it waits for
//! another. Two such would wait for each other for ever, as two who take two locks in different
//! order do; the one that would close the circle is told so at once. A waiting part waits for what
//! runs alone, so a circle can close in no other moment than when somebody asks.

use super::admission::{Cause, Decision, Newcomer, Obstacle, by_itself, decide};
use super::dependency::Graph;
use super::operation::{Operation, OperationId, State};
use super::severity::Severity;

/// The operations that one with this parent is part of, as far as they run.
pub(crate) fn ancestors(parent: Option<OperationId>, others: &[Operation]) -> Vec<OperationId> {
    let mut line = Vec::new();
    let mut next = parent;
    while let Some(id) = next.filter(|id| !line.contains(id)) {
        let Some(found) = others.iter().find(|it| it.id == id) else { break };
        line.push(id);
        next = found.parent;
    }
    line
}

/// The decision on one that waits already.
pub(crate) fn again(own: &Operation, others: &[Operation], graph: &Graph) -> Decision {
    decide(&waiting(own, &ancestors(own.parent, others)), others, graph)
}

/// One that waits, as a newcomer.
fn waiting<'a>(own: &'a Operation, ancestors: &'a [OperationId]) -> Newcomer<'a> {
    Newcomer {
        id: Some(own.id),
        parts: &own.parts,
        rank: own.rank,
        on_conflict: own.on_conflict,
        over_shared: own.over_shared,
        ancestors,
    }
}

/// The operation that a newcomer is part of and that what it waits for waits for, if there is one.
pub(super) fn circle(
    newcomer: &Newcomer<'_>,
    behind: &[Obstacle],
    others: &[Operation],
    graph: &Graph,
) -> Option<Obstacle> {
    let mut seen: Vec<OperationId> = Vec::new();
    let mut open: Vec<OperationId> = behind.iter().map(|it| it.operation).collect();
    while let Some(id) = open.pop().filter(|_| !newcomer.ancestors.is_empty()) {
        if newcomer.ancestors.contains(&id) {
            let (first, wants) = (behind.first()?, newcomer.parts.first()?.clone());
            let reason = format!("operation {} waits for operation {id}", first.operation);
            let severity = Severity::High;
            return Some(Obstacle { operation: id, severity, reason, wants, cause: Cause::Runs });
        }
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        for part in others.iter().filter(|it| it.state == State::Queued) {
            let line = ancestors(part.parent, others);
            if !line.contains(&id) || Some(part.id) == newcomer.id {
                continue;
            }
            if let Decision::Wait { behind } = by_itself(&waiting(part, &line), others, graph) {
                open.extend(behind.iter().map(|it| it.operation));
            }
        }
    }
    None
}
