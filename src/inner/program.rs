//! Which file a command's first word names.
//!
//! The operating system searches the PATH itself; this looks only to tell a missing command from
//! a missing interpreter, and to find the inner lem where the image has no `lem` of its own.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Where the C library searches when there is no PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// The word that means this very program where the image has no other.
const OWN_NAME: &str = "lem";

/// The program to execute for a command's first word: the word itself, except that `lem` is this
/// very program where the PATH has none.
pub(crate) fn resolve(word: &OsStr) -> OsString {
    if word == OWN_NAME && find(word).is_none() {
        return std::env::current_exe().map_or_else(|_| "/proc/self/exe".into(), PathBuf::into);
    }
    word.to_owned()
}

/// Whether the word names a file that could be executed.
pub(crate) fn exists(word: &OsStr) -> bool {
    find(word).is_some()
}

fn find(word: &OsStr) -> Option<PathBuf> {
    if word.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(word)).filter(|path| is_executable(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    // An empty entry means the working directory, to the C library and to `join` alike.
    std::env::split_paths(&path).map(|dir| dir.join(word)).find(|file| is_executable(file))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}
