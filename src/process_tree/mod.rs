//! Processes that belong together, found in `/proc` and ended as a whole.
//!
//! Whoever ends a command must end what it started, also what has left its process group, its
//! session and its parents. [`scan()`] shows the living processes, [`Reach`] says which of them are
//! meant, [`Ending`] ends those. A process is a number and the time of its start: the number alone
//! may be another's by now.

mod ending;
#[cfg(feature = "host")]
mod pidfd;
mod reach;
mod scan;

#[cfg(feature = "host")]
pub(crate) use ending::AfterGrace;
pub(crate) use ending::{Ending, Manner, Progress, Survivors};
#[cfg(feature = "host")]
pub(crate) use pidfd::Pidfd;
pub(crate) use reach::Reach;
#[cfg(feature = "host")]
pub(crate) use reach::Whose;
#[cfg(feature = "host")]
pub(crate) use scan::{Identity, Process, Seen, own_line, scan, ticks};
pub(crate) use scan::{ScanError, ignores, signal_that_ended};
