//! How much room a folder's file system has, and whether a file can still be written there.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use bytesize::ByteSize;
use nix::sys::statvfs::statvfs;

/// The room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes for this user.
    pub free: u64,
    /// Whether another file can be made.
    pub files: Files,
}

/// Whether names are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    Left,
    NoneLeft,
}

/// The room of a folder; none of file systems without a size, such as a network's.
pub(crate) fn of(folder: &Path) -> Option<Room> {
    let status = statvfs(folder).ok()?;
    (status.blocks() > 0).then(|| Room {
        free: status.blocks_available() * status.fragment_size(),
        files: if status.files() > 0 && status.files_available() == 0 {
            Files::NoneLeft
        } else {
            Files::Left
        },
    })
}

/// The same for people: `1.5 MiB`, or that nobody knows.
pub(crate) fn free(folder: &Path) -> String {
    of(folder)
        .map_or_else(|| "?".to_owned(), |room| ByteSize(room.free).display().iec().to_string())
}

/// Writes `bytes` to a file without a name: nothing is left of it, even if lem is killed here.
/// Only this knows of quotas, and of what is kept for root.
///
/// # Errors
/// The folder takes no file, or not so much.
pub(crate) fn try_writing(folder: &Path, bytes: usize) -> io::Result<()> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![0; bytes])
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
