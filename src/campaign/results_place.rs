//! The results folder while a campaign runs: still there, still the same, and with room.
//!
//! Whatever happens to it is no fault of a run, and no run after it would fare better: the campaign
//! ends, and the run that was cut off is done again by a resume.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::CampaignError;
use crate::room::{self, Files, Room};

/// More than lem writes into the folder of a run, its log aside.
pub(crate) const NEEDED: usize = 256 * 1024;
/// With so much there is no doubt.
const PLENTY: u64 = 16 * NEEDED as u64;
/// What shows that a folder still takes files.
const SIGN: usize = 64 * 1024;
/// A network file system that went away answers never.
const PATIENCE: Duration = Duration::from_secs(60);

/// The campaign's results folder as it was when the execution began.
#[derive(Debug, Clone)]
pub(crate) struct ResultsPlace {
    folder: PathBuf,
    identity: (u64, u64),
    /// Where the engine keeps its containers, if that is on this machine.
    engine: Option<PathBuf>,
}

/// What became of a results folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Removed,
    /// Another folder or a file has its name, or something was mounted on it or unmounted.
    Replaced,
}

impl Loss {
    /// For people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Replaced => "replaced",
        }
    }
}

impl ResultsPlace {
    /// The folder as it is now.
    pub(crate) fn of(folder: &Path, engine: Option<&Path>) -> Result<Self, CampaignError> {
        let identity = identity(folder)
            .map_err(|source| CampaignError::Unreadable { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned(), identity, engine: engine.map(Path::to_owned) })
    }

    /// Whether a run never began because the engine has no room for its container.
    pub(crate) fn check_engine(&self, said: &[String]) -> Result<(), CampaignError> {
        let no_room = |line: &String| line.contains("no space left on device");
        match &self.engine {
            Some(root) if said.iter().any(no_room) => {
                Err(CampaignError::unwritable(root, io::ErrorKind::StorageFull.into()))
            }
            _ => Ok(()),
        }
    }

    /// Whether another run can leave its files here.
    pub(crate) async fn check(&self) -> Result<(), CampaignError> {
        let place = self.clone();
        self.bounded(move || {
            place.is_the_same()?;
            roomy(&place.folder)
        })
        .await
    }

    /// Whether a run that did not end well may have failed for lack of a place for its files.
    pub(crate) async fn check_after(&self, run: &Path) -> Result<(), CampaignError> {
        let (place, run) = (self.clone(), run.to_owned());
        self.bounded(move || {
            place.is_the_same()?;
            // That folder is the run's own: what becomes of it is no reason not to do the next one.
            if !run.is_dir() {
                return Ok(());
            }
            room::try_writing(&run, SIGN).map_err(|source| CampaignError::unwritable(&run, source))
        })
        .await
    }

    fn is_the_same(&self) -> Result<(), CampaignError> {
        let gone = |loss| Err(CampaignError::ResultsGone { folder: self.folder.clone(), loss });
        match identity(&self.folder) {
            Ok(identity) if identity == self.identity => Ok(()),
            Ok(_) => gone(Loss::Replaced),
            Err(error) if error.kind() == io::ErrorKind::NotFound => gone(Loss::Removed),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => gone(Loss::Replaced),
            Err(source) => Err(CampaignError::Unreadable { path: self.folder.clone(), source }),
        }
    }

    /// Does `look` on a thread of its own.
    pub(crate) async fn bounded<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> Result<T, CampaignError> + Send + 'static,
    ) -> Result<T, CampaignError> {
        let silent = |reason: io::Error| CampaignError::Unreadable {
            path: self.folder.clone(),
            source: reason,
        };
        match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(look)).await {
            Ok(Ok(looked)) => looked,
            Ok(Err(panicked)) => Err(silent(io::Error::other(panicked))),
            Err(_) => {
                let reason = format!("no answer in {} s", PATIENCE.as_secs());
                Err(silent(io::Error::new(io::ErrorKind::TimedOut, reason)))
            }
        }
    }
}

/// Whether a folder has room for what lem writes.
pub(crate) fn roomy(folder: &Path) -> Result<(), CampaignError> {
    if let Some(Room { free: PLENTY.., files: Files::Left }) = room::of(folder) {
        return Ok(());
    }
    // Figures may be wrong, and some of the room may be root's.
    room::try_writing(folder, NEEDED).map_err(|source| CampaignError::unwritable(folder, source))
}

fn identity(folder: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok((metadata.dev(), metadata.ino()))
}
