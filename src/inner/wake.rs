//! Everything that wakes the inner lem: signals, the end of a child, the lifeline, a timeout.
//!
//! Signals are blocked and read as data, so that one thread can wait for all of these at once and
//! no handler runs in between. A blocked signal also reaches a process that is pid 1, which the
//! kernel otherwise spares.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that ask this process to stop.
const STOP: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
/// A pipe's usual capacity, so that one read empties it.
const PIPE_SIZE: usize = 64 * 1024;

/// The signals cannot be received.
#[derive(Debug, thiserror::Error)]
#[error("cannot receive signals")]
pub(crate) struct WakeError {
    #[from]
    source: Errno,
}

/// The one place where this process waits. Lives until the process exits: a stop signal that
/// comes before this exists ends the process, one that comes after is never lost.
pub(crate) struct Wake {
    signals: SignalFd,
}

/// Why a wait was over. Neither field set: a child ended, or the timeout.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    /// The first stop signal of those that arrived.
    pub(crate) stop: Option<Signal>,
    /// The lifeline's other end is closed.
    pub(crate) lifeline_cut: bool,
}

impl Wake {
    /// Blocks the signals in this thread, which must be the only one.
    pub(crate) fn new() -> Result<Self, WakeError> {
        let mut mask: SigSet = STOP.into_iter().collect();
        mask.add(Signal::SIGCHLD);
        mask.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self { signals: SignalFd::with_flags(&mask, flags)? })
    }

    /// Waits until something happens or `timeout` is over; without one for as long as it takes.
    pub(crate) fn wait(&self, watch_lifeline: bool, timeout: Option<Duration>) -> Woken {
        let stdin = io::stdin();
        let mut sources = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if watch_lifeline {
            sources.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        // An interrupted poll is a wake without news: callers look at everything anyway.
        let _ = poll(&mut sources, timeout.map_or(PollTimeout::NONE, round_up));
        let lifeline_spoke = sources.get(1).is_some_and(|source| source.any() != Some(false));
        Woken { stop: self.take_stop(), lifeline_cut: lifeline_spoke && is_cut() }
    }

    fn take_stop(&self) -> Option<Signal> {
        let mut first = None;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let signal = i32::try_from(signal.ssi_signo).ok().and_then(|n| n.try_into().ok());
            first = first.or(signal.filter(|signal| STOP.contains(signal)));
        }
        first
    }
}

/// Discards what came through the lifeline, and says whether it is closed.
fn is_cut() -> bool {
    let stdin = io::stdin();
    let mut discarded = vec![0; PIPE_SIZE];
    loop {
        match nix::unistd::read(&stdin, &mut discarded) {
            Ok(0) => return true,
            Ok(_) => {
                let mut source = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
                if poll(&mut source, PollTimeout::ZERO) != Ok(1) {
                    return false;
                }
            }
            Err(Errno::EINTR | Errno::EAGAIN) => return false,
            Err(_) => return true,
        }
    }
}

/// Waits for nothing but the time, between two looks at something that can't wake us.
pub(crate) fn pause(timeout: Duration) {
    let _ = poll(&mut [], round_up(timeout));
}

/// In whole milliseconds and never too short, so that a deadline is over when the wait is.
fn round_up(timeout: Duration) -> PollTimeout {
    let whole = timeout.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(whole).unwrap_or(PollTimeout::MAX)
}
