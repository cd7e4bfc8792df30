//! The processes of this pid namespace, read from `/proc`, with no opinion on whose they are.
//!
//! A scan is no snapshot: processes come and go while it reads. It hands out each process at once,
//! so that one that forks without end can be dealt with before it has forked again; and who must
//! be sure that none is left scans again.

use std::collections::{HashSet, VecDeque};
use std::io::Read;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use procfs::process::{Process as Entry, Stat};

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

impl Identity {
    /// The process that has this number now, if there is one and it is no zombie.
    #[cfg(feature = "host")]
    pub(crate) fn of_living(pid: Pid) -> Option<Self> {
        Seen::living(Entry::new(pid.as_raw()).ok()?).map(|seen| seen.process().id)
    }

    /// The process that has this number now, be it a zombie.
    #[cfg(feature = "host")]
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        Some(Process::of(&Entry::new(pid.as_raw()).ok()?.stat().ok()?).id)
    }

    /// Whether it lives: a zombie does not, nor does one whose number is another's by now.
    #[cfg(feature = "host")]
    pub(crate) fn is_alive(self) -> bool {
        Self::of_living(self.pid) == Some(self)
    }
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
    stat: Stat,
    entry: Entry,
}

/// How often a scan goes back to what has begun since it looked. A process that lives no longer than
/// the rest of the scan takes, and leaves another one, would never be seen; a machine that starts
/// programs all the time would never be done with.
const LATECOMERS: usize = 20;

/// All living processes, those with lower numbers first, and then those that began meanwhile.
pub(crate) fn scan() -> Result<impl Iterator<Item = Seen>, ScanError> {
    let mut listed = HashSet::new();
    let mut queue = unlisted(&mut listed)?;
    let mut looks = LATECOMERS;
    let next = move || {
        while queue.is_empty() && looks > 0 {
            looks -= 1;
            queue = unlisted(&mut listed).ok()?;
            if queue.is_empty() {
                return None;
            }
        }
        queue.pop_front()
    };
    // An entry that fails ended while it was read.
    let living = |pid: i32| Seen::living(Entry::new(pid).ok()?);
    Ok(std::iter::from_fn(next).filter_map(living))
}

/// The numbers in `/proc` that are not listed yet.
fn unlisted(listed: &mut HashSet<i32>) -> Result<VecDeque<i32>, ScanError> {
    let entries = std::fs::read_dir("/proc").map_err(procfs::ProcError::from)?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.filter(|pid| listed.insert(*pid)).collect())
}

impl Seen {
    fn living(entry: Entry) -> Option<Self> {
        let stat = entry.stat().ok()?;
        // A main thread that ended before the others looks like a zombie, but with threads.
        let is_gone = matches!(stat.state, 'Z' | 'X' | 'x') && stat.num_threads <= 1;
        (!is_gone).then_some(Self { stat, entry })
    }

    pub(crate) fn process(&self) -> Process {
        Process::of(&self.stat)
    }

    /// The session that it is in.
    #[cfg(feature = "host")]
    pub(crate) fn session(&self) -> Pid {
        Pid::from_raw(self.stat.session)
    }

    /// Whether the environment has exactly this entry. Read as bytes: an environment need not be
    /// text, and it may name a variable twice.
    ///
    /// No for a process whose environment can't be read (it is another user's, and we have no
    /// privilege) or that has overwritten it.
    pub(crate) fn carries(&self, variable: &[u8]) -> bool {
        self.environment().split(|byte| *byte == 0).any(|entry| entry == variable)
    }

    /// The first value of a variable in its environment, with the same limits.
    #[cfg(feature = "host")]
    pub(crate) fn value_of(&self, name: &str) -> Option<Vec<u8>> {
        let environment = self.environment();
        let mut entries = environment.split(|byte| *byte == 0);
        entries
            .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .map(Vec::from)
    }

    /// Whether its standard output or error is this file, by device and inode. No where that can't
    /// be seen.
    #[cfg(feature = "host")]
    pub(crate) fn writes_to(&self, file: (u64, u64)) -> bool {
        use std::os::unix::fs::MetadataExt;
        // What `/proc` shows as a link leads to the open file itself, also to one without a name.
        let is_it = |number| {
            let path = format!("/proc/{}/fd/{number}", self.stat.pid);
            std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == file)
        };
        is_it(1) || is_it(2)
    }

    /// Whether it has this file open, by device and inode. No where that can't be seen.
    #[cfg(feature = "host")]
    pub(crate) fn has_open(&self, file: (u64, u64)) -> bool {
        use std::os::unix::fs::MetadataExt;
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.stat.pid));
        let mut open = folder.into_iter().flatten().flatten();
        open.any(|entry| {
            std::fs::metadata(entry.path()).is_ok_and(|found| (found.dev(), found.ino()) == file)
        })
    }

    /// Whether it is in a control group (version 2) of this name, or in one below.
    #[cfg(feature = "host")]
    pub(crate) fn is_in_group(&self, name: &str) -> bool {
        self.entry.cgroups().is_ok_and(|groups| {
            let is_in = |path: &str| path.split('/').any(|part| part == name);
            groups.0.iter().any(|group| group.hierarchy == 0 && is_in(&group.pathname))
        })
    }

    fn environment(&self) -> Vec<u8> {
        let mut environment = Vec::new();
        let file = self.entry.open_relative("environ");
        match file.map(|mut file| file.read_to_end(&mut environment)) {
            Ok(Ok(_)) => environment,
            _ => Vec::new(),
        }
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

/// Clock ticks since boot, as processes tell when they started; none have started so late where
/// nobody knows.
pub(crate) fn ticks() -> u64 {
    // Not the uptime of `/proc`, which in some containers is the container's.
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    uptime.map_or(u64::MAX, |uptime| {
        let ticks = u128::from(procfs::ticks_per_second());
        u64::try_from(uptime.as_millis() * ticks / 1000).unwrap_or(u64::MAX)
    })
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
