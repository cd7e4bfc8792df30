//! The `health_check` section: how clean the GPUs must be before a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Time;
use crate::mebibytes::Mebibytes;

/// How clean the GPUs must be before a run, and what is done about it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct HealthCheck {
    /// Whether lem looks at the GPUs at all.
    pub enabled: bool,
    /// Look before every so many runs; 0: before the first run of each cycle.
    pub interval_experiments: u32,
    /// A GPU with more of its memory in use is not free, in percent.
    pub gpu_memory_threshold_pct: f64,
    /// Whether a held container that keeps a GPU full is restarted.
    pub restart_on_failure: bool,
    /// How often each held container may be restarted for that.
    pub max_restarts: u32,
    /// A GPU on which others than the campaign's own held containers use more is not free: `2GiB`.
    pub max_used_before_run: Option<Mebibytes>,
    /// How long lem waits for memory before it acts.
    pub wait: Time,
    /// Runs wait until no GPU is hotter, in °C.
    pub max_temperature: Option<u32>,
    /// Runs wait until no GPU draws more, in watts.
    pub max_idle_power: Option<f64>,
    /// The longest wait for temperature and power; then the run starts all the same.
    pub max_cooldown: Time,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_experiments: 1,
            gpu_memory_threshold_pct: 90.0,
            restart_on_failure: true,
            max_restarts: 3,
            max_used_before_run: None,
            wait: Time::seconds(30),
            max_temperature: None,
            max_idle_power: None,
            max_cooldown: Time::seconds(600),
        }
    }
}
