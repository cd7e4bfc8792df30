//! A service's output: a file, so that the service never waits for a reader, and a new one at each
//! start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::foreign_file;
use crate::secret::hidden_in;

/// The name of the newest in a service's folder.
const FILE: &str = "output.log";
/// How many are kept, the newest among them.
const KEPT: u32 = 3;
/// The end of a log in which its last lines are looked for.
const TAIL: u64 = 64 * 1024;
/// Of one line that is shown.
const LONGEST_LINE: usize = 2000;

/// Where a service's newest output is.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

fn older(folder: &Path, age: u32) -> PathBuf {
    match age {
        0 => path(folder),
        age => folder.join(format!("{FILE}.{age}")),
    }
}

/// Makes a new log for a start; those of earlier starts move on.
pub(super) fn begin(folder: &Path) -> io::Result<File> {
    for age in (1..KEPT).rev() {
        match std::fs::rename(older(folder, age - 1), older(folder, age)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    create(&path(folder))
}

/// A file that is not there yet; what others may read of it is up to the folder.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o640).open(path)
}

/// Device and inode: which file it is, whatever it is called.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    found.is_file().then(|| (found.dev(), found.ino()))
}

/// Bytes that were written so far.
pub(super) fn length(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |found| found.len())
}

/// The last lines, without secrets and without what a terminal would obey.
pub(super) fn tail(path: &Path, lines: usize) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = foreign_file::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text = hidden_in(&text);
    // A progress bar writes one line over and over.
    let last = |line: &str| line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
    let all: Vec<String> = text.lines().map(last).filter(|line| !line.is_empty()).collect();
    let shown = all[all.len().saturating_sub(lines)..].iter();
    shown.map(|line| plain(line)).collect()
}

fn plain(line: &str) -> String {
    let printable = |c: &char| !c.is_control() || *c == '\t';
    line.chars().filter(printable).take(LONGEST_LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_has_a_log_of_its_own_and_the_last_three_are_kept() {
        // F34
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        for start in 1..=4 {
            writeln!(begin(folder.path()).unwrap(), "start {start}").unwrap();
        }
        let said = |name: &str| std::fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(said("output.log").as_deref(), Some("start 4\n"));
        assert_eq!(said("output.log.1").as_deref(), Some("start 3\n"));
        assert_eq!(said("output.log.2").as_deref(), Some("start 2\n"));
        assert_eq!(said("output.log.3"), None);
    }

    #[test]
    fn the_last_lines_are_words_and_no_orders_to_the_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, b"one\n\ntwo\x1b\x07\xff\n10 %\r20 %\r\nthree").unwrap();
        assert_eq!(tail(&log, 3), ["two\u{fffd}", "20 %", "three"]);
        assert_eq!(tail(&folder.path().join("none"), 3), Vec::<String>::new());
    }
}
