//! Campaigns that died in a project, and their place in it.

use std::sync::Arc;

use crate::coordination::admission::all_claims;
use crate::coordination::agent::Agent;
use crate::coordination::claim::{Claims, clash, covers};
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Snapshot;
use crate::coordination::operation::{Operation, OperationId, State};
use crate::coordination::owner::Life;
use crate::coordination::part::Part;
use crate::coordination::resource::Resource;

/// Whoever has the place of a campaign in a project, and lives.
pub(crate) fn living<'a>(snapshot: &'a Snapshot, seat: &Resource) -> Option<&'a Operation> {
    holders(snapshot, seat).find(|it| !is_dead(snapshot.life(it)))
}

/// Takes the place in a project away from campaigns that died, where nobody else waits for
/// something of theirs, and who takes it has all that they had: what still runs of a dead one is
/// removed by the next, and until then nobody else may have its GPUs.
pub(crate) async fn take_away_predecessors(
    agent: &Arc<Agent>,
    seat: &Resource,
    own: Option<&[Part]>,
) -> Result<(), CoordinationError> {
    let (seat, own) = (seat.clone(), own.map(all_claims));
    let taking = agent.call(move |ledger, _| {
        for id in predecessors(&ledger.snapshot()?, &seat, own.as_ref()) {
            ledger.take_away(id, "it was killed, and the next one in its project goes on")?;
        }
        Ok(())
    });
    taking.await
}

fn predecessors(snapshot: &Snapshot, seat: &Resource, own: Option<&Claims>) -> Vec<OperationId> {
    let dead = holders(snapshot, seat).filter(|it| is_dead(snapshot.life(it)));
    let has_all = |it: &&Operation| own.is_none_or(|own| covers(own, &all_claims(&it.parts)));
    dead.filter(has_all).filter(|it| !is_waited_for(snapshot, it, seat)).map(|it| it.id).collect()
}

fn holders<'a>(snapshot: &'a Snapshot, seat: &Resource) -> impl Iterator<Item = &'a Operation> {
    snapshot.live.iter().filter(|it| it.state == State::Active && has(it, seat))
}

fn has(operation: &Operation, seat: &Resource) -> bool {
    operation.parts.iter().any(|part| part.resource == *seat)
}

fn is_waited_for(snapshot: &Snapshot, operation: &Operation, seat: &Resource) -> bool {
    let claims = all_claims(&operation.parts);
    let waits = |it: &Operation| {
        it.state == State::Queued
            // Another one of this project would do the same.
            && !has(it, seat)
            && !is_dead(snapshot.life(it))
            && clash(&all_claims(&it.parts), &claims).is_some()
    };
    snapshot.live.iter().any(waits)
}

fn is_dead(life: Life) -> bool {
    match life {
        Life::Lives | Life::Elsewhere => false,
        Life::Outlived | Life::Dead | Life::OfAnotherBoot => true,
    }
}
