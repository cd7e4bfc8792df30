//! Files that are whole or absent: written to a temporary name, flushed to the disk, renamed.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// Writes `bytes` to `path` so that a reader, or the machine after a power cut, sees the old file
/// or the new one and never a part.
///
/// # Errors
/// Any error of creating, writing, flushing or renaming; the temporary file is removed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = fs_err::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs_err::rename(&temporary, path)?;
        sync_directory(path)
    })();
    if written.is_err() {
        let _ = fs_err::remove_file(&temporary);
    }
    written
}

/// Writes `value` as indented JSON with a final newline, whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(path, &text)
}

/// Makes the directory entry of `path` durable: a rename is not on the disk before this.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs_err::File::open(parent)?.sync_all()
}
