//! Hears when something may have changed: an owner's file was closed by the last who had it, or
//! somebody rang the bell of the ledger. The kernel tells, so a hundred who wait cost nothing.
//!
//! 2026-11-21: a user has 128 such ears, by the kernel's default, and other programs want some too.
//! Who gets none looks at the clock instead.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use super::ledger::Ledger;

/// An open ear. What happens after it was opened is heard, however late it is asked.
pub(crate) struct Ear {
    near: Option<AsyncFd<Watch>>,
    far: Option<Far>,
}

/// What other machines tell by way of a server.
struct Far {
    ledger: Arc<Mutex<Ledger>>,
    /// How often somebody had rung when it was last asked.
    heard: AtomicU64,
}

struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// How often who hears nothing believes that there was something.
const DEAF: Duration = Duration::from_millis(250);
/// How often the connection to a server is looked at, which tells nobody by itself.
const FAR: Duration = Duration::from_millis(50);

impl Ear {
    /// Listens to the folder of the owners and, where other machines use the ledger too, to that.
    /// Only within a runtime.
    pub(crate) fn open(owners: &Path, shared: Option<Arc<Mutex<Ledger>>>) -> Self {
        // What was rung before is heard too: once too often is no harm.
        let far = shared.map(|ledger| Far { ledger, heard: AtomicU64::new(u64::MAX) });
        Self { near: Self::listen(owners).ok(), far }
    }

    #[allow(
        deprecated,
        reason = "its successor is unsafe, and this handle lives as long as its owner"
    )]
    fn listen(owners: &Path) -> io::Result<AsyncFd<Watch>> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags)?;
        inotify.add_watch(owners, AddWatchFlags::IN_CLOSE_WRITE)?;
        AsyncFd::new(Watch(inotify))
    }

    /// Waits until something was heard since the last time.
    pub(crate) async fn heard(&self) {
        tokio::select! {
            () = self.heard_near() => {}
            () = self.heard_far() => {}
        }
    }

    async fn heard_far(&self) {
        let Some(far) = &self.far else { return std::future::pending().await };
        loop {
            // Who asks the ledger something in this moment hears it too.
            if let Ok(mut ledger) = far.ledger.try_lock() {
                let heard = ledger.listen();
                if far.heard.swap(heard, Ordering::AcqRel) != heard {
                    return;
                }
            }
            sleep(FAR).await;
        }
    }

    async fn heard_near(&self) {
        let Some(watch) = &self.near else { return sleep(DEAF).await };
        loop {
            let Ok(mut ready) = watch.readable().await else { return sleep(DEAF).await };
            let mut something = false;
            loop {
                match watch.get_ref().0.read_events() {
                    Ok(events) => something |= !events.is_empty(),
                    Err(Errno::EINTR) => {}
                    Err(_) => break,
                }
            }
            ready.clear_ready();
            if something {
                return;
            }
        }
    }
}

/// 2026-12-01: closed by a thread. The kernel takes up to 25 ms for it (it waits until nobody can be
/// about to tell something), exactly when one has heard that it is his turn.
impl Drop for Ear {
    fn drop(&mut self) {
        if let Some(watch) = self.near.take() {
            let watch = watch.into_inner();
            let _ = std::thread::Builder::new().spawn(move || drop(watch));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_closes_a_file_that_was_written_is_heard_and_the_deaf_look_at_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let ear = Ear::open(folder.path(), None);
        std::fs::write(folder.path().join("bell"), "").unwrap();
        ear.heard().await;
        let deaf = Ear::open(&folder.path().join("nowhere"), None);
        assert!(deaf.near.is_none());
        deaf.heard().await;
    }
}
