//! What happens while services are started and stopped, for those who show it.

use std::time::Duration;

use crate::mebibytes::Mebibytes;

/// Something that happened, in the order in which it did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// Somebody else is at work.
    Waiting {
        what: String,
        holder: String,
    },
    /// It runs already, and is healthy.
    Reused {
        service: String,
    },
    /// It runs with other settings than it would be started with now.
    Stale {
        service: String,
    },
    Stopping {
        service: String,
        why: String,
    },
    /// Its models were unloaded before it was stopped.
    Evicted {
        service: String,
        before: Option<Mebibytes>,
        after: Option<Mebibytes>,
    },
    /// Its models were not unloaded; it is stopped all the same.
    NotEvicted {
        service: String,
        why: String,
    },
    Stopped {
        service: String,
        took: Duration,
        escalated: bool,
    },
    /// Memory is back.
    Recovered {
        service: String,
        took: Duration,
    },
    Starting {
        service: String,
        attempt: u32,
        attempts: u32,
    },
    /// It runs.
    Started {
        service: String,
        took: Duration,
        instance: String,
    },
    /// It is waited for; this is what it says.
    NotYet {
        service: String,
        says: String,
    },
    Healthy {
        service: String,
        took: Duration,
        probes: u32,
    },
    /// A start failed, and is tried again.
    Again {
        service: String,
        why: String,
        pause: Duration,
    },
    /// The previous service is brought back after a switch that failed.
    Restoring {
        service: String,
    },
    /// Something that is no reason to stop.
    Warning {
        text: String,
    },
}

/// Who is told of events.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Event);
