//! The keys of a service as they are written: in `services.yaml`, or as `x-lem` of a Compose
//! service. What they mean is [`super::check`]'s work.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::forms::{Expects, Scalar, Statuses};
use crate::duration::Time;
use crate::mebibytes::Mebibytes;
use crate::services::service::{CommandLine, GpuChoice};

/// A service that uses GPUs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct ServiceKeys {
    /// A program of this host (`native`), or a container (`docker`). Default: what the other keys
    /// say.
    #[serde(rename = "type")]
    pub kind: Option<KindKey>,
    /// What it takes of each of its GPUs: `20GiB`. Default: nothing.
    pub vram: Option<Mebibytes>,
    /// The same in MiB, as `nvidia-smi` prints it.
    pub vram_mb: Option<u64>,
    /// The higher, the more important. Default 50.
    pub priority: Option<i64>,
    /// `all`, `none`, an index or a UUID, or a list of those. Default: those of the Compose file,
    /// else all.
    pub gpus: Option<GpuChoice>,
    /// Never stopped to make room for another. Default false.
    pub pinned: Option<bool>,
    /// Services that must be healthy before this one starts.
    pub depends_on: Option<Vec<String>>,
    /// The phases of the pipeline that need it.
    pub pipeline_phases: Option<Vec<u32>>,
    /// When it counts as healthy.
    pub health: Option<HealthKeys>,
    /// Another way to write `health.url`.
    pub health_endpoint: Option<String>,
    /// Another way to write `health.timeout`.
    pub health_timeout: Option<Time>,
    /// Before the first probe, outside of `health.timeout`. Default 0.
    pub warm_time: Option<Time>,
    /// Asked once it is healthy: does it do its work?
    pub ready: Option<ProbeKeys>,
    /// How it frees its memory without ending.
    pub evict: Option<EvictKeys>,
    /// `evict: {kind: ollama}` with the server of this URL.
    pub evict_api: Option<String>,
    /// The Compose service that it is.
    pub service: Option<String>,
    /// The container that it is, which somebody else created.
    pub container_name: Option<String>,
    /// Starts the program, which stays in the foreground.
    pub start_cmd: Option<CommandLine>,
    /// Asks the program to end in its own way. Default: a signal.
    pub stop_cmd: Option<CommandLine>,
    /// Where the program starts. Default: the folder of this file.
    pub directory: Option<PathBuf>,
    /// Added to the environment of lem.
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub environment: Option<BTreeMap<String, String>>,
    /// Written for others who look there.
    pub pid_file: Option<PathBuf>,
    /// `start_cmd` ends with 0 and leaves the service behind, whose pid is in `pid_file`.
    pub daemon: Option<bool>,
    /// The first signal of a stop. Default SIGTERM.
    pub stop_signal: Option<String>,
    /// How long it may take to end. Default: the Compose file's, else 30 s.
    pub stop_grace_period: Option<Time>,
    /// What becomes of it when that is over. Default `fail`.
    pub after_grace: Option<AfterGraceKey>,
    /// How often a start is tried.
    pub retry: Option<RetryKeys>,
    /// Whether a switch to it stops the previous service even if both fit. Default true.
    pub sequential: Option<bool>,
    /// Whether a switch to it that fails brings the previous service back. Default false.
    pub restore_on_failure: Option<bool>,
}

/// Where a service lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum KindKey {
    /// A program of this host.
    Native,
    /// A container.
    Docker,
}

/// What becomes of a service that is still there after its grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AfterGraceKey {
    /// The stop failed.
    Fail,
    /// It is killed.
    Kill,
}

/// When a service counts as healthy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct HealthKeys {
    /// Asked by GET. Default: the container's own healthcheck; without that, that it runs.
    pub url: Option<String>,
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Default 200.
    pub status: Option<Statuses>,
    /// A text that the body holds, or values by JSON pointer.
    pub expect: Option<Expects>,
    /// From the first probe on. Default 60 s.
    pub timeout: Option<Time>,
    /// Between two probes at the most. Default 250 ms.
    pub interval: Option<Time>,
    /// Of one probe. Default 5 s.
    pub attempt_timeout: Option<Time>,
    /// Without a new line of output for so long it counts as stuck, and `timeout` is no limit.
    pub stall_timeout: Option<Time>,
    /// Probes at the most.
    #[schemars(range(min = 1))]
    pub max_attempts: Option<u32>,
    /// Compose's word for `max_attempts`.
    #[schemars(range(min = 1))]
    pub retries: Option<u32>,
    /// Probes in a row that must be content. Default 1.
    #[schemars(range(min = 1))]
    pub success_threshold: Option<u32>,
    /// How long a service without any probe must have been running. Default 1 s.
    pub stable: Option<Time>,
}

/// One question to a service, and the answer that is expected.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct ProbeKeys {
    /// The URL of a GET.
    pub get: Option<String>,
    /// The URL of a POST.
    pub post: Option<String>,
    /// Sent as JSON, or as it is where it is a text.
    pub body: Option<Value>,
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Default 200.
    pub status: Option<Statuses>,
    /// A text that the body holds, or values by JSON pointer.
    pub expect: Option<Expects>,
}

/// How a service frees its memory without ending.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct EvictKeys {
    /// What it speaks.
    pub kind: Option<EvictKind>,
    /// Its server; for `http` where the POST goes. Default: the server of `health.url`.
    pub url: Option<String>,
    /// Of `vllm-sleep`. Default 1.
    #[schemars(range(min = 1, max = 2))]
    pub level: Option<u32>,
    /// Of `http`: the URL of a GET.
    pub get: Option<String>,
    /// Of `http`: the URL of a POST.
    pub post: Option<String>,
    /// Of `http`: sent as JSON, or as it is where it is a text.
    pub body: Option<Value>,
    /// Of `http`.
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Of `http`. Default 200.
    pub status: Option<Statuses>,
    /// Of `http`: a text that the body holds, or values by JSON pointer.
    pub expect: Option<Expects>,
}

/// What a service that can free its memory speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EvictKind {
    Ollama,
    VllmSleep,
    ComfyuiFree,
    Http,
}

/// How often a start is tried.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct RetryKeys {
    /// Tries in all. Default 3.
    #[schemars(range(min = 1))]
    pub attempts: Option<u32>,
    /// Before the second try. Default 2 s.
    pub delay: Option<Time>,
    /// Each further pause is so many times the one before. Default 2.
    #[schemars(range(min = 1, max = 100))]
    pub factor: Option<f32>,
    /// The longest pause. Default 30 s.
    pub max_delay: Option<Time>,
    /// Each pause is so much longer or shorter at most, as a share of it. Default 0.1.
    #[schemars(range(min = 0, max = 1))]
    pub jitter: Option<f64>,
}

/// A `$type` whose listed keys are those of `$own`, or where that leaves them open of `$other`.
macro_rules! either {
    ($own:ident, $other:ident, $type:ident { $($key:ident),+ } $(with { $($merged:ident),+ })?) => {
        $type { $($key: $own.$key.or($other.$key),)+ $($($merged),+)? }
    };
}

fn merged<T>(own: Option<T>, other: Option<T>, merge: impl Fn(T, T) -> T) -> Option<T> {
    match (own, other) {
        (Some(own), Some(other)) => Some(merge(own, other)),
        (own, other) => own.or(other),
    }
}

impl ServiceKeys {
    /// With the keys of `other` where these leave them open.
    pub(super) fn or(self, other: Self) -> Self {
        let health = merged(self.health, other.health, HealthKeys::or);
        let retry = merged(self.retry, other.retry, RetryKeys::or);
        let environment = merged(self.environment, other.environment, |own, mut all| {
            all.extend(own);
            all
        });
        either!(
            self,
            other,
            ServiceKeys {
                kind, vram, vram_mb, priority, gpus, pinned, depends_on, pipeline_phases,
                health_endpoint, health_timeout, warm_time, ready, evict, evict_api, service,
                container_name, start_cmd, stop_cmd, directory, pid_file, daemon, stop_signal,
                stop_grace_period, after_grace, sequential, restore_on_failure
            } with { health, retry, environment }
        )
    }
}

impl HealthKeys {
    fn or(self, other: Self) -> Self {
        either!(
            self,
            other,
            HealthKeys {
                url,
                headers,
                status,
                expect,
                timeout,
                interval,
                attempt_timeout,
                stall_timeout,
                max_attempts,
                retries,
                success_threshold,
                stable
            }
        )
    }
}

impl RetryKeys {
    fn or(self, other: Self) -> Self {
        either!(self, other, RetryKeys { attempts, delay, factor, max_delay, jitter })
    }
}
