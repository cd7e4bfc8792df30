//! Files that are whole or absent: written to a temporary name, flushed to the disk where that
//! matters, renamed.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Write};
#[cfg(feature = "host")]
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
    put(path, bytes, flush, None)
}

/// The same, with a mode that the umask has no say in.
#[cfg(feature = "host")]
pub(crate) fn write_with_mode(
    path: &Path,
    bytes: &[u8],
    flush: Flush,
    mode: u32,
) -> io::Result<()> {
    put(path, bytes, flush, Some(mode))
}

fn put(path: &Path, bytes: &[u8], flush: Flush, mode: Option<u32>) -> io::Result<()> {
    remove_halves(path);
    let (mut file, temporary) = temporary(path)?;
    let written = (|| {
        if let Some(mode) = mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
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

/// Removes what writers of `path` left that were killed before they had renamed it.
fn remove_halves(path: &Path) {
    let (folder, name) = (folder_of(path), path.file_name().unwrap_or_default());
    let start = format!(".{}.", name.to_string_lossy());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let writer = name
            .to_str()
            .and_then(|name| name.strip_prefix(&start)?.strip_suffix(".tmp")?.split_once('-'))
            .and_then(|(pid, _)| pid.parse::<u32>().ok());
        let is_alive = |pid: &u32| Path::new("/proc").join(pid.to_string()).exists();
        // No process writes one file twice at once: a number like its own was another's before.
        if writer.is_some_and(|pid| pid == std::process::id() || !is_alive(&pid)) {
            let _ = fs_err::remove_file(entry.path());
        }
    }
}

/// A new file beside `path`. Others may write to its folder: what has the name already, a link to
/// some other file perhaps, is not opened.
fn temporary(path: &Path) -> io::Result<(fs_err::File, PathBuf)> {
    let name = path.file_name().unwrap_or_default();
    for number in 0_u32.. {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{number}.tmp", std::process::id()));
        let temporary = path.with_file_name(hidden);
        match fs_err::OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 100 => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Writes `value` as indented JSON with a final newline, whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T, flush: Flush) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(path, &text, flush)
}

/// Puts a file that somebody else wrote, and its name, on the disk.
///
/// # Errors
/// The file or its folder can't be flushed: what was written last may not be there.
pub(crate) fn keep(file: &std::fs::File, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    sync_directory(path)
}

/// Puts the name of a file or folder on the disk.
///
/// # Errors
/// The folder that it is in can't be flushed.
#[cfg(feature = "host")]
pub(crate) fn keep_name(path: &Path) -> io::Result<()> {
    sync_directory(path)
}

/// Makes a folder, where there is none, that nobody else may enter whatever the umask is, and puts
/// its name on the disk.
///
/// # Errors
/// Any error of making it or of flushing the folder that it is in.
#[cfg(feature = "host")]
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    sync_directory(path)
}

/// Makes the directory entry of `path` durable: a rename is not on the disk before this.
fn sync_directory(path: &Path) -> io::Result<()> {
    fs_err::File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_removes_what_killed_writers_of_the_same_file_left_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let stays = [".a.json.1-0.tmp", ".b.json.4194304-0.tmp", ".a.json.x-0.tmp", "a.json.tmp"];
        // No process has a number this large.
        for name in [".a.json.4194304-0.tmp", ".a.json.4194305-3.tmp"].iter().chain(&stays) {
            std::fs::write(path(name), "ha").unwrap();
        }

        write(&path("a.json"), b"whole", Flush::Later).unwrap();

        let entries = std::fs::read_dir(folder.path()).unwrap().flatten();
        let mut left: Vec<String> =
            entries.map(|entry| entry.file_name().to_str().unwrap().to_owned()).collect();
        left.sort();
        assert_eq!(left, [stays[0], stays[2], stays[1], "a.json", stays[3]].map(str::to_owned));
    }
}
