//! Memory of the dead: it is used, nobody holds it, and it comes back a moment later.

use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::services::error::ServiceError;
use crate::services::memory::card::{Cards, Sight};

/// How long memory that nobody holds is waited for before a service counts as too large. Mostly it
/// is what a service had that somebody stopped a moment ago, and back within a second or two.
const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether what does not fit would, if only those held memory of whom somebody knows.
pub(super) fn are_in_the_way(error: &ServiceError, cards: &Cards) -> bool {
    let ServiceError::DoesNotFit { need, headroom, gpu, blockers, .. } = error else {
        return false;
    };
    let card = cards.all.iter().find(|card| card.shown == *gpu || card.key == *gpu);
    let Some(amounts) = card.and_then(|card| card.memory) else { return false };
    let held: Option<u64> = blockers.iter().map(|it| it.memory.map(|memory| memory.0)).sum();
    let wanted = need.0.saturating_add(headroom.0);
    cards.sight == Sight::Measured
        && held.is_some_and(|held| wanted <= amounts.total.0.saturating_sub(held))
}

/// A moment, after which it may be there; the error, once it was waited for since long ago.
pub(super) async fn wait(
    since: Instant,
    error: ServiceError,
    cancel: &Cancel,
) -> Result<(), ServiceError> {
    if since.elapsed() >= LIMIT {
        return Err(error);
    }
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => Ok(()),
        signal = cancel.raised() => Err(ServiceError::Cancelled { signal }),
    }
}
