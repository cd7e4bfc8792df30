//! How long this process may believe that it has what it has, where a server tells others so.
//!
//! 2026-11-30: two thirds of the lease, counted from before it last asked the server to renew it:
//! others wait a third longer than the lease. What lies between is the time to end a command in, and
//! to spare. On a clock that runs on while the machine sleeps, since others do not sleep with it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::sleep;

use super::operation::millis;

/// Between two looks at a clock that may have run on without this process.
const LOOK: Duration = Duration::from_secs(1);

/// What is left of a lease, as its owner sees it.
#[derive(Debug)]
pub(crate) struct Trust {
    lease: Duration,
    /// In milliseconds since the machine booted.
    until: AtomicI64,
}

impl Trust {
    /// Of a lease that begins now.
    pub(crate) fn new(lease: Duration) -> Self {
        let trust = Self { lease, until: AtomicI64::new(0) };
        trust.renew(Self::now());
        trust
    }

    /// Now, for [`Self::renew`].
    pub(crate) fn now() -> i64 {
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |now| millis(Duration::from(now)))
    }

    /// The server renewed the lease; it was asked then, or a little later.
    pub(crate) fn renew(&self, asked: i64) {
        self.until.fetch_max(asked + millis(self.lease * 2 / 3), Ordering::AcqRel);
    }

    /// How often to renew it.
    pub(crate) fn pace(&self) -> Duration {
        self.lease / 3
    }

    /// How long nobody has been able to renew it, once there is nothing left of it.
    pub(crate) async fn is_over(&self) -> Duration {
        loop {
            let left = self.until.load(Ordering::Acquire) - Self::now();
            match u64::try_from(left) {
                Ok(left @ 1..) => sleep(LOOK.min(Duration::from_millis(left))).await,
                _ => return self.lease * 2 / 3,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_over_two_thirds_of_a_lease_after_it_was_last_renewed() {
        let trust = Trust::new(Duration::from_millis(300));
        let begun = Trust::now();
        trust.renew(begun + 100);
        // One that was asked for earlier says nothing new.
        trust.renew(begun);
        assert_eq!(trust.is_over().await, Duration::from_millis(200));
        assert!(Trust::now() >= begun + 300);
    }
}
