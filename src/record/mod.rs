//! AREA, lowest: the durable record of campaigns.
//!
//! One `SQLite` file beside the campaign (`.state/lem.db`), written ahead and flushed at every
//! transition, so that the record of run 10,000 costs what the record of run 10 cost and a power
//! cut loses nothing that was said to be done. Results are files, not rows.

pub(crate) mod aside;
mod place;
mod runs;
mod schema;
mod store;
mod versions;
mod view;

use serde::{Deserialize, Serialize};

pub(crate) use store::{RecordError, Store};
pub(crate) use view::{SeenInstance, SeenRun, View};

/// The state of a campaign's instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CampaignState {
    Running,
    /// Every run was tried.
    Finished,
    /// Ended early: by the user or by an error.
    Interrupted,
}

/// The state of one run. The verdict of a finished one is a word of its own column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunState {
    Pending,
    Running,
    Completed,
    Failed,
    /// Stopped before its end: by the user, or because lem itself was killed.
    Interrupted,
}

impl RunState {
    /// Whether the run's outcome is known, so that a resume need not do it again.
    pub(crate) fn is_known(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// One execution of a campaign file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Instance {
    /// A UUID.
    pub id: String,
    pub campaign: String,
    /// The campaign file, absolute.
    pub file: String,
    /// The plan's fingerprint: what the file meant when the instance began, or was changed.
    pub plan: String,
    pub seed: Option<u64>,
    /// The settings it was started with, as JSON.
    pub settings: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// The order of the runs; unknown of an instance that the first version recorded.
    pub structure: Option<String>,
    /// How often each experiment runs; unknown likewise.
    pub cycles: Option<u32>,
    /// What its runs have in common, as JSON; unknown of one that an earlier version recorded.
    pub basis: Option<String>,
}

/// An experiment of an instance, so that a change of it can be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedExperiment {
    /// Identity: the hash of the configuration.
    pub hash: String,
    pub name: String,
    pub backend: Option<String>,
    /// The configuration as JSON, without its secrets.
    pub config: String,
    /// The file that it was read from.
    pub source: Option<String>,
}

/// A run that is planned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedRun {
    pub position: u32,
    pub run: String,
    pub experiment: String,
    pub repetition: u32,
    pub cycle: u32,
    pub name: String,
    /// What is known of it already.
    pub known: Option<Known>,
}

/// What is known of a run that the record did not see: from a manifest, or from its folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub attempts: u32,
    /// RFC 3339, UTC.
    pub started_at: Option<String>,
    pub outcome: Outcome,
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Beginning<'a> {
    /// RFC 3339, UTC.
    pub started_at: &'a str,
    /// The Compose service; none in local runs.
    pub service: Option<&'a str>,
    /// `ephemeral`, `persistent` or `local`.
    pub strategy: &'a str,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub state: RunState,
    /// `completed`, `failed`, `timed_out`, …
    pub verdict: String,
    pub exit_code: Option<i32>,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// From the start of its container to its end.
    pub seconds: f64,
    /// From the start of the command to its end.
    pub command_seconds: Option<f64>,
    /// The pause before it.
    pub gap_seconds: Option<f64>,
    /// Waiting until the GPU was free for it.
    pub gate_seconds: Option<f64>,
    /// From the end of the last run's command to the start of this one's.
    pub idle_seconds: Option<f64>,
    /// The result file, where there is one.
    pub result: Option<String>,
}

/// Whether a run still belongs to its campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Planned,
    /// The campaign was changed and does not have it any more.
    Dropped,
}

/// A run as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordedRun {
    pub position: u32,
    pub run: String,
    /// The hash of its experiment.
    pub experiment: String,
    pub repetition: u32,
    pub cycle: u32,
    /// The name of its experiment.
    pub name: String,
    pub state: RunState,
    pub standing: Standing,
    pub verdict: Option<String>,
    pub exit_code: Option<i32>,
    pub attempts: u32,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub seconds: Option<f64>,
    pub command_seconds: Option<f64>,
    pub gate_seconds: Option<f64>,
    pub gap_seconds: Option<f64>,
    pub idle_seconds: Option<f64>,
    pub service: Option<String>,
    pub strategy: Option<String>,
    /// The result file, where there is one.
    pub result: Option<String>,
}

/// How a changed campaign differs from its record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Amendment {
    /// The fingerprint of the plan as it is now.
    pub plan: String,
    pub structure: String,
    pub cycles: u32,
    pub seed: Option<u64>,
    /// The settings it goes on with, as JSON.
    pub settings: String,
    /// What its runs have in common from now on, as JSON.
    pub basis: String,
    /// Runs that are new; their positions follow the recorded ones.
    pub added: Vec<PlannedRun>,
    /// Positions that are not part of the campaign any more.
    pub dropped: Vec<u32>,
    /// Positions that were dropped earlier and are part of it again.
    pub revived: Vec<u32>,
    /// Every experiment of the plan as it is now.
    pub experiments: Vec<RecordedExperiment>,
    /// What they are called now.
    pub names: Vec<ExperimentName>,
}

/// The name of an experiment, which may change while the experiment does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExperimentName {
    /// Its hash.
    pub experiment: String,
    pub repetition: u32,
    pub name: String,
}

/// What the completed runs of a campaign took under one strategy, all its executions together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taken {
    /// `ephemeral`, `persistent` or `local`.
    pub strategy: String,
    pub runs: u32,
    /// Containers and commands, in seconds.
    pub seconds: f64,
    /// The commands alone.
    pub command_seconds: f64,
}

impl Outcome {
    /// A run that was cut off and of which nothing more is known.
    pub(crate) fn interrupted(ended_at: String) -> Self {
        Self {
            state: RunState::Interrupted,
            verdict: "interrupted".to_owned(),
            exit_code: None,
            ended_at,
            seconds: 0.0,
            command_seconds: None,
            gap_seconds: None,
            gate_seconds: None,
            idle_seconds: None,
            result: None,
        }
    }
}

impl RecordedRun {
    /// A run of which nothing is known.
    pub(crate) fn pending() -> Self {
        Self {
            position: 1,
            run: String::new(),
            experiment: String::new(),
            repetition: 0,
            cycle: 1,
            name: String::new(),
            state: RunState::Pending,
            standing: Standing::Planned,
            verdict: None,
            exit_code: None,
            attempts: 0,
            started_at: None,
            ended_at: None,
            seconds: None,
            command_seconds: None,
            gate_seconds: None,
            gap_seconds: None,
            idle_seconds: None,
            service: None,
            strategy: None,
            result: None,
        }
    }
}
