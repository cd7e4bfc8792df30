//! What an interrupted campaign still has to do. Pure.

use std::collections::HashSet;

use super::plan::{Plan, Run};
use crate::record::{RecordedRun, RunState};

/// The runs that were never tried or were cut off, in the plan's order.
///
/// A run that failed is done: its outcome is known. One that was running when lem was killed is
/// not: nobody saw its end.
pub(crate) fn missing(plan: &Plan, recorded: &[RecordedRun]) -> Vec<Run> {
    let done: HashSet<u32> = recorded
        .iter()
        .filter(|run| matches!(run.state, RunState::Completed | RunState::Failed))
        .map(|run| run.position)
        .collect();
    plan.runs.iter().filter(|run| !done.contains(&run.position)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::file::Structure;
    use crate::campaign::plan::{Axes, identify};
    use std::time::Duration;

    #[test]
    fn exactly_what_has_no_known_outcome_is_missing() {
        let config = serde_json::Map::new();
        let experiments = identify(vec![(Some("a".into()), config, Axes::new())]);
        let runs = Plan::order(&experiments, 5, Structure::Interleaved, None);
        let plan = Plan {
            experiments,
            runs,
            cycles: 5,
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
            .map(|(position, state)| RecordedRun {
                position,
                run: String::new(),
                name: String::new(),
                state,
                verdict: None,
                attempts: 1,
                seconds: None,
                command_seconds: None,
                has_result: false,
            })
            .collect();
        let positions: Vec<u32> = missing(&plan, &recorded).iter().map(|r| r.position).collect();
        assert_eq!(positions, [3, 4, 5]);
    }
}
