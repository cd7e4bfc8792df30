//! How a campaign is run on this machine, every choice made.

use std::path::PathBuf;
use std::time::Duration;

use super::file::{ContainerStrategy, HealthCheck, Retry, StopAfter};

/// Where the runs of a campaign take place.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunnerKind {
    /// In containers of the campaign's Compose project.
    #[default]
    Docker,
    /// As processes of this machine.
    Local,
}

/// What becomes of a container that somebody else already runs for a service of the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Foreign {
    /// The campaign does not start.
    #[default]
    Refuse,
    /// Compose may recreate it.
    Replace,
}

/// What a run in a held container finds warm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ColdStart {
    /// Whatever the last run left.
    #[default]
    No,
    /// The files that the last run left, none of its processes.
    Restart,
    /// Nothing.
    NewContainer,
}

/// Who is told what becomes of a campaign.
#[derive(Clone)]
pub(crate) struct Notifications {
    /// A secret: it is shown and stored nowhere.
    pub webhook_url: Option<String>,
    pub command: Option<Vec<String>>,
    pub on_start: bool,
    pub on_complete: bool,
    pub on_failure: bool,
    pub on_interrupt: bool,
}

impl std::fmt::Debug for Notifications {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifications { webhook_url: (secret), .. }")
    }
}

/// The settings of one campaign. Paths are absolute.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub runner: RunnerKind,
    pub strategy: ContainerStrategy,
    pub compose_file: Option<PathBuf>,
    pub project_name: Option<String>,
    pub hold_command: Option<Vec<String>>,
    /// Pause after held containers have started.
    pub warmup_delay: Duration,
    pub auto_teardown: bool,
    pub foreign: Foreign,
    pub health_timeout: Duration,
    /// How long an engine that went away is waited for.
    pub engine_timeout: Duration,
    /// Variables that reach the runs by name only.
    pub pass_environment: Vec<String>,
    /// Time limit of one run.
    pub timeout: Option<Duration>,
    /// A run that says nothing for so long is stopped.
    pub idle_timeout: Option<Duration>,
    pub start_timeout: Duration,
    /// Between TERM and KILL.
    pub stop_grace: Duration,
    pub require_result: bool,
    /// When a failed run is tried again.
    pub retry: Retry,
    /// After how many failed runs the campaign ends.
    pub stop_after: Option<StopAfter>,
    /// How clean the GPUs must be before a run.
    pub health: HealthCheck,
    pub cold_start: ColdStart,
    /// Whether the campaign has its GPUs to itself; nothing said: where it is said to use some.
    pub exclusive: Option<bool>,
    /// Keys of the experiments that the summary groups by; none: by experiment.
    pub group_by: Vec<String>,
    pub notifications: Notifications,
    pub results_dir: PathBuf,
    pub configs_dir: PathBuf,
    pub state_dir: PathBuf,
    /// The manifest's name in the state folder.
    pub manifest_filename: String,
    pub warmup_prompts: u32,
    pub warmup_timeout: Duration,
    /// The campaign file's folder, where local runs start.
    pub base: PathBuf,
    /// What runs, before its places are filled in.
    pub command: Vec<String>,
    pub dataset: Option<String>,
    pub num_samples: Option<u64>,
    /// `quiet`, `normal` or `verbose`, for the experiments.
    pub verbosity: String,
}

impl Settings {
    /// How the runs run: `ephemeral`, `persistent` or `local`.
    pub(crate) fn strategy_name(&self) -> &'static str {
        match (self.runner, self.strategy) {
            (RunnerKind::Local, _) => "local",
            (RunnerKind::Docker, ContainerStrategy::Ephemeral) => "ephemeral",
            (RunnerKind::Docker, ContainerStrategy::Persistent) => "persistent",
        }
    }
}
