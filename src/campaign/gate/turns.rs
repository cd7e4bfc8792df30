//! Before which runs the GPUs are looked at. Pure.

use crate::campaign::plan::Run;

/// Counts the runs of an execution.
#[derive(Debug)]
pub(super) struct Turns {
    interval: u32,
    seen: u32,
    last: Option<Run>,
}

impl Turns {
    /// Before every `interval`th run, or with 0 before the first one of each cycle.
    pub(super) fn new(interval: u32) -> Self {
        Self { interval, seen: 0, last: None }
    }

    /// Whether this run is one of them. Another try always is: something went wrong in the last.
    pub(super) fn due(&mut self, run: Run) -> bool {
        let last = self.last.replace(run);
        if last.is_some_and(|last| last.position == run.position) {
            return true;
        }
        let count = self.seen;
        self.seen = self.seen.wrapping_add(1);
        match self.interval {
            0 => last.is_none_or(|last| last.cycle != run.cycle),
            interval => count.is_multiple_of(interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(interval: u32, runs: &[(u32, u32)]) -> Vec<bool> {
        let mut turns = Turns::new(interval);
        let runs = runs.iter().map(|(position, cycle)| Run {
            position: *position,
            cycle: *cycle,
            experiment: 0,
        });
        runs.map(|run| turns.due(run)).collect()
    }

    #[test]
    fn it_is_every_nth_runs_turn_or_the_first_of_each_cycle() {
        let runs = [(1, 1), (2, 1), (3, 2), (4, 2), (5, 2)];
        assert_eq!(due(1, &runs), [true; 5]);
        assert_eq!(due(2, &runs), [true, false, true, false, true]);
        assert_eq!(due(0, &runs), [true, false, true, false, false]);
    }

    #[test]
    fn another_try_is_always_looked_at_and_counts_no_further() {
        assert_eq!(due(2, &[(1, 1), (2, 1), (2, 1), (3, 1)]), [true, false, true, true]);
    }
}
