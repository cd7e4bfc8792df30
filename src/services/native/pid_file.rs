//! The file in which others look for a service's process. Of a program that goes into the
//! background it is the program's own, and what it says is checked; of any other, lem writes it.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::unistd::Pid;

use super::note::Note;
use crate::durable::{self, Flush};
use crate::foreign_file;
use crate::process_tree::{Identity, ticks};

/// A number is shorter.
const LONGEST: u64 = 64;
/// By how much a process's age and a file's may differ though both were made in one moment: the one
/// is counted in ticks, the other by the clock on the wall.
const SLACK: Duration = Duration::from_secs(2);

/// Writes the number of the program that was started.
pub(super) fn write(path: &Path, pid: Pid) -> io::Result<()> {
    durable::write(path, format!("{pid}\n").as_bytes(), Flush::Later)
}

/// The living process that the program named in its file, if it did so in this start.
pub(super) fn process(note: &Note) -> Option<Identity> {
    let path = note.pid_file.as_ref().filter(|_| note.daemon)?;
    let written = std::fs::metadata(path).ok()?.modified().ok()?;
    let file_age = SystemTime::now().duration_since(written).unwrap_or_default();
    let id = Identity::of_living(number(path)?)?;
    // A number that was given to another after the file was written is that other's.
    (id.started >= note.since && age(id) + SLACK >= file_age).then_some(id)
}

/// The number that it holds now.
pub(super) fn number(path: &Path) -> Option<Pid> {
    let text = String::from_utf8(foreign_file::read(path, LONGEST).ok()?).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 1).map(Pid::from_raw)
}

/// Removes the file, if it still names this process.
pub(super) fn remove(path: &Path, pid: Pid) {
    if number(path) == Some(pid) {
        let _ = fs_err::remove_file(path);
    }
}

fn age(id: Identity) -> Duration {
    let ticks = ticks().saturating_sub(id.started);
    Duration::from_millis(ticks.saturating_mul(1000) / procfs::ticks_per_second())
}
