//! The wait of a campaign, as an event.

use crate::campaign::event::Event;
use crate::coordination::permit::Waiting;

/// What is waited for.
pub(super) fn event(waiting: &Waiting) -> Event {
    let holder = waiting.met.holder.as_ref();
    Event::TurnWaiting {
        operation: waiting.id.0,
        position: waiting.position,
        reason: waiting.met.reason.clone(),
        behind: holder.map(|it| it.id.0),
        what: holder.map(|it| it.what.clone()),
        agent: holder.map(|it| it.agent.clone()),
        since: holder.and_then(|it| it.started_at).map(|it| it.to_string()),
        expected_seconds: waiting.met.left.map(|it| it.as_secs_f64()),
    }
}
