//! All files of a project, or none: nothing is overwritten, and what was written is removed again
//! when the rest can't be.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::files::{IGNORED, ProjectFile};

/// Why a project was not written.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum InitError {
    #[error("`{}` already has {}", folder.display(), listed(what))]
    InTheWay { folder: PathBuf, what: Vec<String> },
    #[error("`{}` can't be written", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
}

fn listed(what: &[String]) -> String {
    let names: Vec<String> = what.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Files of ours and their other names: beside one of these, ours would take its place.
const SAME_MEANING: [(&str, &[&str]); 3] = [
    ("compose.yaml", &["compose.yml", "docker-compose.yml", "docker-compose.yaml"]),
    ("campaign.yaml", &["campaign.yml"]),
    ("services.yaml", &["services.yml"]),
];

/// Whether a `.gitignore` is written, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GitIgnore {
    /// There is none yet.
    Written,
    /// There is one, and it stays as it is.
    Kept,
}

/// Looks for whatever the files would overwrite or take the place of.
///
/// # Errors
/// There is something.
pub(super) fn look(folder: &Path, files: &[ProjectFile]) -> Result<GitIgnore, InitError> {
    let there = |name: &str| folder.join(name).symlink_metadata().is_ok();
    if folder.symlink_metadata().is_ok() && !folder.is_dir() {
        let (above, name) = (folder.parent().unwrap_or(folder), folder.file_name());
        let what = vec![name.unwrap_or_default().to_string_lossy().into_owned()];
        return Err(InitError::InTheWay { folder: above.to_owned(), what });
    }
    let mut what: Vec<String> = Vec::new();
    for file in files.iter().filter(|file| file.path != IGNORED) {
        let below = file.path.split_once('/').map(|(below, _)| below);
        match below.filter(|below| there(below) && !folder.join(below).is_dir()) {
            Some(below) if !what.iter().any(|name| name == below) => what.push(below.to_owned()),
            None if there(file.path) => what.push(file.path.to_owned()),
            Some(_) | None => {}
        }
    }
    let ours = |path: &str| files.iter().any(|file| file.path == path);
    let others = SAME_MEANING.iter().filter(|(path, _)| ours(path)).flat_map(|(_, names)| *names);
    what.extend(others.filter(|name| there(name)).map(|name| (*name).to_owned()));
    if !what.is_empty() {
        return Err(InitError::InTheWay { folder: folder.to_owned(), what });
    }
    Ok(if there(IGNORED) { GitIgnore::Kept } else { GitIgnore::Written })
}

/// Writes the files below `folder`, which is made if need be.
///
/// # Errors
/// One of them is there, or can't be written; then none was written.
pub(super) fn write(folder: &Path, files: &[&ProjectFile]) -> Result<(), InitError> {
    let mut made = Made::default();
    for file in files {
        let path = folder.join(file.path);
        made.folder(path.parent().unwrap_or(folder))?;
        made.file(folder, file, path)?;
    }
    made.files.clear();
    made.folders.clear();
    Ok(())
}

/// What was made so far; removed again when it is dropped.
#[derive(Default)]
struct Made {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    /// Makes a folder and those above it, each noted, so that none of somebody else's is removed.
    fn folder(&mut self, folder: &Path) -> Result<(), InitError> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.folder(above)?;
        }
        match std::fs::create_dir(folder) {
            Ok(()) => self.folders.push(folder.to_owned()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(source) => {
                return Err(InitError::Unwritable { path: folder.to_owned(), source });
            }
        }
        Ok(())
    }

    fn file(&mut self, folder: &Path, file: &ProjectFile, path: PathBuf) -> Result<(), InitError> {
        let mut open = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(open) => open,
            // It was not there a moment ago: somebody else is at it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let what = vec![file.path.to_owned()];
                return Err(InitError::InTheWay { folder: folder.to_owned(), what });
            }
            Err(source) => return Err(InitError::Unwritable { path, source }),
        };
        self.files.push(path.clone());
        open.write_all(file.text.as_bytes())
            .map_err(|source| InitError::Unwritable { path, source })
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        // A folder that has something else in it by now stays.
        for folder in self.folders.iter().rev() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}
