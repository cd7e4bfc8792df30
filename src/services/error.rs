//! Why an operation on services can't go on, or did not do what was asked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::holder::Holder;
use crate::cancel::Signal;
use crate::coordination::error::CoordinationError;
use crate::duration::human;
use crate::engine::error::EngineError;
use crate::engine::files::FilesError;
use crate::gpu::error::GpuError;
use crate::mebibytes::Mebibytes;
use crate::yaml::YamlError;

/// A situation that keeps an operation from being done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("there is no registry of services: neither {}", listed(looked))]
    NoRegistry { looked: Vec<PathBuf> },
    #[error(transparent)]
    File(#[from] YamlError),
    #[error("`{key}` of service `{service}` in {place}: {reason}")]
    Senseless { place: String, service: String, key: String, reason: String },
    #[error("`{key}` in {place}: {reason}")]
    SenselessFile { place: String, key: String, reason: String },
    #[error(transparent)]
    ComposeFiles(#[from] FilesError),
    #[error("Compose refuses {files}:\n{complaint}")]
    ComposeFileBroken { files: String, complaint: String },
    #[error("services that wait for each other: {}", names.join(" → "))]
    Cycle { names: Vec<String> },
    #[error("there is no service `{name}`")]
    Unknown { name: String, nearest: Option<String>, known: Vec<String> },
    #[error("no service belongs to phase {phase}")]
    NoPhase { phase: u32, known: Vec<u32> },
    #[error(
        "service `{name}` needs {need} on GPU {gpu}, with {headroom} to spare, and all of it is {total}"
    )]
    TooLarge { name: String, need: Mebibytes, headroom: Mebibytes, gpu: String, total: Mebibytes },
    #[error(
        "service `{name}` needs {need} on GPU {gpu}, with {headroom} to spare, where {free} could be free at most"
    )]
    DoesNotFit {
        name: String,
        need: Mebibytes,
        headroom: Mebibytes,
        gpu: String,
        free: Mebibytes,
        blockers: Vec<Blocker>,
    },
    #[error("service `{name}` asks for GPU `{gpu}`, which this machine does not have")]
    NoGpu { name: String, gpu: String },
    #[error("GPU {gpu} does not say how much memory it has")]
    MemoryUntold { gpu: String },
    #[error("{url} is answered already, and not by service `{name}`{}", said(by.as_deref()))]
    EndpointTaken { name: String, url: String, by: Option<String> },
    #[error("service `{name}` ended while it started: {how}")]
    Died { name: String, how: String, tail: Vec<String> },
    #[error(
        "service `{name}` is not healthy after {} and {}: {last}",
        human(*waited), probes(*attempts)
    )]
    Unhealthy {
        name: String,
        waited: Duration,
        attempts: u32,
        limit: Limit,
        last: String,
        tail: Vec<String>,
    },
    #[error("service `{name}` did not stop: {why}")]
    NotStopped { name: String, why: String },
    #[error("service `{name}` did not free its memory: {why}")]
    NotEvicted { name: String, why: String },
    #[error("service `{name}` has no `evict`")]
    NothingToEvict { name: String },
    #[error(
        "after {} GPU {gpu} has {free} free, and service `{name}` needs {need}, with {headroom} to spare",
        human(*waited)
    )]
    NotRecovered {
        name: String,
        gpu: String,
        need: Mebibytes,
        headroom: Mebibytes,
        free: Mebibytes,
        waited: Duration,
        holders: Vec<String>,
    },
    #[error("{what} is taken: {holder}")]
    Busy { what: String, holder: Box<Holder> },
    #[error("service `{name}` is in use: {}", holders.join(", "))]
    Leased { name: String, holders: Vec<String> },
    #[error("services that need `{name}` run: {}", dependants.join(", "))]
    Needed { name: String, dependants: Vec<String> },
    #[error(
        "service `{name}` has said nothing: it was never started, or is gone with its container"
    )]
    NoLog { name: String },
    #[error("service `{name}` is not running")]
    NotRunning { name: String },
    #[error("docker does not answer, so nobody knows whether `{name}` runs")]
    EngineAway { name: String },
    #[error("service `{name}` is {state}: {why}")]
    Unusable { name: String, state: &'static str, why: String },
    #[error("container `{container}` of service `{name}` belongs to {owner}")]
    Foreign { name: String, container: String, owner: String },
    #[error("service `{name}` has no container `{container}`")]
    NoContainer { name: String, container: String },
    #[error("the image `{image}` of service `{name}` is not on this machine")]
    NoImage { name: String, image: String },
    #[error("service `{name}` can't be started")]
    NotStarted { name: String, source: std::io::Error },
    #[error("`{command}` can't be started")]
    NoCommand { command: String, source: std::io::Error },
    #[error("`{}` can't be used", path.display())]
    State { path: PathBuf, source: std::io::Error },
    #[error("the processes of service `{name}` can't be seen")]
    Unseen { name: String, source: std::io::Error },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error(transparent)]
    Coordination(#[from] CoordinationError),
    #[error("stopped by {signal}")]
    Cancelled { signal: Signal },
}

/// What ended the wait for a service's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `health.timeout`.
    Timeout,
    /// `health.max_attempts`.
    Attempts,
    /// `health.stall_timeout`.
    Stall,
    /// What the user said for this wait.
    Asked,
}

impl Limit {
    /// The key that sets it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Timeout => "health.timeout",
            Self::Attempts => "health.max_attempts",
            Self::Stall => "health.stall_timeout",
            Self::Asked => "--timeout",
        }
    }
}

/// Who holds memory that is not made free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocker {
    /// A service, or a process with its container.
    pub who: String,
    pub memory: Option<Mebibytes>,
    pub why: Untouchable,
}

/// Why a holder of memory is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untouchable {
    Pinned,
    Leased,
    /// As important as who asks; a switch stops it.
    Equal,
    /// More important than who asks; `--preempt` stops it.
    Priority,
    /// Wanted by the same request.
    Wanted,
    /// A service that needs it can't be stopped.
    Needed,
    /// No service of the registry.
    Unmanaged,
}

impl fmt::Display for Untouchable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "pinned",
            Self::Leased => "in use",
            Self::Equal => "as important",
            Self::Priority => "more important",
            Self::Wanted => "wanted too",
            Self::Needed => "needed by a service that stays",
            Self::Unmanaged => "no service of the registry",
        })
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.memory {
            Some(memory) => write!(f, "{} ({memory}, {})", self.who, self.why),
            None => write!(f, "{} ({})", self.who, self.why),
        }
    }
}

impl ServiceError {
    /// Whether what failed was that somebody wanted the end.
    pub(crate) fn is_cut_off(&self) -> bool {
        use CoordinationError as C;
        matches!(
            self,
            Self::Cancelled { .. }
                | Self::Engine(EngineError::Cancelled)
                | Self::Coordination(
                    C::Cancelled { .. }
                        | C::CancelledByOther { .. }
                        | C::TakenAway { .. }
                        | C::Unheard { .. }
                )
        )
    }

    /// Whether the same start may succeed when it is tried again. What is wrong with a file, an
    /// image, a port or the size of a GPU stays wrong.
    pub(crate) fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Died { .. } | Self::Unhealthy { .. } => true,
            // The engine may have been busy; what it refuses for good is told apart where it is
            // asked.
            Self::Engine(error) => error.is_outage() || matches!(error, EngineError::Failed { .. }),
            _ => false,
        }
    }
}

/// `: who`, where that is known.
fn said(by: Option<&str>) -> String {
    by.map(|by| format!(": {by}")).unwrap_or_default()
}

fn probes(count: u32) -> String {
    if count == 1 { "1 probe".to_owned() } else { format!("{count} probes") }
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    names.join(" nor ")
}
