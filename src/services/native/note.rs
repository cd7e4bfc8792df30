//! What is written down of a start: first that it is going to be, then what it has become.
//!
//! A lem that is killed in between leaves the first half, which is enough to find by its marker
//! whatever it had started. Nothing in a note is believed without a look at `/proc`.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::how::How;
use crate::durable::{self, Flush};
use crate::foreign_file;
use crate::process_tree::Identity;

/// Its name in a service's folder.
const FILE: &str = "native.json";
/// A note is shorter.
const LONGEST: u64 = 1024 * 1024;

/// A start of a native service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Of this start: the value of the marker.
    pub id: String,
    pub service: String,
    pub boot: Boot,
    pub started_at: Timestamp,
    /// In clock ticks since boot: no process of it is older.
    pub since: u64,
    pub command: Vec<String>,
    pub log: PathBuf,
    /// Whether the service lives on in what the program leaves.
    pub daemon: bool,
    pub pid_file: Option<PathBuf>,
    pub cgroup: Option<PathBuf>,
    /// The program that was started, which leads the session. Absent in the first half.
    pub program: Option<Known>,
    /// Processes that it had when it was last looked at with that in mind.
    pub seen: Vec<Known>,
    pub ended: Option<How>,
}

/// Where process numbers mean what they meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Boot {
    pub id: String,
    /// The namespace of process numbers, as the kernel names it.
    pub namespace: String,
}

/// A process, in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub pid: i32,
    /// In clock ticks since boot.
    pub started: u64,
}

impl From<Identity> for Known {
    fn from(id: Identity) -> Self {
        Self { pid: id.pid.as_raw(), started: id.started }
    }
}

impl From<Known> for Identity {
    fn from(known: Known) -> Self {
        Self { pid: Pid::from_raw(known.pid), started: known.started }
    }
}

impl Boot {
    /// This one.
    pub(super) fn now() -> io::Result<Self> {
        let id = fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let namespace = fs_err::read_link("/proc/self/ns/pid")?.to_string_lossy().into_owned();
        Ok(Self { id, namespace })
    }
}

impl Note {
    /// The note in a service's folder, if there is one.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        match foreign_file::read(&folder.join(FILE), LONGEST) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts it on the disk.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        durable::write_json(&folder.join(FILE), self, Flush::Now)
    }

    /// Removes it: nothing was started.
    pub(super) fn remove(folder: &Path) {
        let _ = fs_err::remove_file(folder.join(FILE));
    }

    /// Every process that it names.
    pub(super) fn named(&self) -> impl Iterator<Item = Identity> {
        self.program.iter().chain(&self.seen).map(|known| Identity::from(*known))
    }
}
