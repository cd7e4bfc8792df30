//! How a campaign is run on this machine, every choice made.

use std::path::PathBuf;
use std::time::Duration;

use super::file::ContainerStrategy;

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
    /// Variables that reach the runs by name only.
    pub pass_environment: Vec<String>,
    /// Time limit of one run.
    pub timeout: Option<Duration>,
    pub start_timeout: Duration,
    /// Between TERM and KILL.
    pub stop_grace: Duration,
    pub require_result: bool,
    pub results_dir: PathBuf,
    pub configs_dir: PathBuf,
    pub state_dir: PathBuf,
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
