//! Native services: programs of this host, started so that they outlive lem and found again by
//! whoever comes next.
//!
//! A service is a tree of processes that do as they like: they fork, change their session, clear
//! their environment, write a title over it. So there is a [`note`] of what was started, and
//! [`evidence`] by which its processes are told from all others. A name or a command line is no
//! evidence, and neither is a number alone: a process is its number, the time of its start and the
//! boot that both are of.

mod cgroup;
mod evidence;
mod how;
mod instance;
mod log;
mod look;
mod note;
mod pid_file;
mod spawn;
mod start;
mod stop;
#[cfg(test)]
mod tests;

pub(crate) use instance::Instance;
pub(crate) use log::path as log_path;
pub(crate) use look::{Looked, look};
pub(crate) use spawn::possible;
pub(crate) use start::start;
pub(crate) use stop::stop;

/// The environment variable that marks every process of a service with the id of its start.
const MARKER: &str = "LEM_SERVICE_ID";
