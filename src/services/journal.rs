//! The journal: a line of JSON for each operation on a service, kept for ever, a file a month.
//!
//! A line is one write to a file that is only appended to, so that several lems never mix theirs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::foreign_file;

/// What one operation did to one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The same for all services of one command.
    pub operation: Uuid,
    pub at: Timestamp,
    /// As the ledger names it: `--agent`, `LEM_AGENT`, a job of a CI system, or the user.
    pub agent: String,
    /// What was typed.
    pub verb: Verb,
    /// What that meant for this service.
    pub act: Act,
    /// Whether the command named it, and not only what it needs or is in its way.
    pub asked: bool,
    pub service: String,
    /// The registry that it is a service of.
    pub registry: PathBuf,
    pub from: String,
    pub to: String,
    pub outcome: Outcome,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Tries of a start.
    pub attempts: u32,
    /// Waits between the tries, in seconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<f64>,
    /// Whether it had to be killed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub escalated: bool,
    pub seconds: f64,
    /// Used on each of its GPUs, in MiB, before and after.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mib_before: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mib_after: BTreeMap<String, u64>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    Ensure,
    Switch,
    Phase,
    Stop,
    Evict,
    Lease,
}

impl Verb {
    /// As it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ensure => "ensure",
            Self::Switch => "switch",
            Self::Phase => "phase",
            Self::Stop => "stop",
            Self::Evict => "evict",
            Self::Lease => "lease",
        }
    }
}

/// What was done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Act {
    /// It was there, or was only waited for.
    Check,
    Start,
    Stop,
    Evict,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Done,
    Failed,
    /// The user wanted the end.
    Interrupted,
}

/// Appends a line. A journal that can't be written is no reason not to act.
pub(crate) fn append(folder: &Path, entry: &Entry) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let month = entry.at.strftime("%Y-%m");
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    foreign_file::append(&folder.join(format!("{month}.jsonl")))?.write_all(&line)
}

/// All lines, the oldest first. A line that can't be read, perhaps of a newer lem or cut off when
/// the disk was full, is passed over.
pub(crate) fn read(folder: &Path, mut line: impl FnMut(Entry)) {
    let Ok(files) = std::fs::read_dir(folder) else { return };
    let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "jsonl"));
    files.sort();
    for file in files.into_iter().filter_map(|path| foreign_file::open(&path).ok()) {
        for text in BufReader::new(file).split(b'\n').map_while(Result::ok) {
            if let Ok(entry) = serde_json::from_slice(&text) {
                line(entry);
            }
        }
    }
}
