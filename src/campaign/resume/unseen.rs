//! Runs whose end nobody wrote down, because the lem that saw to them was killed: what their
//! folders prove is not done again.

use std::path::Path;
use std::time::{Duration, Instant};

use super::found::{self, FoundRun, Required};
use super::repair::Learnt;
use crate::campaign::settings::Settings;
use crate::campaign::verdict::Verdict;
use crate::inner::mark::{ENDED_FILE, STARTED_FILE};
use crate::record::{RecordedRun, RunState};

/// A run outlives its lem for a moment, and says at its end how it ended.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// The outcomes of recorded runs that only their folders know.
pub(crate) fn unseen(
    instance: &str,
    recorded: &[RecordedRun],
    results: &Path,
    settings: &Settings,
) -> Vec<Learnt> {
    let required = if settings.require_result { Required::Yes } else { Required::No };
    let deadline = Instant::now() + LAST_MOMENT;
    let learnt = |run: &RecordedRun| {
        if !is_unseen(run) {
            return None;
        }
        let folder = results.join(&run.run);
        if run.state == RunState::Running {
            wait_for_end(&folder, deadline);
        }
        let found = found::read(&folder, required).filter(|found| is_same_try(found, run))?;
        let outcome = found.outcome?;
        let again = |verdict: &Verdict| verdict.word() == outcome.verdict;
        let may_be_retried = run.attempts < settings.retry.max_attempts;
        if may_be_retried && settings.retry.on.iter().any(again) {
            return None;
        }
        Some(Learnt::of(instance, run, outcome))
    };
    recorded.iter().filter_map(learnt).collect()
}

/// Whether nobody has judged the run's last try. One that was stopped may have ended by itself in
/// the same moment; one that waits for its next try was judged.
fn is_unseen(run: &RecordedRun) -> bool {
    let judged = |verdict: &str| {
        ![Verdict::Interrupted, Verdict::EngineLost].iter().any(|it| it.word() == verdict)
    };
    match run.state {
        RunState::Running => true,
        RunState::Interrupted => !run.verdict.as_deref().is_some_and(judged),
        RunState::Pending | RunState::Completed | RunState::Failed => false,
    }
}

/// Whether the folder speaks of the try that the record knows as the last one: lem may have been
/// killed after it wrote that a try begins, and before it put the marks of the one before aside.
fn is_same_try(found: &FoundRun, run: &RecordedRun) -> bool {
    found
        .facts
        .as_ref()
        .is_some_and(|facts| facts.attempt == run.attempts && facts.experiment_id == run.experiment)
}

fn wait_for_end(folder: &Path, deadline: Instant) {
    let goes_on = || folder.join(STARTED_FILE).exists() && !folder.join(ENDED_FILE).exists();
    while goes_on() && Instant::now() < deadline {
        std::thread::park_timeout(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_whose_end_nobody_judged_is_looked_at() {
        for (state, verdict, unseen) in [
            (RunState::Running, None, true),
            (RunState::Running, Some("timed_out"), true),
            (RunState::Interrupted, None, true),
            (RunState::Interrupted, Some("interrupted"), true),
            (RunState::Interrupted, Some("engine_lost"), true),
            // It waits for its next try.
            (RunState::Interrupted, Some("timed_out"), false),
            (RunState::Pending, None, false),
            (RunState::Completed, Some("completed"), false),
            (RunState::Failed, Some("failed"), false),
        ] {
            let verdict = verdict.map(str::to_owned);
            let run = RecordedRun { state, verdict, ..RecordedRun::pending() };
            assert_eq!(is_unseen(&run), unseen, "{run:?}");
        }
    }
}
