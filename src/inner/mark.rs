//! The marks that `lem run` leaves in the results directory: proof that a run started and how it
//! ended, written in the container and read by the host. Where there is no inner lem, its shell script
//! or the host writes the same marks.
//!
//! Readers ignore fields they don't know, so that a host can read what a newer inner lem wrote.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use crate::durable::{self, Flush};

/// The file name of a [`StartedMark`].
pub(crate) const STARTED_FILE: &str = "started.json";
/// The file name of an [`EndedMark`].
pub(crate) const ENDED_FILE: &str = "ended.json";

/// The run reached its container and can write its results. The command may not have started yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StartedMark {
    /// The run's name, absent where the environment names none.
    pub(crate) run: Option<String>,
    /// The effective user that writes the results.
    pub(crate) uid: u32,
    /// The effective group that writes the results.
    pub(crate) gid: u32,
    /// The inner lem's process id, as seen in the container.
    pub(crate) pid: u32,
    pub(crate) started_at: Timestamp,
    /// The version of the inner lem.
    pub(crate) version: String,
}

impl StartedMark {
    /// The mark of this very process, now.
    pub(crate) fn of_this_process(run: Option<&str>) -> Self {
        Self {
            run: run.map(str::to_owned),
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            pid: std::process::id(),
            started_at: Timestamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Writes the mark durably into `dir`.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        durable::write_json(&dir.join(STARTED_FILE), self, Flush::Later)
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndReason {
    /// The command exited by itself.
    Exited,
    /// A signal that is not ours ended the command.
    Signaled,
    /// The time limit was reached.
    TimeLimit,
    /// The host's lem is gone, or wanted the run stopped.
    LifelineCut,
    /// The inner lem got a signal that asks to stop.
    Stopped,
    /// There is no such command; nothing was started.
    NotFound,
    /// The command is there but can't be executed; nothing was started.
    NotExecutable,
}

impl EndReason {
    /// Whether the command, or its own limit, was what ended the run.
    #[cfg(feature = "host")]
    pub(crate) fn is_the_commands_own(self) -> bool {
        match self {
            Self::Exited | Self::TimeLimit | Self::NotFound | Self::NotExecutable => true,
            Self::Signaled | Self::LifelineCut | Self::Stopped => false,
        }
    }
}

/// The run is over and its processes are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndedMark {
    /// The run's name, absent where the environment names none.
    pub(crate) run: Option<String>,
    pub(crate) reason: EndReason,
    /// The command's own exit code, where it exited, whatever the reason.
    pub(crate) exit_code: Option<i32>,
    /// With reason `stopped` the signal that the inner lem got, else the one that ended the command.
    pub(crate) signal: Option<i32>,
    /// From the command's start to its end: without the time to end what it left over.
    pub(crate) wall_seconds: f64,
    /// User and system time of all reaped processes; one that its own parent never waited for and
    /// that did not outlive that parent is missing. Absent where nobody could measure it.
    pub(crate) cpu_seconds: Option<f64>,
    /// The largest resident size that a single process reached. Absent where nobody could measure it.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// How often the kernel's out-of-memory killer struck in this container during the run.
    pub(crate) oom_kills: u64,
    /// How many processes had to be ended after the command itself had ended.
    pub(crate) leftovers: u64,
    pub(crate) ended_at: Timestamp,
}

impl EndedMark {
    /// Whether the command ended by itself, before anything asked it to.
    #[cfg(feature = "host")]
    pub(crate) fn came_first(&self) -> bool {
        match self.reason {
            EndReason::Exited | EndReason::NotFound | EndReason::NotExecutable => true,
            // A signal may be one that was meant to stop it.
            EndReason::Signaled
            | EndReason::TimeLimit
            | EndReason::LifelineCut
            | EndReason::Stopped => false,
        }
    }

    /// Writes the mark durably into `dir`.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        durable::write_json(&dir.join(ENDED_FILE), self, Flush::Later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_mark_survives_the_trip_to_the_host_and_unknown_fields() {
        let mark = EndedMark {
            run: Some("a1".to_owned()),
            reason: EndReason::TimeLimit,
            exit_code: None,
            signal: Some(15),
            wall_seconds: 2.5,
            cpu_seconds: Some(0.25),
            peak_memory_bytes: Some(4096),
            oom_kills: 0,
            leftovers: 3,
            ended_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        };
        let mut json = serde_json::to_value(&mark).unwrap();
        assert_eq!(json["reason"], "time_limit");
        assert_eq!(json["ended_at"], "2026-01-02T03:04:05Z");
        json["of_a_newer_version"] = true.into();
        assert_eq!(serde_json::from_value::<EndedMark>(json).unwrap(), mark);
    }
}
