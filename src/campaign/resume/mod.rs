//! What a campaign still has to do. Pure.

pub(crate) mod basis;
pub(crate) mod drift;
pub(crate) mod found;
pub(crate) mod manifest;
pub(crate) mod repair;
pub(crate) mod select;
pub(crate) mod unseen;

use std::collections::{HashMap, HashSet};

use crate::campaign::plan::{Plan, Run};
use crate::record::{RecordedRun, RunState};

/// What becomes of runs that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failures {
    /// They are done: their outcome is known.
    Stay,
    /// They are tried once more.
    Again,
}

/// The runs that were never tried or were cut off, in the plan's order.
///
/// One that was running when lem was killed is not done: nobody saw its end.
pub(crate) fn missing(plan: &Plan, recorded: &[RecordedRun], failures: Failures) -> Vec<Run> {
    let states: HashMap<u32, RunState> =
        recorded.iter().map(|run| (run.position, run.state)).collect();
    let missing = |run: &&Run| match (states.get(&run.position), failures) {
        (Some(RunState::Completed), _) | (Some(RunState::Failed), Failures::Stay) => false,
        (Some(RunState::Failed), Failures::Again)
        | (Some(RunState::Pending | RunState::Running | RunState::Interrupted) | None, _) => true,
    };
    plan.runs.iter().filter(missing).copied().collect()
}

/// Those of `runs` that are chosen.
pub(crate) fn chosen(mut runs: Vec<Run>, positions: &HashSet<u32>) -> Vec<Run> {
    runs.retain(|run| positions.contains(&run.position));
    runs
}

/// How many of the runs that are `missing` at the end were not among those to `do`.
pub(crate) fn left_out(missing: &[Run], runs: &[Run]) -> usize {
    let positions: HashSet<u32> = runs.iter().map(|run| run.position).collect();
    missing.iter().filter(|run| !positions.contains(&run.position)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::file::Structure;
    use crate::campaign::plan::{Candidate, identify};
    use std::time::Duration;

    #[test]
    fn exactly_what_has_no_known_outcome_is_missing() {
        let experiments = identify(vec![Candidate::default()]);
        let runs = Plan::order(&experiments, 6, Structure::Interleaved, None);
        let plan = Plan {
            experiments,
            runs,
            cycles: 6,
            structure: Structure::Interleaved,
            seed: None,
            config_gap: Duration::ZERO,
            cycle_gap: Duration::ZERO,
        };
        let states = [
            RunState::Completed,
            RunState::Failed,
            RunState::Interrupted,
            RunState::Running,
            RunState::Pending,
        ];
        let recorded: Vec<RecordedRun> = (1..)
            .zip(states)
            .map(|(position, state)| RecordedRun { position, state, ..RecordedRun::pending() })
            .collect();
        let positions = |failures| -> Vec<u32> {
            missing(&plan, &recorded, failures).iter().map(|r| r.position).collect()
        };
        assert_eq!(positions(Failures::Stay), [3, 4, 5, 6]);
        assert_eq!(positions(Failures::Again), [2, 3, 4, 5, 6]);
        assert_eq!(chosen(plan.runs.clone(), &HashSet::from([6, 2])).len(), 2);
    }
}
