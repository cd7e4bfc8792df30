//! A hold on one process: what is sent through it reaches that process or nobody.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{self, Signal};
use rustix::process::{self as kernel, PidfdFlags};

use super::scan::{Identity, Process};

/// A living process, held by the kernel's own handle.
#[derive(Debug)]
pub(crate) struct Pidfd(OwnedFd);

impl Pidfd {
    /// None where the process is gone, its number another's, or the kernel older than 5.3.
    pub(crate) fn open(id: Identity) -> Option<Self> {
        let pid = kernel::Pid::from_raw(id.pid.as_raw())?;
        let held = kernel::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Asked now: the number can't change hands behind the handle any more.
        id.is_alive().then_some(Self(held))
    }

    /// Waits for the process's end, at most so long. Whether it has ended.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let whole = limit.as_nanos().div_ceil(1_000_000);
        let limit = PollTimeout::try_from(whole).unwrap_or(PollTimeout::MAX);
        let mut sources = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut sources, limit).is_ok_and(|ended| ended > 0)
    }

    /// Sends a signal to exactly this process. One that has ended meanwhile needs none, one that
    /// we may not signal lives on.
    pub(crate) fn send(process: &Process, signal: Signal) {
        match (Self::open(process.id), kernel::Signal::from_named_raw(signal as i32)) {
            (Some(Self(held)), Some(signal)) => {
                let _ = kernel::pidfd_send_signal(held, signal);
            }
            _ if process.id.is_alive() => {
                let _ = signal::kill(process.id.pid, signal);
            }
            _ => {}
        }
    }
}
