//! How long a campaign will still take, from what its runs and pauses have taken so far. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::record::{RunState, SeenRun};

/// The time from `now` to the end of the last run; unknown until one run has ended.
///
/// Runs are expected to take as long as those of their experiment, pauses as long as those of their
/// kind. The middle of what was measured counts, not the mean: a night between an interruption
/// and a resume is no pause.
pub(crate) fn remaining(runs: &[SeenRun], now: Timestamp) -> Option<Duration> {
    let of_any = middle(runs.iter().filter_map(measured).collect())?;
    let expected = |run: &SeenRun| {
        let same = runs.iter().filter(|other| other.name == run.name);
        middle(same.filter_map(measured).collect()).unwrap_or(of_any)
    };
    let mut left = 0.0;
    for (index, run) in runs.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| &runs[index]);
        match run.state {
            RunState::Completed | RunState::Failed => {}
            RunState::Running => {
                left += (expected(run) - since(run.started_at.as_deref(), now)).max(0.0);
            }
            RunState::Pending | RunState::Interrupted => {
                let pause = before.map_or(0.0, |before| pause(runs, before, run));
                let passed = match before.map(|before| (before.state, &before.ended_at)) {
                    Some((RunState::Completed | RunState::Failed, ended)) => {
                        since(ended.as_deref(), now)
                    }
                    _ => 0.0,
                };
                left += (pause - passed).max(0.0) + expected(run);
            }
        }
    }
    Duration::try_from_secs_f64(left).ok()
}

/// The time of a run whose end is known, in seconds.
fn measured(run: &SeenRun) -> Option<f64> {
    let ended = matches!(run.state, RunState::Completed | RunState::Failed);
    run.seconds.filter(|seconds| ended && seconds.is_finite())
}

/// The pause to be expected between two runs: as within a cycle, or as between cycles.
fn pause(runs: &[SeenRun], before: &SeenRun, after: &SeenRun) -> f64 {
    let between = |same_cycle: Option<bool>| {
        let pairs = runs
            .windows(2)
            .filter(|pair| same_cycle.is_none_or(|same| (pair[0].cycle == pair[1].cycle) == same));
        let pauses = pairs.filter_map(|pair| {
            let ended = time(pair[0].ended_at.as_deref()?)?;
            let seconds = seconds(ended, time(pair[1].started_at.as_deref()?)?);
            (seconds >= 0.0).then_some(seconds)
        });
        middle(pauses.collect())
    };
    let same_cycle = before.cycle == after.cycle;
    between(Some(same_cycle)).or_else(|| between(None)).unwrap_or(0.0)
}

fn middle(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

fn since(moment: Option<&str>, now: Timestamp) -> f64 {
    moment.and_then(time).map_or(0.0, |moment| seconds(moment, now).max(0.0))
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(position: u32, cycle: u32, state: RunState, times: [&str; 2], seconds: f64) -> SeenRun {
        let moment = |time: &str| (!time.is_empty()).then(|| format!("2026-01-01T{time}Z"));
        SeenRun {
            position,
            run: String::new(),
            name: if position % 2 == 1 { "a" } else { "b" }.to_owned(),
            cycle,
            state,
            verdict: None,
            attempts: 1,
            started_at: moment(times[0]),
            ended_at: moment(times[1]),
            seconds: (seconds > 0.0).then_some(seconds),
        }
    }

    #[test]
    fn what_is_left_is_expected_to_take_what_it_took_before() {
        use RunState::{Completed, Pending, Running};
        let mut runs = vec![
            run(1, 1, Completed, ["00:00:00", "00:01:00"], 60.0),
            run(2, 1, Completed, ["00:01:10", "00:01:40"], 30.0),
            run(3, 2, Running, ["00:03:20", ""], 0.0),
            run(4, 2, Pending, ["", ""], 0.0),
        ];
        let left = |runs: &[SeenRun], now: &str| {
            let now = format!("2026-01-01T{now}Z").parse().unwrap();
            remaining(runs, now).map(|left| left.as_secs())
        };
        // 40 s of the third, a pause of 10 s within the cycle, 30 s of the fourth.
        assert_eq!(left(&runs, "00:03:40"), Some(80));
        assert_eq!(left(&runs, "00:09:00"), Some(40), "overdue is not negative");
        runs[2].state = Pending;
        // No pause between cycles is known, so the one within a cycle counts, 4 s of it gone.
        runs[2].started_at = None;
        assert_eq!(left(&runs, "00:01:44"), Some(6 + 60 + 10 + 30));
        runs[0].state = RunState::Interrupted;
        runs[1].state = Pending;
        assert_eq!(left(&runs, "00:01:44"), None);
    }
}
