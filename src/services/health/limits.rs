//! How long a service may still take to become healthy.

use std::time::{Duration, Instant};

use super::Owner;
use crate::services::error::Limit;
use crate::services::service::Health;

/// With `stall_timeout`, a service that goes on talking may take so long, or `timeout` if that is
/// longer: some talk for ever, and many write a line for each probe.
pub(super) const TALKING: Duration = Duration::from_secs(3600);
/// How often it is looked whether the service said anything: between these, by the stall's length.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The limits of one wait, from the first probe on.
pub(super) struct Limits {
    since: Instant,
    timeout: Duration,
    max_attempts: Option<u32>,
    stall: Option<Stall>,
}

struct Stall {
    limit: Duration,
    said: u64,
    grown: Instant,
    looked: Instant,
}

/// The longest that one start may take to become healthy.
pub(crate) fn longest(health: &Health) -> Duration {
    health.warm_time.saturating_add(timeout(health))
}

fn timeout(health: &Health) -> Duration {
    match health.stall_timeout {
        Some(_) => health.timeout.max(TALKING),
        None => health.timeout,
    }
}

impl Limits {
    /// The clock starts.
    pub(super) async fn start(health: &Health, owner: &impl Owner) -> Self {
        let since = Instant::now();
        let said = match health.stall_timeout {
            Some(_) => said(owner).await,
            None => None,
        };
        let stall = health.stall_timeout.zip(said).map(|(limit, said)| Stall {
            limit,
            said,
            grown: since,
            looked: since,
        });
        Self { since, timeout: health.timeout, max_attempts: health.max_attempts, stall }
    }

    /// Until nothing can be waited for any more, whatever is said.
    pub(super) fn end(&self) -> Duration {
        match self.stall {
            Some(_) => self.timeout.max(TALKING),
            None => self.timeout,
        }
        .saturating_sub(self.since.elapsed())
    }

    /// What is left for the next attempt.
    ///
    /// # Errors
    /// Nothing, because of this limit.
    pub(super) async fn left(
        &mut self,
        owner: &impl Owner,
        attempts: u32,
    ) -> Result<Duration, Limit> {
        if self.max_attempts.is_some_and(|most| attempts >= most) {
            return Err(Limit::Attempts);
        }
        let end = self.end();
        if end.is_zero() {
            return Err(Limit::Timeout);
        }
        let Some(stall) = &mut self.stall else { return Ok(end) };
        let pace = (stall.limit / 20).clamp(LOOKS.0, LOOKS.1);
        if stall.looked.elapsed() >= pace || stall.grown.elapsed() >= stall.limit {
            // What is said while it is looked counts at the next look.
            stall.looked = Instant::now();
            match said(owner).await {
                // Less than before: a log that was rotated.
                Some(said) if said != stall.said => {
                    (stall.said, stall.grown) = (said, stall.looked);
                }
                _ => {}
            }
        }
        match stall.limit.saturating_sub(stall.grown.elapsed()) {
            Duration::ZERO => Err(Limit::Stall),
            left => Ok(left.min(end)),
        }
    }
}

/// A look at the output that takes long is none.
async fn said(owner: &impl Owner) -> Option<u64> {
    tokio::time::timeout(LOOKS.1, owner.said()).await.ok().flatten()
}
