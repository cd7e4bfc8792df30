//! What a stop took.

use std::time::Duration;

/// A service that was stopped, and is seen to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Whether it had to be killed.
    pub escalated: bool,
    pub took: Duration,
}
