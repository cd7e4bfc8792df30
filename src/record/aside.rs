//! A damaged record is moved aside, never deleted.

use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};

/// The name that a damaged record gets at `time` (RFC 3339): `lem.db.damaged-2026-01-02T030405000Z`.
pub(crate) fn name_of(record: &Path, time: &str) -> PathBuf {
    record.with_extension(format!("db.damaged-{}", time.replace([':', '.'], "")))
}

/// Moves the record and what `SQLite` keeps beside it: what it has not yet taken in may be in there.
pub(crate) fn move_to(record: &Path, aside: &Path) -> Result<()> {
    let with = |path: &Path, end: &str| PathBuf::from(format!("{}{end}", path.display()));
    for end in ["", "-wal", "-shm"] {
        match std::fs::rename(with(record, end), with(aside, end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
