//! AREA, lowest: the durable record of campaigns.
//!
//! One `SQLite` file beside the campaign (`.state/lem.db`), written ahead and flushed at every
//! transition, so that the record of run 10,000 costs what the record of run 10 cost and a power
//! cut loses nothing that was said to be done. Results are files, not rows.

mod schema;
mod store;
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

/// One execution of a campaign file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Instance {
    /// A UUID.
    pub id: String,
    pub campaign: String,
    /// The campaign file, absolute.
    pub file: String,
    /// The plan's fingerprint: what the file meant when the instance began.
    pub plan: String,
    pub seed: Option<u64>,
    /// The settings it was started with, as JSON.
    pub settings: String,
    /// RFC 3339, UTC.
    pub started_at: String,
}

/// A run that is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedRun {
    pub position: u32,
    pub run: String,
    pub experiment: String,
    pub repetition: u32,
    pub cycle: u32,
    pub name: String,
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
    /// The result file, where there is one.
    pub result: Option<String>,
}

/// A run as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordedRun {
    pub position: u32,
    pub run: String,
    pub name: String,
    pub state: RunState,
    pub verdict: Option<String>,
    pub attempts: u32,
    pub seconds: Option<f64>,
    pub command_seconds: Option<f64>,
    pub has_result: bool,
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
            result: None,
        }
    }
}
