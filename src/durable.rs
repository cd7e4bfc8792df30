//! Files that are whole or absent: written to a temporary name, flushed to the disk where that
//! matters, renamed.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// When the bytes are on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Before the call returns.
    Now,
    /// When the kernel likes: for files that are worth nothing after a power cut. A flush costs
    /// milliseconds on a busy disk, and a campaign of short runs would feel them.
    Later,
}

/// Writes `bytes` to `path` so that a reader sees the old file or the new one and never a part;
/// with [`Flush::Now`], so does the machine after a power cut.
///
/// # Errors
/// Any error of creating, writing, flushing or renaming; the temporary file is removed.
pub(crate) fn write(path: &Path, bytes: &[u8], flush: Flush) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = fs_err::File::create(&temporary)?;
        file.write_all(bytes)?;
        if flush == Flush::Now {
            file.sync_all()?;
        }
        fs_err::rename(&temporary, path)?;
        if flush == Flush::Now { sync_directory(path) } else { Ok(()) }
    })();
    if written.is_err() {
        let _ = fs_err::remove_file(&temporary);
    }
    written
}

/// Writes `value` as indented JSON with a final newline, whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T, flush: Flush) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(path, &text, flush)
}

/// Makes the directory entry of `path` durable: a rename is not on the disk before this.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs_err::File::open(parent)?.sync_all()
}
