//! `--join`: somebody does the very same, so its result is taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::error::OperationError;
use crate::cancel::Cancel;
use crate::cli::{exit, render};
use crate::coordination::agent::Agent;
use crate::coordination::error::{CoordinationError, Met};
use crate::coordination::operation::{Operation, State};

/// Even if nothing is heard: an owner that is dead says nothing.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until the one that was met has ended, at most so long; its result is the exit code.
pub(super) async fn join(
    agent: &Arc<Agent>,
    met: &Met,
    holder: &Operation,
    wait: Duration,
    cancel: &Cancel,
    document: &mut Value,
) -> Result<u8, OperationError> {
    let id = holder.id;
    render::say(&format!("joins operation {id} ({}, {})", holder.what, holder.agent));
    let begun = Instant::now();
    let ended = loop {
        let looking = agent.call(move |ledger, _| {
            ledger.reclaim()?;
            ledger.operation(id)
        });
        match looking.await? {
            None => return Err(CoordinationError::NoOperation { id }.into()),
            Some(operation) if operation.state.is_over() => break operation,
            Some(_) => {}
        }
        let left = wait.saturating_sub(begun.elapsed());
        if left.is_zero() {
            let (blocked, waited) = (Box::new(met.clone()), begun.elapsed());
            return Err(CoordinationError::Expired { blocked, waited }.into());
        }
        tokio::select! {
            () = sleep(LOOK.min(left)) => {}
            signal = cancel.raised() => return Err(OperationError::Cancelled { signal }),
        }
    };
    document["joined"] = json!(id);
    document["state"] = json!(ended.state);
    document["waited_s"] = json!(begun.elapsed().as_secs_f64());
    if ended.state == State::Done {
        return Ok(exit::DONE);
    }
    let why = ended.note.map_or(String::new(), |note| format!(": {note}"));
    render::say(&format!("error: operation {id} was joined, and is {}{why}", ended.state.word()));
    Ok(exit::FAILED)
}
