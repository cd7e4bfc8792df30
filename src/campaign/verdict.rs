//! What became of a run. Pure: evidence in, one word out.
//!
//! No exit code is trusted alone: 1 from `compose run` has four meanings and 137 five. The inner
//! lem's marks say whether the command began and how it ended; the engine says who was killed for
//! memory; only then does the client's exit code count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::strategy::disturbance::Disturbance;
use crate::engine::error::speaks_of_an_outage;
use crate::engine::process::Exit;
use crate::inner::mark::{EndReason, EndedMark};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Exit code 0, and a result where one is required.
    Completed,
    /// The command's own failure.
    Failed,
    /// The command never began.
    NotStarted,
    /// Exit code 0 without the result that was required.
    NoResult,
    /// The kernel ended it for lack of memory.
    OomKilled,
    /// Something else ended it by a signal.
    Killed,
    /// The command does not exist in the container.
    NotFound,
    /// The command exists and can't be executed.
    NotExecutable,
    ImageMissing,
    /// The engine went away: what became of the run is not known.
    EngineLost,
    TimedOut,
    /// It said nothing for as long as `idle_timeout`.
    Idle,
    /// The container lost the GPU.
    GpuLost,
    /// Others kept the GPU full, so it was not started.
    GpuBusy,
    /// The user ended it.
    Interrupted,
}

/// Why lem itself ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    User,
    TimeLimit,
    /// It said nothing for too long.
    Silence,
    /// No sign of the command within the start limit.
    NoStart,
    /// It was over, and its client did not notice.
    DeafClient,
    /// It said nothing, and the engine does not answer.
    EngineHangs,
    /// Somebody else did something to its container.
    Disturbed(Disturbance),
    /// A GPU was not free, so it was not started.
    NotFree,
    /// A GPU was gone, so it was not started.
    NoGpu,
}

/// Everything known about a run that ended.
#[derive(Debug, Clone)]
pub(crate) struct Evidence<'a> {
    pub stopped: Option<Stopped>,
    /// The mark that the inner lem leaves before it starts the command.
    pub started: bool,
    /// The mark that it leaves after the command ended.
    pub ended: Option<&'a EndedMark>,
    /// How the client (`docker compose …`) ended.
    pub exit: Exit,
    /// The engine reported that something in the container was killed for memory.
    pub oom: bool,
    /// The engine was away during the run or right after it.
    pub outage: bool,
    /// The run's own folder is gone, and with it what it would say.
    pub folder_gone: bool,
    /// The end of the run's log.
    pub last_lines: &'a str,
    pub result: bool,
    pub result_required: bool,
}

/// The verdict on a run.
pub(crate) fn judge(evidence: &Evidence<'_>) -> Verdict {
    match (evidence.stopped, evidence.ended) {
        // It had ended by itself when lem asked it to: nothing was cut off.
        (Some(Stopped::User | Stopped::Silence), Some(ended)) if ended.came_first() => {
            by_mark(evidence, ended)
        }
        (Some(Stopped::User), _) => Verdict::Interrupted,
        (Some(Stopped::NotFree), _) => Verdict::GpuBusy,
        (Some(Stopped::NoGpu), _) => Verdict::GpuLost,
        // What came to its end by itself has its verdict, whatever happened around it.
        (_, Some(ended)) if ended.reason.is_the_commands_own() => by_mark(evidence, ended),
        (None, None) if evidence.folder_gone => Verdict::NoResult,
        (Some(Stopped::EngineHangs), _) => Verdict::EngineLost,
        (Some(_), _) if evidence.outage => Verdict::EngineLost,
        (Some(Stopped::Silence), _) => Verdict::Idle,
        (Some(Stopped::Disturbed(_)), _) => Verdict::Killed,
        (Some(Stopped::TimeLimit), _) if evidence.started => Verdict::TimedOut,
        // Longer than the limit, and no sign that the command ever began.
        (Some(Stopped::TimeLimit | Stopped::NoStart), _) => Verdict::NotStarted,
        (None | Some(Stopped::DeafClient), Some(ended)) => by_mark(evidence, ended),
        (None | Some(Stopped::DeafClient), None) if evidence.started => by_client(evidence),
        (None | Some(Stopped::DeafClient), None) => never_began(evidence),
    }
}

fn by_mark(evidence: &Evidence<'_>, ended: &EndedMark) -> Verdict {
    let oom = evidence.oom || ended.oom_kills > 0;
    match (ended.reason, ended.exit_code) {
        (EndReason::Exited, Some(0)) => completed(evidence),
        (EndReason::Exited | EndReason::Signaled, _) if oom => Verdict::OomKilled,
        (EndReason::NotFound, _) | (EndReason::Exited, Some(127)) => Verdict::NotFound,
        (EndReason::NotExecutable, _) | (EndReason::Exited, Some(126)) => Verdict::NotExecutable,
        (EndReason::Exited, _) if gpu_is_gone(evidence.last_lines) => Verdict::GpuLost,
        (EndReason::Exited, _) => Verdict::Failed,
        // An engine that ends in order ends its containers first.
        (EndReason::Signaled | EndReason::Stopped, _) if evidence.outage => Verdict::EngineLost,
        (EndReason::Signaled | EndReason::Stopped, _) => Verdict::Killed,
        (EndReason::TimeLimit, _) => Verdict::TimedOut,
        // lem held the pipe until now: the client or the engine let go of it.
        (EndReason::LifelineCut, _) => Verdict::EngineLost,
    }
}

/// The inner lem was there and left without a word: killed, or its results folder was taken away.
fn by_client(evidence: &Evidence<'_>) -> Verdict {
    match evidence.exit {
        _ if evidence.oom => Verdict::OomKilled,
        Exit::Code(125 | 255) => Verdict::EngineLost,
        _ if evidence.outage => Verdict::EngineLost,
        Exit::Code(0) => completed(evidence),
        Exit::Code(137 | 143) | Exit::Signal(_) => Verdict::Killed,
        Exit::Code(_) => Verdict::Failed,
    }
}

fn never_began(evidence: &Evidence<'_>) -> Verdict {
    let said = |words: &[&str]| words.iter().any(|word| evidence.last_lines.contains(word));
    // Only docker has said anything.
    let outage = evidence.outage || speaks_of_an_outage(evidence.last_lines);
    if outage || evidence.exit == Exit::Code(255) {
        Verdict::EngineLost
    } else if said(&["No such image", "pull access denied", "manifest unknown"]) {
        Verdict::ImageMissing
    } else {
        Verdict::NotStarted
    }
}

fn completed(evidence: &Evidence<'_>) -> Verdict {
    if evidence.result || !evidence.result_required {
        Verdict::Completed
    } else {
        Verdict::NoResult
    }
}

/// What the driver's library and `nvidia-smi` say in a container that lost its devices.
fn gpu_is_gone(text: &str) -> bool {
    ["Failed to initialize NVML", "GPU is lost", "Unable to determine the device handle for GPU"]
        .iter()
        .any(|words| text.contains(words))
}

impl Verdict {
    /// The word in records and events.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::NotStarted => "not_started",
            Self::NoResult => "no_result",
            Self::OomKilled => "oom_killed",
            Self::Killed => "killed",
            Self::NotFound => "not_found",
            Self::NotExecutable => "not_executable",
            Self::ImageMissing => "image_missing",
            Self::EngineLost => "engine_lost",
            Self::TimedOut => "timed_out",
            Self::Idle => "idle",
            Self::GpuLost => "gpu_lost",
            Self::GpuBusy => "gpu_busy",
            Self::Interrupted => "interrupted",
        }
    }

    /// What a person can do about it, by the verdict and the last words of the log.
    pub(crate) fn hint(self, last_lines: &[String]) -> Option<&'static str> {
        let said = |words: &str| last_lines.iter().any(|line| line.contains(words));
        match self {
            Self::Completed | Self::Failed | Self::Interrupted => None,
            Self::NotStarted if said("could not select device driver") => Some(
                "the engine can't hand out GPUs: install the NVIDIA Container Toolkit; `lem doctor` \
                 says what is missing",
            ),
            Self::NotStarted => Some(
                "the command never began; if the image's ENTRYPOINT is a server that takes no \
                 command, add `x-lem: {entrypoint: none}` to the service",
            ),
            Self::NoResult => Some(
                "the command must write JSON to the path in LEM_RESULT_PATH; if it has no result, \
                 set `execution.require_result: false`",
            ),
            Self::OomKilled => Some("raise the service's `mem_limit`, or make the run smaller"),
            Self::Killed => {
                Some("something outside of lem ended it; of containers, `docker events` says more")
            }
            Self::NotFound => Some("the image has no such command on its PATH; check `command`"),
            Self::NotExecutable => {
                Some("the command is there and can't be executed; check its mode")
            }
            Self::ImageMissing => Some("`docker compose build` or `docker compose pull` makes it"),
            Self::EngineLost => Some("check the engine (`docker info`), then `lem resume`"),
            Self::Idle => Some("raise `execution.idle_timeout`, or let the run say something"),
            Self::GpuLost => Some(
                "the container lost the GPU; in persistent mode the next run gets a new one; see \
                 `nvidia-smi` on the host",
            ),
            Self::GpuBusy => Some("`lem gpu` shows who holds it; `health_check` sets the limits"),
            Self::TimedOut => Some("raise `execution.timeout`, or make the run smaller"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(reason: EndReason, exit_code: Option<i32>, oom_kills: u64) -> EndedMark {
        EndedMark {
            run: Some("r".into()),
            reason,
            exit_code,
            signal: None,
            wall_seconds: 1.0,
            cpu_seconds: Some(1.0),
            peak_memory_bytes: Some(1),
            oom_kills,
            leftovers: 0,
            ended_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn evidence(mark: Option<&EndedMark>) -> Evidence<'_> {
        Evidence {
            stopped: None,
            started: true,
            ended: mark,
            exit: Exit::Code(1),
            oom: false,
            outage: false,
            folder_gone: false,
            last_lines: "",
            result: false,
            result_required: true,
        }
    }

    #[test]
    fn exit_code_zero_is_not_enough_where_a_result_is_required() {
        let mark = ended(EndReason::Exited, Some(0), 0);
        let without = evidence(Some(&mark));
        assert_eq!(judge(&without), Verdict::NoResult);
        assert_eq!(judge(&Evidence { result: true, ..without.clone() }), Verdict::Completed);
        assert_eq!(judge(&Evidence { result_required: false, ..without }), Verdict::Completed);
    }

    #[test]
    fn the_mark_decides_before_the_clients_exit_code() {
        for (reason, code, oom, verdict) in [
            (EndReason::Exited, Some(3), 0, Verdict::Failed),
            (EndReason::Exited, Some(127), 0, Verdict::NotFound),
            (EndReason::Exited, Some(1), 1, Verdict::OomKilled),
            (EndReason::Signaled, None, 1, Verdict::OomKilled),
            (EndReason::Signaled, None, 0, Verdict::Killed),
            (EndReason::NotFound, Some(127), 0, Verdict::NotFound),
            (EndReason::NotExecutable, Some(126), 0, Verdict::NotExecutable),
            (EndReason::TimeLimit, None, 0, Verdict::TimedOut),
            (EndReason::LifelineCut, None, 0, Verdict::EngineLost),
            (EndReason::Stopped, None, 0, Verdict::Killed),
        ] {
            let mark = ended(reason, code, oom);
            assert_eq!(judge(&evidence(Some(&mark))), verdict, "{reason:?} {code:?} {oom}");
        }
    }

    #[test]
    fn a_command_that_fails_over_a_lost_gpu_says_so() {
        let mark = ended(EndReason::Exited, Some(1), 0);
        let said = "RuntimeError: Failed to initialize NVML: Unknown Error";
        let lost = Evidence { last_lines: said, ..evidence(Some(&mark)) };
        assert_eq!(judge(&lost), Verdict::GpuLost);
        let fine = ended(EndReason::Exited, Some(0), 0);
        let warned = Evidence { ended: Some(&fine), result: true, ..lost };
        assert_eq!(judge(&warned), Verdict::Completed);
    }

    #[test]
    fn without_marks_the_engines_words_decide() {
        let nothing = Evidence { started: false, ..evidence(None) };
        for (exit, last_lines, verdict) in [
            (Exit::Code(1), "service \"x\" has no container", Verdict::NotStarted),
            (Exit::Code(1), "Cannot connect to the Docker daemon at …", Verdict::EngineLost),
            (Exit::Code(18), "pull access denied for x", Verdict::ImageMissing),
            (Exit::Code(0), "usage: server [options]", Verdict::NotStarted),
        ] {
            assert_eq!(judge(&Evidence { exit, last_lines, ..nothing.clone() }), verdict);
        }
    }

    #[test]
    fn what_ended_by_itself_before_it_was_stopped_is_not_cut_off() {
        for stopped in [Stopped::User, Stopped::Silence] {
            for (code, verdict) in [(0, Verdict::Completed), (3, Verdict::Failed)] {
                let mark = ended(EndReason::Exited, Some(code), 0);
                let stopped = Some(stopped);
                let late = Evidence { stopped, result: true, ..evidence(Some(&mark)) };
                assert_eq!(judge(&late), verdict, "{stopped:?} {code}");
            }
        }
    }

    #[test]
    fn a_run_that_the_user_ended_is_interrupted_whatever_it_said_last() {
        let mark = ended(EndReason::LifelineCut, None, 0);
        for mark in [None, Some(&mark)] {
            let stopped = Evidence { stopped: Some(Stopped::User), ..evidence(mark) };
            assert_eq!(judge(&stopped), Verdict::Interrupted);
        }
    }
}
