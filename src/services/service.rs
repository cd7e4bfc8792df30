//! A GPU service, as the registry describes it: checked, with every default filled in. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::engine::compose::Project;
use crate::mebibytes::Mebibytes;

/// A service of the registry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Service {
    /// Its name in the registry.
    pub name: String,
    pub kind: Kind,
    /// What it takes of each of its GPUs; 0 for a service that needs none.
    pub need: Mebibytes,
    /// The higher, the more important.
    pub priority: i64,
    pub gpus: GpuChoice,
    /// Never stopped to make room for another.
    pub pinned: bool,
    /// Services that must be healthy before this one starts, and that outlive it.
    pub depends_on: BTreeSet<String>,
    /// The phases of the pipeline that need it.
    pub phases: BTreeSet<u32>,
    pub health: Health,
    pub evict: Option<Evict>,
    pub stop: Stop,
    pub retry: Retry,
    /// Whether a switch to this one stops the previous one first even if both would fit.
    pub sequence: Sequence,
    /// Whether a switch to this one that fails brings the previous one back.
    pub on_failure: OnFailure,
}

/// Where a service lives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A service of a Compose file.
    Compose(ComposeService),
    /// A container that somebody else created, by its name.
    Container { name: String },
    /// A program of this host.
    Native(Native),
}

/// A service of a Compose file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ComposeService {
    /// Its project, with the name that Compose chose or the registry set.
    pub project: Project,
    /// Its name in the Compose file.
    pub service: String,
}

/// A program of this host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Native {
    pub start: CommandLine,
    /// Asks the program to end in its own way; signals follow only where that does not end it.
    pub stop: Option<CommandLine>,
    /// Where the program starts: absolute.
    pub directory: PathBuf,
    /// Added to the environment of lem.
    pub environment: BTreeMap<String, String>,
    /// Written at the start for others who look there: absolute.
    pub pid_file: Option<PathBuf>,
    pub life: Life,
}

/// A command of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandLine {
    /// A program and its arguments.
    Words(Vec<String>),
    /// A line for `sh -c`.
    Shell(String),
}

/// What the end of the program that was started means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// The end of the service.
    Foreground,
    /// Nothing, if it exits with 0: the service goes on in processes that it left.
    Daemon,
}

/// The GPUs that a service uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GpuChoice {
    All,
    /// By index, by UUID, or by the beginning of that.
    Named(Vec<String>),
}

/// When a service counts as ready.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Health {
    /// Asked again and again; without it the container's own healthcheck decides, and without that
    /// that it has been running for [`Self::stable`].
    pub probe: Option<Probe>,
    /// Asked once `probe` is content: does it do its work?
    pub ready: Option<Probe>,
    /// Before the first probe, outside of `timeout`.
    pub warm_time: Duration,
    /// From the first probe on.
    pub timeout: Duration,
    /// Between two probes at the most; the first ones follow each other faster.
    pub interval: Duration,
    /// Of one probe.
    pub attempt_timeout: Duration,
    /// Without a new line of output for so long, it counts as stuck; `timeout` is then no limit.
    pub stall_timeout: Option<Duration>,
    /// Probes at the most; whichever of this and `timeout` is first.
    pub max_attempts: Option<u32>,
    /// Probes in a row that must be content.
    pub success_threshold: u32,
    /// How long a service without any probe must have been running.
    pub stable: Duration,
}

/// One question to a service, and the answer that is expected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    pub method: Method,
    /// `http://` or `https://`.
    pub url: String,
    /// Sent as JSON, or as it is where it is a text.
    pub body: Option<Value>,
    pub headers: BTreeMap<String, String>,
    /// The statuses that count; none means 200.
    pub status: BTreeSet<u16>,
    pub expect: Vec<Expect>,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

/// What an answer's body must say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expect {
    /// It holds this text.
    Contains(String),
    /// It is JSON, and at this pointer (RFC 6901) stands this value.
    Json { pointer: String, value: Value },
}

/// How a service frees its memory without ending.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Evict {
    /// Asks for all loaded models, unloads each, and waits until none is left.
    Ollama { base: String },
    /// `POST /sleep`.
    VllmSleep { base: String, level: u32 },
    /// `POST /free`.
    ComfyuiFree { base: String },
    /// A request of the registry's own.
    Http(Probe),
}

/// How a service is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The first signal of a native service, by its name without `SIG`; a container has its own.
    pub signal: String,
    /// From the first signal on.
    pub grace: Duration,
    pub after_grace: AfterGrace,
}

/// What happens to a service that is still there after its grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterGrace {
    /// The stop failed: a GPU can be wedged by a kill in the middle of a transfer.
    Fail,
    /// It is killed.
    Kill,
}

/// How often a start is tried.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Retry {
    /// Tries in all.
    pub attempts: u32,
    /// Before the second try.
    pub delay: Duration,
    /// Each further pause is so many times the one before.
    pub factor: f32,
    /// The longest pause.
    pub max_delay: Duration,
    /// Each pause is so much longer or shorter at most, as a share of it.
    pub jitter: f64,
}

/// Whether the previous service of a switch may run beside the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// It is stopped first.
    OneAfterTheOther,
    /// It is stopped only where both don't fit.
    SideBySide,
}

/// What follows a switch that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Nothing: no service runs.
    LeaveStopped,
    /// The previous one is started again.
    Restore,
}

impl Service {
    /// Whether it can live without a Docker engine.
    pub(crate) fn is_native(&self) -> bool {
        matches!(self.kind, Kind::Native(_))
    }

    /// The longest that a start can take: each try warms up and times out, with the waits between.
    pub(crate) fn longest_start(&self) -> Duration {
        let (health, retry) = (&self.health, &self.retry);
        let tries = retry.attempts.max(1);
        let each = health.warm_time.saturating_add(health.timeout);
        let mut wait = retry.delay.min(retry.max_delay);
        let mut all = each.saturating_mul(tries);
        for _ in 1..tries.min(1000) {
            all = all.saturating_add(wait.mul_f64(1.0 + retry.jitter));
            let next = wait.as_secs_f64() * f64::from(retry.factor);
            wait = Duration::try_from_secs_f64(next).unwrap_or(retry.max_delay);
            wait = wait.min(retry.max_delay);
        }
        all
    }

    /// What a native service is started with, as text that is the same for the same settings; the
    /// settings of containers are Compose's to compare.
    pub(crate) fn fingerprint(&self) -> String {
        let Kind::Native(native) = &self.kind else { return String::new() };
        let said = format!("{:?}", (&native.start, &native.directory, &native.environment));
        super::place::short_hash(&said)
    }
}
