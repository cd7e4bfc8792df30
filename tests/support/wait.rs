//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine, shorter than a person waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something.
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look)
}

/// Waits until `look` finds something, and fails at `limit`.
pub(crate) fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in {limit:?} not seen that {what}");
        // The machine has work to do meanwhile: what is waited for.
        std::thread::sleep(Duration::from_millis(20));
    }
}
