//! Is a service well? Asked while it starts, before it does, after it ended, and in between.
//!
//! ```text
//! ask: one probe ─┬─► wait: until it is content, or a limit, the owner's end or the user ends it
//!                 └─► pulse: once, for a status
//! silence: nobody answers there, or who does
//! ```

pub(crate) mod ask;
mod limits;
mod listeners;
pub(crate) mod pulse;
pub(crate) mod silence;
pub(crate) mod wait;

pub(crate) use limits::longest;

use std::time::Duration;

use super::error::ServiceError;

/// What is to become healthy: one process tree or container, from its start to its end. A container
/// that was started again is another one.
pub(crate) trait Owner {
    /// Waits for its end and says how it ended: `exit code 3`. Forever, where it does not end.
    async fn ended(&self) -> String;

    /// Whether it runs, and is still the one it was.
    ///
    /// # Errors
    /// Nobody can be asked just now.
    async fn is_alive(&self) -> Result<bool, ServiceError>;

    /// The last lines that it said.
    async fn tail(&self, lines: usize) -> Vec<String>;

    /// How much it has said so far, in whatever unit; only that it grows counts.
    async fn said(&self) -> Option<u64>;

    /// What the healthcheck of its container says; none, if it has none.
    ///
    /// # Errors
    /// Nobody can be asked just now.
    async fn own_verdict(&self) -> Result<Option<Verdict>, ServiceError>;
}

/// What a container's own healthcheck says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Starting,
    Healthy,
    Unhealthy,
}

/// What a wait has to say. Each thing once, however often it is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The first probe comes after its `warm_time`.
    Warming { time: Duration },
    /// It is not healthy yet: nobody has said this reason before.
    NotYet { why: String },
    /// It answers as it should; now `ready` is asked.
    Answers,
}

/// A service that became healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Healthy {
    /// Requests that it took.
    pub attempts: u32,
    /// `warm_time` included.
    pub waited: Duration,
}

/// How many lines of a service's last words are shown.
const LAST_LINES: usize = 20;

/// A native service with this probe, for tests; impatient.
#[cfg(test)]
pub(super) fn example(url: &str) -> super::service::Service {
    use super::service as s;
    let probe = s::Probe {
        method: s::Method::Get,
        url: url.to_owned(),
        body: None,
        headers: [].into(),
        status: [].into(),
        expect: Vec::new(),
    };
    s::Service {
        name: "example".to_owned(),
        kind: s::Kind::Container { name: "example".to_owned() },
        need: crate::mebibytes::Mebibytes(0),
        priority: 0,
        gpus: s::GpuChoice::All,
        pinned: false,
        depends_on: [].into(),
        phases: [].into(),
        health: s::Health {
            probe: Some(probe),
            ready: None,
            warm_time: Duration::ZERO,
            timeout: Duration::from_secs(30),
            interval: Duration::from_millis(50),
            attempt_timeout: Duration::from_secs(10),
            stall_timeout: None,
            max_attempts: None,
            success_threshold: 1,
            stable: Duration::from_millis(100),
        },
        evict: None,
        stop: s::Stop {
            signal: "TERM".to_owned(),
            grace: Duration::from_secs(1),
            after_grace: s::AfterGrace::Fail,
        },
        retry: s::Retry {
            attempts: 1,
            delay: Duration::ZERO,
            factor: 1.0,
            max_delay: Duration::ZERO,
            jitter: 0.0,
        },
        sequence: s::Sequence::OneAfterTheOther,
        on_failure: s::OnFailure::LeaveStopped,
    }
}
