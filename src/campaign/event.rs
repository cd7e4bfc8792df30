//! What happens in a campaign, for whoever shows or reads it. One line of JSON each with `--json`.

use std::path::PathBuf;

use serde::Serialize;

use super::gate::obstacle::Obstacle;
use super::overhead::Overhead;
use super::verdict::Verdict;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    CampaignStarted {
        campaign: String,
        /// The UUID of this execution of the campaign.
        campaign_id: String,
        strategy: String,
        /// Runs to do now; fewer than `total` when resumed.
        runs: usize,
        total: usize,
        results: PathBuf,
    },
    /// A run had ended when lem was killed: its folder proves it, so it is not done again.
    RunFound {
        run: String,
        experiment: String,
        cycle: u32,
        position: u32,
        verdict: String,
        exit_code: Option<i32>,
        result: Option<PathBuf>,
    },
    /// Others have what the campaign needs: it waits for its turn, and nothing is started.
    TurnWaiting {
        /// The number of the campaign's own operation.
        operation: i64,
        /// Its place in the queue; 0 of one that runs and needs more.
        position: usize,
        reason: String,
        /// Whose end is waited for; absent where that has come meanwhile.
        behind: Option<i64>,
        what: Option<String>,
        agent: Option<String>,
        since: Option<String>,
        /// Until that end, as far as it is known.
        expected_seconds: Option<f64>,
    },
    /// It is its turn.
    TurnCame {
        seconds: f64,
    },
    /// Images are made, services are started and waited for.
    Preparing {
        what: String,
    },
    GapStarted {
        seconds: f64,
        next: String,
    },
    /// A run that failed is tried again after a wait.
    RetryWaiting {
        run: String,
        seconds: f64,
        /// The try that comes, from 2.
        attempt: u32,
    },
    RunStarted {
        run: String,
        experiment: String,
        cycle: u32,
        position: u32,
        attempt: u32,
        service: Option<String>,
        log: PathBuf,
    },
    /// The user wants the end: the run is asked to end, and ended after its grace.
    Stopping {
        run: String,
        grace_seconds: f64,
    },
    /// A held container had to be started again before a run.
    ServiceRestarted {
        service: String,
        restarts: u32,
        reason: RestartReason,
    },
    /// A run waits for its GPUs.
    GateWaiting {
        run: String,
        obstacles: Vec<Obstacle>,
    },
    /// The engine went away or doesn't answer; it is waited for.
    EngineAway {
        reason: String,
        limit_seconds: f64,
    },
    /// It answers again.
    EngineBack {
        seconds: f64,
    },
    /// Something that the campaign goes on without.
    Warning {
        message: String,
    },
    RunEnded {
        run: String,
        experiment: String,
        cycle: u32,
        position: u32,
        verdict: Verdict,
        exit_code: Option<i32>,
        /// From the start of the container's client to its end.
        seconds: f64,
        /// Of that, the command itself.
        command_seconds: Option<f64>,
        /// The pause before it, and the wait for a free GPU.
        gap_seconds: f64,
        gate_seconds: f64,
        /// From the end of the last command to the beginning of this one: nothing of the campaign
        /// was on the GPU.
        idle_seconds: Option<f64>,
        /// It will be tried again.
        retried: bool,
        result: Option<PathBuf>,
        log: PathBuf,
        /// The end of the log, of a run that did not complete.
        last_lines: Vec<String>,
        hint: Option<String>,
    },
    TeardownStarted,
    /// Containers are left up on purpose.
    LeftRunning {
        services: Vec<String>,
        stop_with: String,
    },
    CampaignEnded(Summary),
}

/// Why a held container was started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RestartReason {
    /// It was not as it had been left: it ended, was paused, or nobody knows.
    Died,
    /// Its healthcheck failed.
    Unhealthy,
    /// A run left something in it that could not be ended.
    LeftProcesses,
    /// A run in it lost the GPU.
    GpuLost,
    /// It kept a GPU full.
    GpuFull,
}

impl RestartReason {
    /// For people, after the container's service.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Died => "it was not running as before",
            Self::Unhealthy => "its healthcheck failed",
            Self::LeftProcesses => "a run left processes in it",
            Self::GpuLost => "it lost the GPU",
            Self::GpuFull => "it kept a GPU full",
        }
    }
}

/// A campaign at its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub campaign: String,
    pub campaign_id: String,
    pub strategy: String,
    /// `finished`, `interrupted`, or `partial`: everything that was chosen is done.
    pub state: &'static str,
    pub total: usize,
    pub completed: usize,
    pub failed: usize,
    /// Of the failed runs, those that were not started because a GPU was not free.
    pub gpu_busy: usize,
    /// Interrupted or not yet tried: what a resume would do.
    pub remaining: usize,
    /// Of these, those that `--only` and `--skip` left out.
    pub left_out: usize,
    /// Completed runs without a result file.
    pub without_result: usize,
    pub seconds: f64,
    /// The keys that the lines of `experiments` are grouped by; none: by experiment.
    pub grouped_by: Vec<String>,
    pub experiments: Vec<ExperimentSummary>,
    /// The runs that failed, in the plan's order.
    pub failures: Vec<FailedRun>,
    /// How often each held container had to be started again.
    pub restarts: Vec<(String, u32)>,
    pub time: TimeSpent,
    /// What containers took around the commands, by strategy, over all executions.
    pub overheads: Vec<Overhead>,
    /// What to change, if anything.
    pub advice: Option<String>,
    pub results: PathBuf,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FailedRun {
    pub run: String,
    pub experiment: String,
    pub cycle: u32,
    pub position: u32,
    /// A verdict's word.
    pub verdict: String,
    pub exit_code: Option<i32>,
}

/// The runs of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ExperimentSummary {
    pub experiment: String,
    pub runs: usize,
    pub completed: usize,
    pub failed: usize,
    /// Of the commands that completed; seconds.
    pub mean_seconds: Option<f64>,
    /// Half the width of the 95 % confidence interval of the mean, from two runs on.
    pub confidence_seconds: Option<f64>,
}

/// Where the time of this execution went, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(crate) struct TimeSpent {
    /// In the commands.
    pub runs: f64,
    /// Starting and removing containers around the commands.
    pub containers: f64,
    /// Waiting for its turn, before anything was started.
    pub turn: f64,
    pub gaps: f64,
    /// Waiting for free, cool GPUs.
    pub gate: f64,
    /// Waiting before another try.
    pub retries: f64,
    /// Waiting for an engine that was away.
    pub engine: f64,
    /// Between the commands of runs: nothing of the campaign was on the GPU.
    pub idle: f64,
    /// Services started and waited for, teardown.
    pub services: f64,
}
