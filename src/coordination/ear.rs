//! Hears when something may have changed: an owner's file was closed by the last who had it, or
//! somebody rang the bell of the ledger. The kernel tells, so a thousand who wait cost nothing.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

/// An open ear. What happens after it was opened is heard, however late it is asked.
pub(crate) struct Ear(AsyncFd<Watch>);

struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Ear {
    /// Listens to the folder of the owners. Only within a runtime.
    ///
    /// # Errors
    /// The kernel has no more watches for this user.
    pub(crate) fn open(owners: &Path) -> io::Result<Self> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags)?;
        inotify.add_watch(owners, AddWatchFlags::IN_CLOSE_WRITE)?;
        Ok(Self(AsyncFd::new(Watch(inotify))?))
    }

    /// Waits until something was heard since the last time.
    pub(crate) async fn heard(&self) {
        loop {
            let Ok(mut ready) = self.0.readable().await else {
                return std::future::pending().await;
            };
            let mut something = false;
            loop {
                match self.0.get_ref().0.read_events() {
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
