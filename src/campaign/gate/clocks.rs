//! How long a run has waited for what. Each cause has its own limit and its own beginning.

use std::time::{Duration, Instant};

use super::obstacle::Obstacle;
use super::sight::View;
use crate::campaign::file::HealthCheck;
use crate::gpu::error::GpuError;

/// Since when each cause stands, without a break.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    full: Option<Instant>,
    warm: Option<Instant>,
    unseen: Option<Instant>,
    /// The failure will not pass by itself.
    hopeless: bool,
}

/// Which wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Memory,
    Cooling,
    Sight,
}

impl Clocks {
    /// Starts the clocks of the causes that are seen, and stops the others.
    pub(super) fn note(&mut self, view: &View) {
        let now = Instant::now();
        let run = |clock: &mut Option<Instant>, stands: bool| {
            *clock = stands.then(|| clock.unwrap_or(now));
        };
        match view {
            View::Obstacles(found) => {
                run(&mut self.full, found.iter().any(Obstacle::is_memory));
                run(&mut self.warm, found.iter().any(|obstacle| !obstacle.is_memory()));
                run(&mut self.unseen, false);
            }
            View::Unseen(error) => {
                run(&mut self.unseen, true);
                self.hopeless = !may_pass(error);
            }
        }
    }

    /// The memory is waited for anew.
    pub(super) fn again(&mut self) {
        self.full = None;
    }

    /// The wait that is over, if one is. Memory comes first: without it a run can't even start.
    pub(super) fn over(&self, check: &HealthCheck) -> Option<Over> {
        let past = |clock: Option<Instant>, limit: Duration| {
            clock.is_some_and(|since| since.elapsed() >= limit)
        };
        if self.unseen.is_some() {
            return (self.hopeless || past(self.unseen, check.wait.0)).then_some(Over::Sight);
        }
        match self.full {
            Some(_) => past(self.full, check.wait.0).then_some(Over::Memory),
            None => past(self.warm, check.max_cooldown.0).then_some(Over::Cooling),
        }
    }
}

/// A driver that is reloaded, and a GPU that is reset, come back.
fn may_pass(error: &GpuError) -> bool {
    match error {
        GpuError::NoDriver
        | GpuError::NoGpu
        | GpuError::Lost { .. }
        | GpuError::Failed { .. }
        | GpuError::Unread { .. }
        | GpuError::Unexpected { .. } => true,
        GpuError::NoLibrary { .. }
        | GpuError::VersionMismatch
        | GpuError::NoPermission
        | GpuError::Hidden { .. }
        | GpuError::TooOld { .. }
        // It was waited for long enough.
        | GpuError::Hung { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::Time;

    const HOT: Obstacle = Obstacle::Temperature { gpu: 0, celsius: 90, limit_celsius: 50 };
    const FULL: Obstacle = Obstacle::Memory { gpu: 0, used_mib: 2, limit_mib: 1, holders: None };

    fn check(wait: u64, cooldown: u64) -> HealthCheck {
        let (wait, max_cooldown) = (Time::seconds(wait), Time::seconds(cooldown));
        HealthCheck { wait, max_cooldown, ..HealthCheck::default() }
    }

    #[test]
    fn each_cause_has_its_own_limit() {
        for (found, wait, cooldown, over) in [
            (vec![FULL], 0, 900, Some(Over::Memory)),
            (vec![FULL], 900, 0, None),
            (vec![HOT], 0, 900, None),
            (vec![HOT], 900, 0, Some(Over::Cooling)),
            // A GPU that is full too is waited for, however long it has been hot.
            (vec![HOT, FULL], 900, 0, None),
            (vec![HOT, FULL], 0, 0, Some(Over::Memory)),
            (vec![], 0, 0, None),
        ] {
            let mut clocks = Clocks::default();
            clocks.note(&View::Obstacles(found.clone()));
            assert_eq!(clocks.over(&check(wait, cooldown)), over, "{found:?}");
        }
    }

    #[test]
    fn what_will_not_pass_is_not_waited_for() {
        for (error, over) in
            [(GpuError::NoDriver, None), (GpuError::VersionMismatch, Some(Over::Sight))]
        {
            let mut clocks = Clocks::default();
            clocks.note(&View::Unseen(error));
            assert_eq!(clocks.over(&check(900, 900)), over);
        }
    }
}
