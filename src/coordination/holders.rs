//! The processes that have an owner's lock: the owner, and what it started and let have it too.
//!
//! 2026-11-21: these are ended where an operation is taken away by force, and no process group: a
//! lem in a script is in the group of the script, and of everything else that it runs.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::owner::{Life, Owner};
use crate::process_tree::{Pidfd, Process, own_line, scan};

/// Between two looks at whether they have ended.
const LOOK: Duration = Duration::from_millis(50);
/// How long they are killed for; one that lives longer hangs in the kernel or isn't ours to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The processes that have it, as far as this user may see that; never this one or its ancestors.
pub(crate) fn holders(owner: &Owner) -> Vec<Process> {
    let file = std::fs::metadata(&owner.file).map(|file| (file.dev(), file.ino())).ok();
    let spared = own_line();
    let Ok(all) = scan() else { return Vec::new() };
    let has_it = |process: &Process, open: bool| {
        open || (owner.is_there() == Some(true) && process.id.pid == pid(owner))
    };
    all.map(|seen| {
        let open = file.is_some_and(|file| seen.has_open(file));
        (seen.process(), open)
    })
    .filter(|(process, open)| has_it(process, *open) && !spared.contains(&process.id.pid))
    .map(|(process, _)| process)
    .collect()
}

fn pid(owner: &Owner) -> Pid {
    Pid::from_raw(i32::try_from(owner.pid).unwrap_or(0))
}

/// Ends an owner on this thread: it is asked, what it started is asked by it; after the grace, all
/// that have its lock are killed. Those that are left.
pub(crate) fn end_blocking(owner: &Owner, grace: Duration) -> Vec<Process> {
    let lives = || owner.glance() == Life::Lives;
    let asked = holders(owner);
    let own = asked.iter().filter(|it| owner.is_there() != Some(true) || it.id.pid == pid(owner));
    for process in own {
        Pidfd::send(process, Signal::SIGTERM);
        if process.halted {
            Pidfd::send(process, Signal::SIGCONT);
        }
    }
    let begun = Instant::now();
    while lives() && begun.elapsed() < grace {
        std::thread::park_timeout(LOOK);
    }
    let begun = Instant::now();
    while lives() && begun.elapsed() < PATIENCE {
        for process in holders(owner) {
            Pidfd::send(&process, Signal::SIGKILL);
        }
        std::thread::park_timeout(LOOK);
    }
    if lives() { holders(owner) } else { Vec::new() }
}
