//! What work costs: time, processor time and memory, as the kernel counted them.
//!
//! Nothing is polled: both numbers are kept by the kernel anyway, and a poller would miss peaks and
//! disturb what it measures.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use procfs::process::Process;

use super::result::CpuSeconds;

/// Whose work it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    /// All threads of this process.
    ThisProcess,
    /// Children that have been waited for, with the children that they waited for.
    Children,
}

/// A measurement that has begun.
#[derive(Debug)]
pub(crate) struct Sampler {
    subject: Subject,
    started_at: Timestamp,
    clock: Instant,
    before: Usage,
}

/// A measurement that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: CpuSeconds,
    pub(crate) peak_memory_bytes: Option<u64>,
}

impl Sampler {
    /// Begins now.
    pub(crate) fn start(subject: Subject) -> nix::Result<Self> {
        let before = getrusage(subject.who())?;
        Ok(Sampler { subject, before, started_at: Timestamp::now(), clock: Instant::now() })
    }

    /// Ends now.
    pub(crate) fn finish(self) -> nix::Result<Measurement> {
        let wall = self.clock.elapsed();
        let ended_at = Timestamp::now();
        let after = getrusage(self.subject.who())?;
        Ok(Measurement {
            started_at: self.started_at,
            ended_at,
            wall_seconds: wall.as_secs_f64(),
            cpu_seconds: CpuSeconds {
                user: between(self.before.user_time(), after.user_time()),
                system: between(self.before.system_time(), after.system_time()),
            },
            peak_memory_bytes: self.subject.peak_memory(&after),
        })
    }
}

impl Subject {
    fn who(self) -> UsageWho {
        match self {
            Subject::ThisProcess => UsageWho::RUSAGE_SELF,
            Subject::Children => UsageWho::RUSAGE_CHILDREN,
        }
    }

    /// The most memory that one process of the subject had resident at a time.
    fn peak_memory(self, usage: &Usage) -> Option<u64> {
        match self {
            // Not `ru_maxrss`: that one remembers the program which executed this one.
            Subject::ThisProcess => {
                let kibibytes = Process::myself().ok()?.status().ok()?.vmhwm?;
                Some(kibibytes * 1024)
            }
            Subject::Children => u64::try_from(usage.max_rss()).ok().map(|k| k * 1024),
        }
    }
}

fn between(before: TimeVal, after: TimeVal) -> f64 {
    let microseconds = after.num_microseconds() - before.num_microseconds();
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0)).as_secs_f64()
}
