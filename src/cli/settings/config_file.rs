//! `.lem-config.yaml` in the current folder, and the user's own `config.yaml`.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign::error::CampaignError;
use crate::campaign::file::{DockerKeys, NotificationKeys};
use crate::duration::Time;
use crate::yaml::keys;

/// The name of the project's configuration, in the current folder.
pub(in crate::cli) const PROJECT_FILE: &str = ".lem-config.yaml";

/// `.lem-config.yaml`, and the user's `config.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::cli) struct ConfigFile {
    /// How containers are used; the same keys as in a campaign.
    pub docker: DockerKeys,
    /// Pauses for the hardware to cool.
    pub thermal_gaps: ThermalGaps,
    /// Who is told what becomes of campaigns.
    pub notifications: NotificationKeys,
    /// Results of the runs, relative to this file.
    pub results_dir: Option<PathBuf>,
    /// How much experiments say.
    pub verbosity: Option<Verbosity>,
    /// Where operations are kept apart.
    pub coordination: CoordinationKeys,
}

/// Where the ledger of operations is, if not in a file of this machine.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::cli) struct CoordinationKeys {
    /// A database of a `PostgreSQL` server that several machines share: `postgres://USER@HOST/NAME`.
    pub url: Option<String>,
    /// How long a machine that is not heard of keeps what it has, a third more for others. Default
    /// 15 s.
    pub lease: Option<Time>,
}

/// Pauses for the hardware to cool.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::cli) struct ThermalGaps {
    /// After a run. Default 60 s.
    pub between_experiments: Option<Time>,
    /// After a cycle, instead of the other. Default 300 s.
    pub between_cycles: Option<Time>,
}

/// How much an experiment says, handed to it as `LLM_ENERGY_VERBOSITY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

impl ConfigFile {
    /// Reads a configuration, where there is one. Its paths are made absolute.
    pub(in crate::cli) fn read(path: &Path) -> Result<Self, CampaignError> {
        if !path.exists() {
            return Ok(Self::default());
        }
        keys::read::<Self>(path)?.checked(path)
    }

    /// The same of text that came from `path`.
    #[cfg(any(test, fuzzing))]
    pub(in crate::cli) fn parse(path: &Path, text: &str) -> Result<Self, CampaignError> {
        keys::parse::<Self>(path, text)?.checked(path)
    }

    fn checked(mut self, path: &Path) -> Result<Self, CampaignError> {
        let file = &mut self;
        if file.notifications.command.as_ref().is_some_and(Vec::is_empty) {
            return Err(CampaignError::Senseless {
                path: path.to_owned(),
                key: "notifications.command".to_owned(),
                reason: "the command is empty".to_owned(),
            });
        }
        let base = path.parent().unwrap_or(Path::new("."));
        let absolute = |path: PathBuf| std::path::absolute(base.join(&path)).unwrap_or(path);
        file.docker.compose_file = file.docker.compose_file.take().map(absolute);
        file.results_dir = file.results_dir.take().map(absolute);
        Ok(self)
    }
}

/// Where the user's configuration is, or would be.
pub(in crate::cli) fn user_file() -> Option<PathBuf> {
    let home = etcetera::choose_base_strategy().ok()?;
    Some(home.config_dir().join("lem/config.yaml"))
}
