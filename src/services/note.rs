//! What lem remembers of a service between two commands. How the service *is* is never read here:
//! a note that contradicts docker or `/proc` is wrong.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::ServiceError;
use crate::durable::{self, Flush};
use crate::foreign_file;

const FILE: &str = "note.json";
const USED: &str = "used";
/// A note is a few hundred bytes.
const LONGEST: u64 = 1024 * 1024;

/// What lem remembers of a service. Written by who has the service's permit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Note {
    /// What is being done to it: true only while somebody has its permit.
    pub doing: Option<Doing>,
    /// Why the last start failed; forgotten at the next start or stop.
    pub failed: Option<Failed>,
    /// The start of what runs, if lem did it.
    pub started: Option<Started>,
}

/// What is being done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Doing {
    Starting,
    Stopping,
}

/// A start that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub why: String,
    pub at: Timestamp,
}

/// A start that lem did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    pub at: Timestamp,
    /// The id of the container; the lem-made id of a native service.
    pub instance: String,
    /// The settings that it was started with, as a fingerprint.
    pub settings: String,
    /// Whether it was seen healthy since.
    pub healthy_at: Option<Timestamp>,
    /// When it was waited for in vain last.
    #[serde(default)]
    pub unhealthy_at: Option<Timestamp>,
}

impl Note {
    /// What is known of the start of this instance.
    pub(crate) fn start_of(&self, instance: &str) -> Option<&Started> {
        self.started.as_ref().filter(|started| started.instance == instance)
    }

    /// Somebody waited until an instance was healthy, or until it can't be expected to be any more.
    pub(crate) fn waited(&mut self, instance: &str, settings: String, became: Became) {
        let at = Timestamp::now();
        if self.start_of(instance).is_none() {
            let (instance, healthy_at, unhealthy_at) = (instance.to_owned(), None, None);
            self.started = Some(Started { at, instance, settings, healthy_at, unhealthy_at });
        }
        let Some(started) = &mut self.started else { return };
        match became {
            Became::Healthy => {
                started.healthy_at = Some(at);
                (self.doing, self.failed) = (None, None);
            }
            Became::Overdue => started.unhealthy_at = Some(at),
        }
    }
}

/// How a wait for a service's health ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    Healthy,
    Overdue,
}

/// The note of the service with this folder; an empty one, where there is none or no telling.
pub(crate) fn read(folder: &Path) -> Note {
    let bytes = foreign_file::read(&folder.join(FILE), LONGEST);
    bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Changes the note of the service with this folder.
pub(crate) fn change(folder: &Path, change: impl FnOnce(&mut Note)) -> Result<(), ServiceError> {
    let path = folder.join(FILE);
    let unusable = |source: io::Error| ServiceError::State { path: path.clone(), source };
    let mut note = read(folder);
    change(&mut note);
    std::fs::create_dir_all(folder).map_err(unusable)?;
    durable::write_json(&path, &note, Flush::Later).map_err(unusable)
}

/// When the service was last asked for, or its last lease ended. A file of its own, whose time
/// says it, so that whoever only finds a service there need not wait for its permit.
pub(crate) fn last_used(folder: &Path) -> Option<Timestamp> {
    let modified = std::fs::metadata(folder.join(USED)).ok()?.modified().ok()?;
    Timestamp::try_from(modified).ok()
}

/// The service is used now. Where that can't be noted, it counts as unused for longer.
pub(crate) fn use_now(folder: &Path) {
    let _ = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(folder.join(USED), ""));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_is_damaged_or_newer_says_nothing_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Note::default());
        for text in ["", "{", "[]", "{\"doing\":\"flying\"}", "\u{0}"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(read(folder.path()), Note::default(), "{text}");
        }
        change(folder.path(), |note| note.doing = Some(Doing::Starting)).unwrap();
        assert_eq!(read(folder.path()).doing, Some(Doing::Starting));
    }
}
