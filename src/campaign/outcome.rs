//! What the record says of a try that ended. Pure.

use std::path::Path;

use super::runner::now;
use super::verdict::Verdict;
use super::watch::Observed;
use crate::engine::process::Exit;
use crate::record::{Outcome, RunState};

/// The outcome of a try; `retried`: another one follows.
pub(super) fn outcome(
    verdict: Verdict,
    observed: &Observed,
    result: Option<&Path>,
    retried: bool,
) -> Outcome {
    let state = match verdict {
        Verdict::Completed => RunState::Completed,
        // Should lem be killed before the next try, a resume does it.
        _ if retried => RunState::Interrupted,
        // What became of it is not known, so a resume does it again.
        Verdict::Interrupted | Verdict::EngineLost => RunState::Interrupted,
        _ => RunState::Failed,
    };
    let of_client = match observed.exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
    };
    let of_command = observed.ended.as_ref().and_then(|ended| {
        ended.exit_code.or(ended.signal.map(|signal| 128_i32.saturating_add(signal)))
    });
    Outcome {
        state,
        verdict: verdict.word().to_owned(),
        exit_code: (!observed.is_kept_out()).then(|| of_command.unwrap_or(of_client)),
        ended_at: now(),
        seconds: observed.elapsed.as_secs_f64(),
        command_seconds: observed.ended.as_ref().map(|ended| ended.wall_seconds),
        gap_seconds: None,
        gate_seconds: None,
        idle_seconds: None,
        result: result.map(|path| path.to_string_lossy().into_owned()),
    }
}
