//! The end of an operation, as the end of its command says.

use std::time::Duration;

use serde_json::{Value, json};

use super::attend::{Cause, Ended};
use super::error::OperationError;
use crate::cli::{exit, render};
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Ending;
use crate::coordination::operation::{OperationId, State};
use crate::coordination::permit::{Disturbance, Permit};
use crate::duration::human;
use crate::engine::process::Exit;

/// Ends the operation, and says lem's exit code.
pub(in crate::cli) async fn conclude(
    permit: Permit,
    what: &str,
    ended: &Ended,
    limit: Duration,
    document: &mut Value,
) -> Result<u8, OperationError> {
    let id = permit.id;
    let code = match ended.exit {
        Exit::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Exit::Signal(signal) => 128_u8.saturating_add(u8::try_from(signal).unwrap_or(0)),
    };
    let (state, note) = match &ended.cause {
        Some(Cause::TookTooLong) => {
            (State::TimedOut, Some(format!("it took longer than {}", human(limit))))
        }
        Some(Cause::Disturbed(Disturbance::Cancelled { why })) => {
            (State::Cancelled, Some(why.clone()))
        }
        Some(Cause::Disturbed(Disturbance::TakenAway { why })) => {
            document["state"] = json!(State::Lost);
            return Err(CoordinationError::TakenAway { id, why: why.clone() }.into());
        }
        Some(Cause::Disturbed(Disturbance::Unheard { silent })) => {
            (State::Failed, Some(format!("the ledger could not be reached for {}", human(*silent))))
        }
        // A command that a signal does not end has done what it was asked to.
        Some(Cause::Interrupted(signal)) if code == 0 => {
            (State::Done, Some(format!("in spite of {signal}")))
        }
        Some(Cause::Interrupted(signal)) => (State::Cancelled, Some(format!("by {signal}"))),
        None if code == 0 => (State::Done, None),
        None => (State::Failed, Some(ended.exit.to_string())),
    };
    document["state"] = json!(state);
    let ending = Ending { state, exit_code: Some(i32::from(code)), note };
    if let Some(Cause::Disturbed(Disturbance::Unheard { silent })) = &ended.cause {
        // It may be so well that it can be told now; who can't be told sees the lease run out.
        if let Ok(told) = tokio::time::timeout(*silent / 2, permit.leave(ending)).await {
            noted(id, told);
        }
    } else if matches!(ended.exit, Exit::Signal(_)) || (ended.cause.is_some() && code != 0) {
        // Whoever was ended may have told the engine something that it goes on with.
        noted(id, permit.leave(ending).await);
    } else {
        noted(id, permit.end(ending).await);
    }
    match &ended.cause {
        Some(Cause::TookTooLong) => {
            let limit = human(limit);
            render::say(&format!("error: operation {id} ({what}) took longer than {limit}"));
            render::say("hint: give it longer: `--timeout 30m`");
            Ok(exit::TIME_LIMIT)
        }
        Some(Cause::Disturbed(disturbance)) => Err(disturbance.clone().error(id).into()),
        _ => Ok(code),
    }
}

/// What the ledger did not get to know. The command has run, and its exit code is what counts:
/// who does it again because of a full disk does it twice.
fn noted(id: OperationId, ended: Result<(), CoordinationError>) {
    if let Err(error) = ended {
        let error = render::with_causes(&error);
        render::say(&format!("warning: the end of operation {id} is not noted: {error}"));
    }
}
