//! `services.yaml` as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::Files;
use super::keys::{HealthKeys, RetryKeys, ServiceKeys};
use super::room::{Headroom, InMebibytes, WithUnits};
use crate::duration::Time;

/// The services of a machine that use its GPUs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct RegistryFile {
    /// The services by their names.
    pub(super) services: BTreeMap<String, ServiceKeys>,
    /// Keys of every service that does not say them itself.
    pub(super) defaults: ServiceKeys,
    /// The Compose file of `service`, or several that are merged, relative to this file. Default:
    /// the one that Compose finds from this folder upwards.
    pub(super) compose: Option<Files>,
    /// The Compose project. Default: the one that Compose chooses.
    pub(super) project: Option<String>,
    /// What stays free beside a service's need: `1GiB`, or `10%` of the need. Default: the larger
    /// of 512 MiB and 5 %.
    pub(super) headroom: Option<Headroom>,
    /// How long the memory of a service that was stopped may take to come back. Default 30 s.
    pub(super) recovery_timeout: Option<Time>,
    /// How much memory the GPUs have, where no driver tells: of each, or by index or UUID.
    pub(super) vram_total: Option<WithUnits>,
    /// The same in MiB, as `nvidia-smi` prints it.
    pub(super) vram_total_mb: Option<InMebibytes>,
    /// Defaults of every service, in other words.
    pub(super) container_management: Option<ContainerManagement>,
}

/// Defaults of every service, in the words of a model switcher's configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct ContainerManagement {
    /// Nothing else than true.
    pub enabled: Option<bool>,
    /// `sequential`
    pub sequential_switching: Option<bool>,
    /// `health.timeout`
    pub health_check_timeout: Option<Time>,
    /// `health.interval`
    pub health_poll_interval: Option<Time>,
    /// `health.max_attempts`
    pub max_health_attempts: Option<u32>,
    /// `retry.attempts`
    pub start_retry_attempts: Option<u32>,
    /// `retry.delay`
    pub start_retry_base_delay: Option<Time>,
    /// `stop_grace_period`
    pub stop_timeout: Option<Time>,
}

impl ContainerManagement {
    /// The same as defaults.
    pub(super) fn defaults(self) -> ServiceKeys {
        ServiceKeys {
            sequential: self.sequential_switching,
            stop_grace_period: self.stop_timeout,
            health: Some(HealthKeys {
                timeout: self.health_check_timeout,
                interval: self.health_poll_interval,
                max_attempts: self.max_health_attempts,
                ..HealthKeys::default()
            }),
            retry: Some(RetryKeys {
                attempts: self.start_retry_attempts,
                delay: self.start_retry_base_delay,
                ..RetryKeys::default()
            }),
            ..ServiceKeys::default()
        }
    }
}
