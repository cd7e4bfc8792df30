//! The processes of this pid namespace, read from `/proc`, with no opinion on whose they are.
//!
//! A scan is no snapshot: processes come and go while it reads. It hands out each process at once,
//! so that one that forks without end can be dealt with before it has forked again; and who must
//! be sure that none is left scans again.

use std::collections::HashSet;
use std::io::Read;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use procfs::process::{Process as Entry, Stat, all_processes};

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

/// A living process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) id: Identity,
    pub(crate) parent: Pid,
    /// Halted by a STOP signal: it won't act on TERM before it is continued.
    pub(crate) halted: bool,
}

/// A living process and the way to ask for more about it.
pub(crate) struct Seen {
    pub(crate) process: Process,
    entry: Entry,
}

/// All living processes, those with lower numbers first.
pub(crate) fn scan() -> Result<impl Iterator<Item = Seen>, ScanError> {
    // An entry that fails ended while it was read.
    Ok(all_processes()?.flatten().filter_map(Seen::living))
}

impl Seen {
    fn living(entry: Entry) -> Option<Self> {
        let stat = entry.stat().ok()?;
        // A main thread that ended before the others looks like a zombie, but with threads.
        let is_gone = matches!(stat.state, 'Z' | 'X' | 'x') && stat.num_threads <= 1;
        (!is_gone).then(|| Self { process: Process::of(&stat), entry })
    }

    /// Whether the environment has exactly this entry. Read as bytes: an environment need not be
    /// text, and it may name a variable twice.
    ///
    /// No for a process whose environment can't be read (it is another user's, and we have no
    /// privilege) or that has overwritten it.
    pub(crate) fn carries(&self, variable: &[u8]) -> bool {
        let mut environment = Vec::new();
        self.entry
            .open_relative("environ")
            .is_ok_and(|mut file| file.read_to_end(&mut environment).is_ok())
            && environment.split(|byte| *byte == 0).any(|entry| entry == variable)
    }

    /// Whether this is a `lem kill`.
    pub(crate) fn is_inner_kill(&self) -> bool {
        let says_kill = |words: Vec<String>| words.get(1).is_some_and(|word| word == "kill");
        self.entry.cmdline().is_ok_and(says_kill)
            && self.entry.exe().is_ok_and(|exe| std::env::current_exe().is_ok_and(|own| own == exe))
    }
}

impl Process {
    fn of(stat: &Stat) -> Self {
        Self {
            id: Identity { pid: Pid::from_raw(stat.pid), started: stat.starttime },
            parent: Pid::from_raw(stat.ppid),
            halted: stat.state == 'T',
        }
    }
}

/// This process and its ancestors, as far as this pid namespace shows them.
pub(crate) fn own_line() -> HashSet<Pid> {
    std::iter::successors(Some(nix::unistd::getpid()), |pid| parent(*pid)).collect()
}

fn parent(pid: Pid) -> Option<Pid> {
    let parent = Entry::new(pid.as_raw()).ok()?.stat().ok()?.ppid;
    (parent > 0).then(|| Pid::from_raw(parent))
}

/// Whether this process inherited the signal as ignored.
pub(crate) fn ignores(signal: Signal) -> bool {
    let status = Entry::myself().and_then(|entry| entry.status());
    status.is_ok_and(|status| status.sigign & (1 << (signal as i32 - 1)) != 0)
}

/// The signal that ended this process, where it is a zombie that a signal ended.
pub(crate) fn signal_that_ended(pid: Pid) -> Option<i32> {
    let stat = Entry::new(pid.as_raw()).ok()?.stat().ok()?;
    // As in the status of wait(2): the low seven bits are the signal.
    let signal = stat.exit_code? & 0x7f;
    (stat.state == 'Z' && signal != 0).then_some(signal)
}
