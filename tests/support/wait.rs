//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine, shorter than a person waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look)
}

/// Waits until `look` finds something, and fails at `limit`.
#[track_caller]
pub(crate) fn within<T>(limit: Duration, what: &str, look: impl FnMut() -> Option<T>) -> T {
    let found = until(limit, look);
    found.unwrap_or_else(|| panic!("in {limit:?} not seen that {what}"))
}

/// Waits until `look` finds something, or until `limit`.
pub(crate) fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        // The machine has work to do meanwhile: what is waited for.
        std::thread::sleep(Duration::from_millis(20));
    }
}
