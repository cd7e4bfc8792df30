//! Which projects have networks that lem made: networks carry no label of ours, because Compose
//! recreates a network whose labels change, under the containers of others.
//!
//! A note says so from before the first container until the teardown is done. After a `kill -9` it
//! is still there, and the next campaign, or `lem reap`, knows that the networks are lem's to remove.

use std::path::{Path, PathBuf};

use super::locks;
use crate::campaign::error::CampaignError;
use crate::campaign::site::Site;

/// The note of one campaign.
pub(super) struct Traces(PathBuf);

/// Notes that the networks of a project are lem's, where it has none yet or a note says so.
pub(super) fn begin(site: &mut Site) -> Result<Traces, CampaignError> {
    let path = path(&site.engine.id, &site.owner)?;
    if path.exists() {
        site.networks.clear();
    } else if site.networks.is_empty() {
        let unwritable = |source| CampaignError::Unwritable { path: path.clone(), source };
        path.parent().map(std::fs::create_dir_all).transpose().map_err(unwritable)?;
        std::fs::write(&path, [])
            .map_err(|source| CampaignError::Unwritable { path: path.clone(), source })?;
    }
    Ok(Traces(path))
}

impl Traces {
    /// Forgets it, unless the teardown left something behind.
    pub(super) fn end(self, ended: &Result<(), CampaignError>) {
        if !matches!(ended, Err(CampaignError::LeftBehind { .. })) {
            forget(&self.0);
        }
    }
}

/// The projects on an engine whose networks are lem's.
pub(super) fn projects(engine: &str) -> Result<Vec<String>, CampaignError> {
    let folder = folder(engine)?;
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.strip_suffix(ENDING).map(str::to_owned)).collect())
}

/// The note about a project.
pub(super) fn path(engine: &str, project: &str) -> Result<PathBuf, CampaignError> {
    Ok(folder(engine)?.join(format!("{project}{ENDING}")))
}

/// Removes a note.
pub(super) fn forget(path: &Path) {
    // One that stays only means that an empty network of the project is removed later.
    let _ = std::fs::remove_file(path);
}

const ENDING: &str = ".networks";

fn folder(engine: &str) -> Result<PathBuf, CampaignError> {
    Ok(locks::engine_state(engine)?.join("locks"))
}
