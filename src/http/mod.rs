//! ADAPTER: HTTP requests; the only place that names `ureq`.
//!
//! Its calls block, each within a time limit of its own: the callers have threads for that.

mod address;
pub(crate) mod notify;
pub(crate) mod port;
pub(crate) mod probe;
mod resolver;
pub(crate) mod target;
#[cfg(test)]
pub(crate) mod tiny;
