//! The engine's work for the dead, ended as soon as it shows. The ledger knows no docker: without
//! this, whoever follows a dead lem waits for the longest that a word to the engine may take.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::container;
use super::look::Seen;
use super::machine::Machine;
use super::word;
use crate::coordination::agent::Agent;
use crate::coordination::ledger::Snapshot;
use crate::coordination::operation::{Operation, State};
use crate::coordination::owner::Life;

/// Between two looks at a container of which the engine may be doing something.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two looks at the ledger where nothing is heard.
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// Looks for what is done, again and again.
pub(super) async fn as_it_shows(machine: &Machine, agent: &Arc<Agent>, seen: &Seen) -> Infallible {
    let ear = agent.ear();
    loop {
        let pause = if once(machine, agent, seen).await { PAUSE } else { LONG_PAUSE };
        tokio::select! {
            () = ear.heard() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Strikes out what the dead told the engine about these services and is done. Whether something
/// is left that may be done in a moment.
pub(super) async fn once(machine: &Machine, agent: &Arc<Agent>, seen: &Seen) -> bool {
    let Ok(snapshot) = agent.call(|ledger, _| ledger.snapshot()).await else { return false };
    let mut left = false;
    for operation in snapshot.live.iter().filter(|operation| settles(operation, &snapshot)) {
        let Some(done) = shows(machine, operation, seen).await else { continue };
        left |= !done;
        if let (true, Some(token)) = (done, operation.token) {
            let id = operation.id;
            let strike_out = agent.call(move |ledger, _| {
                ledger.step(id, token, None)?;
                ledger.ring();
                Ok(())
            });
            // Where it can't be noted, time will do.
            let _ = strike_out.await;
        }
    }
    left
}

/// Whether nobody has it any more but the engine.
fn settles(operation: &Operation, snapshot: &Snapshot) -> bool {
    operation.state == State::Active
        && operation.step.is_some()
        && snapshot.life(operation) == Life::Dead
}

/// Whether the container shows that the engine is done; none, where it is none of these services'.
async fn shows(machine: &Machine, operation: &Operation, seen: &Seen) -> Option<bool> {
    let step = operation.step.as_ref()?;
    let (name, resource) = seen.resources().iter().find(|(_, resource)| {
        operation.parts.iter().any(|part| part.resource == **resource)
            && step.what.ends_with(&format!(" {}", resource.short()))
    })?;
    let service = machine.registry.services.get(name).filter(|service| !service.is_native())?;
    let engine = machine.connection.engine(&machine.cancel).await.ok()?;
    let looked = container::look(engine, std::iter::once(service), &machine.cancel).await.ok()?;
    Some(word::shows(looked.get(name)?, step, resource))
}
