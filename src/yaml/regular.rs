//! The text of a file that is one: no pipe that nobody writes to, no device that never ends.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use super::YamlError;
use super::text::limited;

/// The text of a regular file; links are followed.
pub(crate) fn of_file(path: &Path) -> Result<String, YamlError> {
    let unreadable = |source| YamlError::Unreadable { path: path.to_owned(), source };
    let opened = || {
        regular(&std::fs::metadata(path)?)?;
        // Between the two calls it may have become a pipe.
        let flags = OFlag::O_NONBLOCK.bits();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        regular(&file.metadata()?)?;
        Ok(file)
    };
    limited(path, &opened().map_err(unreadable)?)
}

fn regular(found: &std::fs::Metadata) -> io::Result<()> {
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_named_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
        std::fs::write(path("file"), "a: 1\n").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        for (name, what) in [
            ("pipe", "a pipe"),
            ("socket", "a socket"),
            ("folder", "a folder"),
            ("device", "a dev"),
        ] {
            let Err(YamlError::Unreadable { source, .. }) = of_file(&path(name)) else {
                panic!("{name}");
            };
            assert!(source.to_string().contains(what), "{source}");
        }
        assert_eq!(of_file(&path("link")).unwrap(), "a: 1\n");
    }
}
