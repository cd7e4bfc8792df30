//! Files in folders that others may write to: a run's folder is open to whatever user its container
//! has, so what lies there may be a link, a pipe or a folder under the name of a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens a regular file for reading.
///
/// # Errors
/// There is none, or it is something else: a link is not followed, a pipe not waited for.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

/// Opens a regular file for writing at its end, making it where there is none.
///
/// # Errors
/// As [`open`], or it can't be made.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().create(true).append(true), path)
}

/// The bytes of a regular file that has no more than `most`.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    if file.metadata()?.len() > most {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = options.custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        assert_eq!(read(&path("file"), 4).unwrap(), b"text");
        assert!(read(&path("file"), 3).is_err());
        for name in ["link", "dangling", "pipe", "folder", "none"] {
            assert!(open(&path(name)).is_err(), "{name}");
        }
        for name in ["link", "dangling", "pipe", "folder"] {
            assert!(append(&path(name)).is_err(), "{name}");
        }
        assert!(!path("nowhere").exists());
    }
}
