//! A lem that went on by itself, as whoever started it knows it: by its process id.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rexpect::session::PtySession;

use super::eventually;

/// Killed when it is dropped.
pub(crate) struct Detached(Pid);

impl Detached {
    pub(crate) fn of(pid: i64) -> Self {
        Self(Pid::from_raw(pid.try_into().unwrap()))
    }

    /// The one that a lem on a terminal says it has started, before it ends.
    pub(crate) fn announced(terminal: &mut PtySession) -> Self {
        let (_, found) = terminal.exp_regex("goes on by itself, pid [0-9]+").unwrap();
        let detached = Self::of(found.rsplit(' ').next().unwrap().parse().unwrap());
        terminal.exp_regex("lem.log").unwrap();
        terminal.exp_eof().unwrap();
        detached
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0.as_raw()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.0, signal).unwrap();
    }

    /// Waits for its end. Whoever adopted it may leave it a zombie, which has ended as well.
    pub(crate) fn has_ended(self) {
        eventually("the detached lem has ended", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).ok();
            let lives = stat.is_some_and(|stat| !stat.contains(") Z "));
            (!lives).then_some(())
        });
        // Its number may be another process's by now.
        std::mem::forget(self);
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}
