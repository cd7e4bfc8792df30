//! The processes of this pid namespace, read from `/proc`: one scan, no opinion on whose they are.
//!
//! A scan is no snapshot: processes come and go while it reads. Who must be sure scans again.

use std::io::Read;

use nix::unistd::Pid;
use procfs::process::{Process as Entry, all_processes};

use super::MARKER;

/// `/proc` can't be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the processes in `/proc`")]
pub(crate) struct ScanError {
    #[from]
    source: procfs::ProcError,
}

/// One process, and not another that later gets the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) pid: Pid,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
}

/// A living process as one scan saw it.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) id: Identity,
    pub(crate) parent: Pid,
    /// Halted by a STOP signal: it won't act on TERM before it is continued.
    pub(crate) halted: bool,
    /// Its environment carries the marker that was looked for.
    pub(crate) carries: bool,
    /// It is a `lem kill`, which is at work on the same processes as we are.
    pub(crate) is_inner_kill: bool,
}

/// Reads all living processes; `run` is the marker's value to look for.
///
/// A process whose environment can't be read (it is another user's, and we have no privilege) or
/// that has overwritten it shows no marker.
pub(crate) fn scan(run: Option<&str>) -> Result<Vec<Process>, ScanError> {
    let wanted = run.map(|run| format!("{MARKER}={run}").into_bytes());
    let entries = all_processes()?;
    // An entry that fails ended while it was read.
    Ok(entries.flatten().filter_map(|entry| look_at(&entry, wanted.as_deref())).collect())
}

/// The signal that ended this process, where it is a zombie that a signal ended.
pub(crate) fn signal_that_ended(pid: Pid) -> Option<i32> {
    let stat = Entry::new(pid.as_raw()).ok()?.stat().ok()?;
    // As in the status of wait(2): the low seven bits are the signal.
    let signal = stat.exit_code? & 0x7f;
    (stat.state == 'Z' && signal != 0).then_some(signal)
}

fn look_at(entry: &Entry, wanted: Option<&[u8]>) -> Option<Process> {
    let stat = entry.stat().ok()?;
    // A main thread that ended before the others looks like a zombie, but with threads.
    if matches!(stat.state, 'Z' | 'X' | 'x') && stat.num_threads <= 1 {
        return None;
    }
    let carries = wanted.is_some_and(|wanted| carries(entry, wanted));
    Some(Process {
        id: Identity { pid: Pid::from_raw(stat.pid), started: stat.starttime },
        parent: Pid::from_raw(stat.ppid),
        halted: stat.state == 'T',
        carries,
        is_inner_kill: carries && is_inner_kill(entry),
    })
}

/// Whether the environment has exactly this entry. Read as bytes: an environment need not be text,
/// and it may name a variable twice.
fn carries(entry: &Entry, wanted: &[u8]) -> bool {
    let mut environment = Vec::new();
    entry.open_relative("environ").is_ok_and(|mut file| file.read_to_end(&mut environment).is_ok())
        && environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
}

fn is_inner_kill(entry: &Entry) -> bool {
    let is_kill =
        entry.cmdline().is_ok_and(|words| words.get(1).is_some_and(|word| word == "kill"));
    is_kill && entry.exe().is_ok_and(|exe| std::env::current_exe().is_ok_and(|own| own == exe))
}
