//! ADAPTER: HTTP requests; the only place that names `ureq`.
//!
//! Its calls block, each within a time limit of its own: the callers have threads for that.

pub(crate) mod notify;
pub(crate) mod target;
