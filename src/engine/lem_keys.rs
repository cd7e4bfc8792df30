//! The `x-lem` section of a Compose service: what lem reads of a Compose file beside Compose.
//!
//! Some keys are about campaigns, and understood here. The others say that the service is one that
//! uses GPUs; `services` understands them, and here only their names are known, so that a typo is
//! one for everybody who reads the file.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::yaml::keys::nearest;

/// Keys about campaigns.
const OF_CAMPAIGNS: [&str; 3] = ["entrypoint", "inner", "keep_command"];

/// Keys of a service that uses GPUs.
pub(crate) const OF_SERVICES: [&str; 29] = [
    "after_grace",
    "container_name",
    "daemon",
    "depends_on",
    "directory",
    "environment",
    "evict",
    "evict_api",
    "gpus",
    "health",
    "health_endpoint",
    "health_timeout",
    "pid_file",
    "pinned",
    "pipeline_phases",
    "priority",
    "ready",
    "restore_on_failure",
    "retry",
    "sequential",
    "service",
    "start_cmd",
    "stop_cmd",
    "stop_grace_period",
    "stop_signal",
    "type",
    "vram",
    "vram_mb",
    "warm_time",
];

/// The `x-lem` section of a service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct LemKeys {
    /// `none`: the entrypoint is a server, not a wrapper of commands; the run starts without it.
    pub entrypoint: Option<NoEntrypoint>,
    /// The service keeps its own command in persistent mode, and its healthcheck.
    pub keep_command: bool,
    /// `false`: the container gets no inner lem.
    pub inner: Option<bool>,
    /// Keys of a service that uses GPUs, by their names alone; a service without any is none.
    pub of_service: Map<String, Value>,
}

/// The only value of `x-lem: {entrypoint: …}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NoEntrypoint {
    None,
}

#[derive(Deserialize)]
struct Written {
    entrypoint: Option<NoEntrypoint>,
    #[serde(default)]
    keep_command: bool,
    inner: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl TryFrom<Written> for LemKeys {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { entrypoint, keep_command, inner, others } = written;
        let mut of_service = Map::new();
        for (key, value) in others {
            if OF_SERVICES.contains(&key.as_str()) {
                of_service.insert(key, value);
            } else if let Some(hint) = unknown(&key) {
                return Err(format!("unknown key `x-lem.{key}`{hint}"));
            }
        }
        Ok(Self { entrypoint, keep_command, inner, of_service })
    }
}

/// Nothing for a key that `x-lem` may have; else what may be meant.
pub(crate) fn unknown(key: &str) -> Option<String> {
    let known = [&OF_CAMPAIGNS[..], &OF_SERVICES[..]].concat();
    if known.contains(&key) || key.starts_with("x-") {
        return None;
    }
    let own = OF_CAMPAIGNS.join(", ");
    Some(nearest(key, &known).map_or_else(
        || format!("; known here: {own}, and the keys of a service of `services.yaml`"),
        |name| format!("; did you mean `{name}`?"),
    ))
}

impl LemKeys {
    /// Whether the service's containers may have the inner lem.
    pub(crate) fn lets_inner_lem_in(&self) -> bool {
        self.inner.unwrap_or(true)
    }
}

/// The keys of an `x-lem` section that are about a service that uses GPUs.
pub(crate) fn of_service(section: &Value) -> Map<String, Value> {
    let keys = section.as_object().into_iter().flatten();
    let keys = keys.filter(|(key, _)| OF_SERVICES.contains(&key.as_str()));
    keys.map(|(key, value)| (key.clone(), value.clone())).collect()
}
