//! Whether folders of this machine are those of the engine's, where that is not certain.
//!
//! A file with a name that is nowhere else is made here, and a container is created, not started,
//! that mounts it: an engine refuses a bind mount whose source it doesn't have.

use std::path::Path;

use crate::campaign::error::CampaignError;
use crate::cancel::Cancel;
use crate::engine::REMOVING;
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::process::{capture, remove};

/// What an engine says of a source that it doesn't have, or that its virtual machine doesn't share.
const UNSEEN: [&str; 3] = ["bind source path does not exist", "mounts denied", "is not shared"];

/// Whether the engine sees a file or folder at the same path; asked with an image that is there.
pub(crate) async fn sees(
    docker: &Docker,
    owner: &str,
    image: &str,
    path: &Path,
    cancel: &Cancel,
) -> Result<bool, EngineError> {
    let create = docker.create_with(owner, image, path);
    let reply = capture(&create, REMOVING, cancel).await?;
    if UNSEEN.iter().any(|words| reply.stderr.contains(words)) {
        return Ok(false);
    }
    let created = reply.success(&create)?;
    remove(&docker.remove(&[created.trim()]), cancel).await?;
    Ok(true)
}

/// Fails unless what is written to `folder` here is there for the engine.
pub(crate) async fn check(
    docker: &Docker,
    owner: &str,
    image: &str,
    folder: &Path,
    cancel: &Cancel,
) -> Result<(), CampaignError> {
    let unwritable = |source| CampaignError::Unwritable { path: folder.to_owned(), source };
    let name = format!(".lem-shared-{}-", uuid::Uuid::new_v4());
    let file = tempfile::Builder::new().prefix(&name).tempfile_in(folder).map_err(unwritable)?;
    if sees(docker, owner, image, file.path(), cancel).await? {
        return Ok(());
    }
    Err(CampaignError::NotShared { folder: folder.to_owned() })
}
