//! Whether a container that broke is started again, and when. Pure.
//!
//! 2026-11-21: only what broke, or was left half done by an operation that was lost. What somebody
//! stopped stays stopped, with lem or without: who stops a container means it. Three tries in a
//! row; a run that lasted ends the row, so that one a month is not the fourth of a year.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::kind::Kind;
use super::operation::{Operation, State};

/// Who starts containers again.
pub(crate) const AGENT: &str = "lem-recover";
/// How long after it broke, for each try.
const PAUSES: [SignedDuration; 3] =
    [SignedDuration::from_secs(10), SignedDuration::from_secs(30), SignedDuration::from_secs(90)];
/// Not so soon after anybody's operation.
const QUIET: SignedDuration = SignedDuration::from_secs(30);
/// A run that was no part of the trouble.
const LASTED: SignedDuration = SignedDuration::from_mins(10);
/// What has been down for longer is meant to be.
const LONG_AGO: SignedDuration = SignedDuration::from_hours(24);

/// Tries in a row.
pub(crate) const TRIES: usize = PAUSES.len();

/// A container, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    /// Whether it runs, or is about to by itself.
    pub runs: bool,
    /// Why it counts as broken; none where it was stopped, or never ran.
    pub fault: Option<&'a str>,
    /// Its last run.
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Whether somebody acts on it or on what it needs, or waits to.
    pub is_busy: bool,
    /// What was done to it lately, newest first.
    pub lately: &'a [Operation],
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// It is well, or it is not ours to mend, or somebody is at it.
    Leave,
    /// Not before then.
    Later { at: Timestamp },
    /// The try of this number, from 1.
    Start { number: usize, why: String },
    /// It was tried, and does not help.
    NeedsAttention { why: String },
}

/// Decides on a container.
pub(crate) fn remedy(case: &Case<'_>, now: Timestamp) -> Remedy {
    let changes: Vec<&Operation> = case.lately.iter().filter(|it| has_changed(it)).collect();
    let newest = changes.first();
    let cut_off = newest.filter(|it| it.state == State::Lost);
    let why = match (case.fault, cut_off) {
        (Some(fault), _) => fault.to_owned(),
        (None, Some(operation)) => format!("{} was lost", operation.what),
        (None, None) => return Remedy::Leave,
    };
    let is_stopped = newest.is_some_and(|it| it.kind() == Some(Kind::Stop));
    if case.runs || case.is_busy || is_stopped {
        return Remedy::Leave;
    }
    let changed_at = newest.and_then(|it| it.ended_at);
    let Some(since) = case.finished_at.max(changed_at) else { return Remedy::Leave };
    if now.duration_since(since) > LONG_AGO {
        return Remedy::Leave;
    }
    let tries = tries(case, &changes);
    let Some(pause) = PAUSES.get(tries) else { return Remedy::NeedsAttention { why } };
    let quiet = changed_at.map(|at| after(at, QUIET));
    let at = quiet.into_iter().fold(after(since, *pause), Timestamp::max);
    if now < at { Remedy::Later { at } } else { Remedy::Start { number: tries + 1, why } }
}

/// Whether it did something to the container, and is over.
fn has_changed(operation: &Operation) -> bool {
    let changes = matches!(
        operation.kind(),
        Some(Kind::Stop | Kind::Start | Kind::Restart | Kind::Deploy | Kind::Scale)
    );
    changes && operation.state.is_over() && operation.started_at.is_some()
}

/// How often it was tried in a row, up to now.
fn tries(case: &Case<'_>, changes: &[&Operation]) -> usize {
    let lasted = |from: Timestamp, to: Timestamp| to.duration_since(from) >= LASTED;
    let mut later: Option<Timestamp> = None;
    let mut tries = 0;
    for own in changes.iter().take_while(|it| it.agent == AGENT) {
        let (Some(begun), Some(ended)) = (own.started_at, own.ended_at) else { break };
        let in_between = match later {
            Some(later) => lasted(ended, later),
            None => match (case.started_at, case.finished_at) {
                (Some(from), Some(to)) => from >= begun && lasted(from, to),
                _ => false,
            },
        };
        if in_between {
            break;
        }
        (later, tries) = (Some(begun), tries + 1);
    }
    tries
}

fn after(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.saturating_add(time).unwrap_or(Timestamp::MAX)
}

/// How long to wait until then.
pub(crate) fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::forecast::tests::operation;

    const NOW: i64 = 1_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// One that ended so many seconds ago.
    fn done(agent: &str, kind: Kind, ago: i64, state: State) -> Operation {
        let mut it = operation(1, kind, "api", state);
        agent.clone_into(&mut it.agent);
        it.started_at = Some(at(NOW - ago - 1));
        it.ended_at = Some(at(NOW - ago));
        it
    }

    fn tried(ago: i64) -> Operation {
        done(AGENT, Kind::Start, ago, State::Done)
    }

    /// One that ran for so long and broke so many seconds ago.
    fn broken(ran: i64, ago: i64, lately: &[Operation]) -> Case<'_> {
        Case {
            runs: false,
            fault: Some("it ended with exit code 3"),
            started_at: Some(at(NOW - ago - ran)),
            finished_at: Some(at(NOW - ago)),
            is_busy: false,
            lately,
        }
    }

    fn word(case: &Case<'_>) -> String {
        match remedy(case, at(NOW)) {
            Remedy::Leave => "leave".to_owned(),
            Remedy::Later { at } => format!("in {}", at.as_second() - NOW),
            Remedy::Start { number, .. } => format!("try {number}"),
            Remedy::NeedsAttention { .. } => "needs attention".to_owned(),
        }
    }

    #[test]
    fn what_broke_is_tried_three_times_with_longer_and_longer_pauses() {
        assert_eq!(word(&broken(5, 4, &[])), "in 6");
        assert_eq!(word(&broken(5, 10, &[])), "try 1");
        let one = [tried(12)];
        assert_eq!(word(&broken(5, 7, &one)), "in 23");
        let one = [tried(35)];
        assert_eq!(word(&broken(5, 30, &one)), "try 2");
        let two = [tried(35), tried(80)];
        assert_eq!(word(&broken(5, 30, &two)), "in 60");
        let three = [tried(3_000), tried(3_100), tried(3_150)];
        assert_eq!(word(&broken(5, 2_995, &three)), "needs attention");
        // Time alone does not help it.
        assert_eq!(word(&broken(5, 40_000, &[tried(40_005), tried(40_100), tried(40_150)])), {
            "needs attention"
        });
    }

    #[test]
    fn a_run_that_lasted_ends_the_row() {
        let three = [tried(3_000), tried(3_100), tried(3_150)];
        assert_eq!(word(&broken(2_900, 99, &three)), "try 1");
        let apart = [tried(100), tried(20_000), tried(20_100)];
        assert_eq!(word(&broken(5, 95, &apart)), "try 2");
    }

    #[test]
    fn what_somebody_stopped_stays_stopped() {
        for state in [State::Done, State::Failed, State::Lost] {
            let stop = [done("ci", Kind::Stop, 100, state)];
            assert_eq!(word(&broken(5, 100, &stop)), "leave", "{state:?}");
        }
        // Without lem: nothing is broken about it.
        let stopped = Case { fault: None, ..broken(5, 100, &[]) };
        assert_eq!(word(&stopped), "leave");
        let begun_again =
            [done("ci", Kind::Start, 100, State::Done), done("ci", Kind::Stop, 200, State::Done)];
        assert_eq!(word(&broken(5, 50, &begun_again)), "try 1");
        // A stop that never began stops nothing.
        let mut refused = done("ci", Kind::Stop, 100, State::Rejected);
        refused.started_at = None;
        assert_eq!(word(&broken(5, 100, &[refused])), "try 1");
    }

    #[test]
    fn what_a_lost_operation_left_behind_is_started_and_a_lost_stop_is_not() {
        let lost = [done("ci", Kind::Restart, 40, State::Lost)];
        let case = Case { fault: None, ..broken(5, 41, &lost) };
        assert_eq!(word(&case), "try 1");
        assert_eq!(word(&Case { runs: true, ..case }), "leave");
        let stop = [done("ci", Kind::Stop, 40, State::Lost)];
        assert_eq!(word(&Case { lately: &stop, ..case }), "leave");
    }

    #[test]
    fn nobody_is_disturbed() {
        assert_eq!(word(&Case { is_busy: true, ..broken(5, 100, &[]) }), "leave");
        assert_eq!(word(&Case { runs: true, ..broken(5, 100, &[]) }), "leave");
        let restart = [done("ci", Kind::Restart, 12, State::Failed)];
        assert_eq!(word(&broken(5, 12, &restart)), "in 18");
        assert_eq!(word(&broken(5, 90_000, &[])), "leave");
    }
}
