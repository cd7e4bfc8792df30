//! The `docker` and `io` sections: in which containers, and where things are kept.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Time;

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
    /// The manifest's name in the state folder.
    pub manifest_filename: String,
}

impl Default for Io {
    fn default() -> Self {
        Self {
            results_dir: None,
            configs_dir: "configs".into(),
            state_dir: ".state".into(),
            manifest_filename: "campaign_manifest.json".to_owned(),
        }
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
    /// How long an engine that went away or doesn't answer is waited for. Default 10 min.
    pub engine_timeout: Option<Time>,
    /// Variables of your shell that reach the experiments, by name only. Default: `HF_TOKEN` and
    /// `HUGGING_FACE_HUB_TOKEN`.
    pub pass_environment: Option<Vec<String>>,
}
