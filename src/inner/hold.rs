//! `lem hold`: keeps a container alive, so that runs can be executed in it one after the other.

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::wake::{Wake, WakeError};

/// Waits for a signal that asks to stop. Reaps meanwhile, because as pid 1 this process becomes
/// the parent of every orphan in the container.
pub(crate) fn hold() -> Result<(), WakeError> {
    let wake = Wake::new()?;
    loop {
        reap();
        if wake.wait(false, None).stop.is_some() {
            return Ok(());
        }
    }
}

fn reap() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
            // Also EINVAL, for one that a real-time signal ended: it is reaped nevertheless.
            _ => {}
        }
    }
}
