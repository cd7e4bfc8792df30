//! Who is in the way, for people.

use std::sync::Arc;
use std::time::Duration;

use crate::coordination::admission::Obstacle;
use crate::coordination::agent::Agent;
use crate::coordination::error::{CoordinationError, Met};
use crate::coordination::ledger::Snapshot;
use crate::coordination::operation::{Operation, OperationId, State};

/// Who is in the way of something, as far as it still is.
pub(super) async fn met(
    agent: &Arc<Agent>,
    what: &str,
    obstacle: &Obstacle,
) -> Result<Met, CoordinationError> {
    Ok(seen(agent, what, obstacle).await?.0)
}

async fn seen(
    agent: &Arc<Agent>,
    what: &str,
    obstacle: &Obstacle,
) -> Result<(Met, Snapshot), CoordinationError> {
    let id = obstacle.operation;
    let (snapshot, usual) = agent
        .call(move |ledger, _| {
            let snapshot = ledger.snapshot()?;
            let holder = snapshot.live.iter().find(|it| it.id == id);
            let kind = holder.and_then(Operation::kind);
            let usual = kind.map(|kind| ledger.usual(kind)).transpose()?;
            Ok((snapshot, usual))
        })
        .await?;
    Ok((describe(&snapshot, what, obstacle, usual), snapshot))
}

/// The same, and the place in the queue of the one that waits.
pub(super) async fn met_in_queue(
    agent: &Arc<Agent>,
    what: &str,
    obstacle: &Obstacle,
    id: OperationId,
) -> Result<(Met, usize), CoordinationError> {
    let (met, snapshot) = seen(agent, what, obstacle).await?;
    let mut queue = snapshot.live.iter().filter(|it| it.state == State::Queued);
    let position = queue.position(|it| it.id == id).map_or(0, |at| at + 1);
    Ok((met, position))
}

/// Who is in the way at one moment of the ledger.
pub(super) fn describe(
    snapshot: &Snapshot,
    what: &str,
    obstacle: &Obstacle,
    usual: Option<Duration>,
) -> Met {
    let holder = snapshot.live.iter().find(|it| it.id == obstacle.operation);
    let left = holder.and_then(|it| {
        let expect = it.expect.or(usual)?;
        let started = it.started?;
        Some(expect.saturating_sub(snapshot.now.since(started)))
    });
    Met {
        what: what.to_owned(),
        reason: obstacle.reason.clone(),
        severity: obstacle.severity,
        life: holder.map(|it| snapshot.life(it)),
        holder: holder.cloned(),
        left,
    }
}
