//! A campaign file as it is written. What it means for one machine is [`super::plan`]'s work.

mod check;
mod execution;
mod health;
mod notifications;
mod place;
mod timetable;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use self::execution::{ColdStartKeys, Execution, Retry, StopAfter, Structure};
pub(crate) use self::health::HealthCheck;
pub(crate) use self::notifications::NotificationKeys;
pub(crate) use self::place::{ContainerStrategy, DockerKeys, Io};
use self::timetable::{Daemon, Schedule};
use super::error::CampaignError;
use crate::yaml::{self, YamlError};

/// A campaign: which experiments, in which order, how often, and where.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(crate) struct CampaignFile {
    /// The campaign's name. A file is a campaign if and only if it has this key.
    pub campaign_name: String,
    /// The model of every experiment that names none (`model_name` in its configuration).
    pub model: Option<String>,
    /// Passed to the default command as `--dataset`.
    pub dataset: Option<String>,
    /// Passed to the default command as `--sample-size`.
    #[schemars(range(min = 1))]
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
    /// How clean the GPUs must be before a run.
    #[serde(default)]
    pub health_check: HealthCheck,
    /// What a run must not find warm.
    #[serde(default)]
    pub cold_start: ColdStartKeys,
    /// The summary has a line for each combination of these keys' values: `backend`, `model_name`,
    /// `config_name`, or any dotted key of the experiments. Default: a line for each experiment.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// Who is told what becomes of the campaign.
    #[serde(default)]
    pub notifications: NotificationKeys,
    /// Refused, unless it is switched off.
    pub schedule: Option<Schedule>,
    /// Refused, unless it is switched off.
    pub daemon: Option<Daemon>,
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

/// The same of text that came from `path`.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse(path: &Path, text: &str) -> Result<CampaignFile, CampaignError> {
    let file = yaml::keys::parse::<CampaignFile>(path, text)?;
    file.check(path)?;
    Ok(file)
}

/// Reads a campaign file and checks what can be checked without a machine.
pub(crate) fn read(path: &Path) -> Result<CampaignFile, CampaignError> {
    let file = match yaml::keys::read::<CampaignFile>(path) {
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
