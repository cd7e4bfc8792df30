//! A campaign file as it is written. What it means for one machine is [`super::plan`]'s work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::CampaignError;
use crate::duration::Time;
use crate::yaml::{self, YamlError};

/// Keys of the format that have no effect yet, and are therefore refused.
const LATER: yaml::keys::Later = &[
    "execution.idle_timeout",
    "execution.retry",
    "execution.stop_after_failures",
    "health_check",
    "cold_start",
    "schedule",
    "daemon",
    "group_by",
    "notifications",
];

/// A campaign: which experiments, in which order, how often, and where.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct CampaignFile {
    /// The campaign's name. A file is a campaign if and only if it has this key.
    pub campaign_name: String,
    /// The model of every experiment that names none (`model_name` in its configuration).
    pub model: Option<String>,
    /// Passed to the default command as `--dataset`.
    pub dataset: Option<String>,
    /// Passed to the default command as `--sample-size`.
    pub num_samples: Option<u64>,
    /// Experiment files, relative to this file.
    #[serde(default)]
    pub configs: Vec<PathBuf>,
    /// Axes whose combinations are experiments.
    pub grid: Option<Grid>,
    /// Experiment files with changes. `configs`, `grid` and `experiments` add up.
    #[serde(default)]
    pub experiments: Vec<Entry>,
    /// Order, repetition and limits.
    #[serde(default)]
    pub execution: Execution,
    /// What runs in the container. `{config}`, `{result}`, `{results}`, `{backend}`, `{cycle}` and
    /// `{any.dotted.key}` of the experiment are filled in.
    pub command: Option<Vec<String>>,
    /// Compose service by backend; a backend's default service has its own name.
    #[serde(default)]
    pub services: BTreeMap<String, String>,
    /// How containers are used; the same keys as the `docker` section of `.lem-config.yaml`.
    #[serde(default)]
    pub docker: DockerKeys,
    /// Where things are kept, relative to this file.
    #[serde(default)]
    pub io: Io,
    /// Accepted for files of other tools; means nothing here.
    #[serde(rename = "schema_version")]
    pub _schema_version: Option<Value>,
}

/// Axes of a grid. Every combination is one experiment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Grid {
    /// Backends to run every combination on.
    pub backends: Vec<String>,
    /// Models to run every combination with.
    pub models: Option<Vec<String>>,
    /// Axes of every backend: a key of the experiment, dots descend, and its values.
    #[serde(default)]
    pub shared: BTreeMap<String, OneOrMany>,
    /// Another name of `shared`; both add up.
    #[serde(default)]
    pub axes: BTreeMap<String, OneOrMany>,
    /// Axes of one backend; they are put under a key of the backend's name.
    #[serde(default)]
    pub backend_overrides: BTreeMap<String, BTreeMap<String, OneOrMany>>,
}

/// The values of an axis; a single value is an axis of one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    Many(Vec<Value>),
    One(Value),
}

impl OneOrMany {
    /// The values in order.
    pub(crate) fn values(&self) -> &[Value] {
        match self {
            Self::Many(values) => values,
            Self::One(value) => std::slice::from_ref(value),
        }
    }
}

/// An experiment file and what differs from it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Entry {
    /// The experiment file, relative to the campaign file.
    pub config: PathBuf,
    /// Keys to set, dots descend.
    #[serde(default)]
    pub overrides: Map<String, Value>,
}

/// The order in which the runs of a campaign follow each other.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Structure {
    /// All experiments once, then all again.
    #[default]
    Interleaved,
    /// As interleaved, with each cycle in a new random order.
    Shuffled,
    /// All cycles of one experiment, then the next experiment.
    Grouped,
}

/// Order, repetition and limits of the runs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Execution {
    /// How often each experiment runs. Default 3.
    pub cycles: Option<u32>,
    /// Default `interleaved`.
    pub structure: Option<Structure>,
    /// Seed of `shuffled`; drawn and recorded when absent.
    pub seed: Option<u64>,
    /// Pause after a run. Default 60 s.
    pub config_gap_seconds: Option<Time>,
    /// Pause at the end of a cycle, instead of the other. Default 300 s.
    pub cycle_gap_seconds: Option<Time>,
    /// Handed to the experiment as `LEM_WARMUP_PROMPTS`. Default 5.
    pub warmup_prompts: Option<u32>,
    /// Handed to the experiment as `LEM_WARMUP_TIMEOUT`, in seconds. Default 30.
    pub warmup_timeout_seconds: Option<Time>,
    /// Time limit of one run; none by default.
    pub timeout: Option<Time>,
    /// How long a container may take until the run in it has begun. Default 60 s.
    pub start_timeout: Option<Time>,
    /// Time between TERM and KILL when a run is stopped. Default 10 s.
    pub stop_grace_period: Option<Time>,
    /// Whether a run without a result has failed. Default: true for the default command, false for
    /// a `command` of your own.
    pub require_result: Option<bool>,
}

/// Where a campaign keeps things, relative to its file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Io {
    /// Results of the runs.
    pub results_dir: Option<PathBuf>,
    /// Mounted read-only into the containers where it exists.
    pub configs_dir: PathBuf,
    /// The campaign's record.
    pub state_dir: PathBuf,
}

impl Default for Io {
    fn default() -> Self {
        Self { results_dir: None, configs_dir: "configs".into(), state_dir: ".state".into() }
    }
}

/// How an experiment gets its container.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ContainerStrategy {
    /// A fresh container for every run.
    #[default]
    Ephemeral,
    /// One container per service for the whole campaign.
    Persistent,
}

impl std::fmt::Display for ContainerStrategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ephemeral => "ephemeral",
            Self::Persistent => "persistent",
        })
    }
}

/// The `docker` section of a campaign, of `.lem-config.yaml` and of the user's configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct DockerKeys {
    /// `ephemeral` (default) or `persistent`.
    pub strategy: Option<ContainerStrategy>,
    /// Pause after the containers of a persistent campaign have started. Default 0.
    pub warmup_delay: Option<Time>,
    /// Whether a persistent campaign's containers are removed at its end. Default true.
    pub auto_teardown: Option<bool>,
    /// The Compose file; paths are relative to the file that says so.
    pub compose_file: Option<PathBuf>,
    /// The Compose project; default: the one that Compose itself would choose.
    pub project_name: Option<String>,
    /// What a held container runs instead of `lem hold`.
    pub hold_command: Option<Vec<String>>,
    /// How long services may take to be running and healthy. Default 10 min.
    pub health_timeout: Option<Time>,
    /// Variables of your shell that reach the experiments, by name only. Default: `HF_TOKEN` and
    /// `HUGGING_FACE_HUB_TOKEN`.
    pub pass_environment: Option<Vec<String>>,
}

/// Reads a campaign file and checks what can be checked without a machine.
pub(crate) fn read(path: &Path) -> Result<CampaignFile, CampaignError> {
    let file = match yaml::keys::read::<CampaignFile>(path, LATER) {
        Err(YamlError::Unreadable { path, source })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            return Err(CampaignError::NoCampaignFile { path });
        }
        other => other?,
    };
    file.check(path)?;
    Ok(file)
}

impl CampaignFile {
    fn check(&self, path: &Path) -> Result<(), CampaignError> {
        let refuse = |key: &str, reason: &str| {
            Err(CampaignError::Senseless {
                path: path.to_owned(),
                key: key.to_owned(),
                reason: reason.to_owned(),
            })
        };
        if self.campaign_name.trim().is_empty() {
            return refuse("campaign_name", "a campaign needs a name");
        }
        if self.campaign_name.chars().any(char::is_control) || self.campaign_name.len() > 200 {
            return refuse("campaign_name", "at most 200 bytes and no control characters");
        }
        if self.execution.cycles == Some(0) {
            return refuse("execution.cycles", "at least 1 cycle");
        }
        if self.num_samples == Some(0) {
            return refuse("num_samples", "at least 1 sample");
        }
        if self.command.as_ref().is_some_and(Vec::is_empty) {
            return refuse("command", "the command is empty");
        }
        if self.docker.hold_command.as_ref().is_some_and(Vec::is_empty) {
            return refuse("docker.hold_command", "the command is empty");
        }
        if self.execution.timeout.is_some_and(|t| t.0.is_zero()) {
            return refuse("execution.timeout", "a run can't end in no time");
        }
        if self.configs.is_empty() && self.grid.is_none() && self.experiments.is_empty() {
            return refuse(
                "configs",
                "there is nothing to run: add `configs`, `grid` or `experiments`",
            );
        }
        Ok(())
    }
}
