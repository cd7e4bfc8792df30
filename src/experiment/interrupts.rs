//! Signals that ask an experiment to end, read as values instead of ending this process at once.
//!
//! As the first process of a container this matters: the kernel drops a signal that such a process
//! has no disposition for. Only the calling thread is changed, and for good: an experiment is the
//! last thing its process does.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// `si_code` of a signal that the kernel itself sent: Ctrl-C on a terminal.
const SI_KERNEL: i32 = 0x80;

/// A request to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupt {
    pub(crate) signal: Signal,
    /// Whether a terminal sent it, and so to every process in the foreground and not only to this.
    pub(crate) from_terminal: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A child may have ended.
    Child,
    Interrupt(Interrupt),
}

/// SIGTERM, SIGINT and SIGCHLD of this process.
#[derive(Debug)]
pub(crate) struct Interrupts {
    signals: SigSet,
    queue: SignalFd,
}

impl Interrupts {
    /// Gets ready without catching anything yet.
    ///
    /// A child inherits the blocked signals of its parent, so a child that should be able to end
    /// is started between this and [`Interrupts::block`].
    pub(crate) fn open() -> nix::Result<Self> {
        let signals: SigSet =
            [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD].into_iter().collect();
        let queue = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Interrupts { signals, queue })
    }

    /// From now on the signals wait here.
    pub(crate) fn block(&self) -> nix::Result<()> {
        self.signals.thread_block()
    }

    /// [`Interrupts::open`] and [`Interrupts::block`] in one.
    pub(crate) fn watch() -> nix::Result<Self> {
        let interrupts = Self::open()?;
        interrupts.block()?;
        Ok(interrupts)
    }

    /// An interrupt that has come in, without waiting.
    pub(crate) fn pending(&self) -> Option<Interrupt> {
        loop {
            match self.read() {
                Ok(Some(Event::Interrupt(interrupt))) => return Some(interrupt),
                Ok(Some(Event::Child)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Waits until something happens.
    pub(crate) fn wait(&self) -> nix::Result<Event> {
        loop {
            if let Some(event) = self.read()? {
                return Ok(event);
            }
            let mut ready = [PollFd::new(self.queue.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&self) -> nix::Result<Option<Event>> {
        let Some(read) = self.queue.read_signal()? else { return Ok(None) };
        Ok(Some(match i32::try_from(read.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok()) {
            Some(signal) if signal != Signal::SIGCHLD => {
                Event::Interrupt(Interrupt { signal, from_terminal: read.ssi_code == SI_KERNEL })
            }
            _ => Event::Child,
        }))
    }
}
