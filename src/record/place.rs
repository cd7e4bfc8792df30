//! Whether the record's file is still at its place: `SQLite` writes on to one that was removed, and
//! nobody would ever read it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::store::{RecordError, Store};

/// Which file it is, whatever its name is.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(path: &Path) -> std::io::Result<Identity> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Store {
    /// Whether what is written into the record can be read by others.
    pub(crate) fn check_place(&self) -> Result<(), RecordError> {
        let Some(opened) = self.identity else { return Ok(()) };
        let path = || self.path.clone();
        match identity(&self.path) {
            Ok(found) if found == opened => Ok(()),
            Ok(_) => Err(RecordError::Gone { path: path(), how: "replaced" }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(RecordError::Gone { path: path(), how: "removed" })
            }
            Err(source) => Err(RecordError::OutOfReach { path: path(), source }),
        }
    }
}
