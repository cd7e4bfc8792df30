//! The result of one experiment: the JSON file that is kept.
//!
//! Times are seconds, memory is bytes, instants are RFC 3339 in UTC. A field that has no value is
//! absent rather than null or zero. The schema's version rises when a reader would misread.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::host::Host;
use super::identity::Identity;
use super::settings::Settings;

/// The version this build writes.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Everything that is known about a finished experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
pub(crate) struct ExperimentResult {
    /// [`SCHEMA_VERSION`]
    pub(crate) schema_version: u32,
    /// The run and its campaign; no fields outside a campaign.
    #[serde(flatten)]
    pub(crate) identity: Identity,
    /// The file's `config_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config_name: Option<String>,
    /// The file's `backend`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<String>,
    /// The whole experiment file.
    pub(crate) config: Value,
    /// `--dataset`, else the file's `dataset` if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dataset: Option<String>,
    /// `--sample-size`, else the file's `num_samples`, else 1 for the synthetic workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample_size: Option<u64>,
    /// What was done.
    pub(crate) workload: WorkloadKind,
    /// Whether the work was made up rather than the user's.
    pub(crate) synthetic: bool,
    /// What a reader must know before using the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Every number of the synthetic workload as it was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) settings: Option<Settings>,
    /// Equal wherever the synthetic workload had the same settings: 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<String>,
    /// Exit code of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<i32>,
    /// Start of the work by the wall clock.
    pub(crate) started_at: Timestamp,
    /// End of the work by the wall clock.
    pub(crate) ended_at: Timestamp,
    /// Length of the work by the monotonic clock, in seconds.
    pub(crate) wall_seconds: f64,
    /// Processor time of the work.
    pub(crate) cpu_seconds: CpuSeconds,
    /// Most resident memory of a single process of the work, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peak_memory_bytes: Option<u64>,
    /// What was achieved.
    pub(crate) work: Work,
    /// Where.
    pub(crate) host: Host,
    /// Whether this was inside a Docker or Podman container.
    pub(crate) in_container: bool,
    /// Version of the `lem` that ran the experiment.
    pub(crate) lem_version: String,
}

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkloadKind {
    Synthetic,
    Command,
}

impl WorkloadKind {
    /// What is counted.
    pub(crate) fn unit(self) -> Unit {
        match self {
            WorkloadKind::Synthetic => Unit::Tokens,
            WorkloadKind::Command => Unit::Commands,
        }
    }
}

/// What work is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Tokens,
    Commands,
}

/// An amount of work and its rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
pub(crate) struct Work {
    pub(crate) amount: u64,
    pub(crate) unit: Unit,
    /// `amount` by the wall seconds; absent if the clock saw no time pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_second: Option<f64>,
}

impl Work {
    /// `amount` of work in `seconds`.
    pub(crate) fn new(amount: u64, unit: Unit, seconds: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "amounts are below 2^53")]
        let per_second = (seconds > 0.0).then(|| amount as f64 / seconds);
        Work { amount, unit, per_second }
    }
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
pub(crate) struct CpuSeconds {
    /// In programs.
    pub(crate) user: f64,
    /// In the kernel, for them.
    pub(crate) system: f64,
}
