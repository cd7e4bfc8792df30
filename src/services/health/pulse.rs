//! How a service is at this moment, for a status: one probe.

use super::ask::{Found, ask};
use crate::http::probe::NoAnswer;
use crate::services::service::Service;

/// What one probe says about a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pulse {
    Healthy,
    /// It answers that it is not ready, or not yet what is expected.
    Loading {
        why: String,
    },
    /// Nobody answers, or only a port that leads to nobody.
    Silent {
        why: String,
    },
    /// An answer that no service gives on its way to being healthy, or none in time.
    Other {
        why: String,
    },
    /// It has no probe: whether it runs and what its container says is all there is.
    Unprobed,
}

/// Probes once, for at most its `attempt_timeout`.
pub(crate) async fn once(service: &Service) -> Pulse {
    match &service.health.probe {
        Some(probe) => of(&ask(probe, service.health.attempt_timeout).await),
        None => Pulse::Unprobed,
    }
}

fn of(found: &Found) -> Pulse {
    let why = found.in_full();
    match found {
        Found::Content => Pulse::Healthy,
        // The right status and not the right words; or a status that says "later".
        Found::Otherwise { status: 200..=299 | 425 | 429 | 503, .. } => Pulse::Loading { why },
        // Docker's proxy accepts, and then has nobody to talk to.
        Found::Nothing(NoAnswer::Refused | NoAnswer::Closed) => Pulse::Silent { why },
        Found::Otherwise { .. } | Found::Nothing(_) => Pulse::Other { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_judged_by_a_table() {
        let answers = |status| Found::Otherwise { status, why: String::new(), detail: None };
        let nothing = Found::Nothing;
        let limit = std::time::Duration::ZERO;
        for (found, expected) in [
            (Found::Content, "Healthy"),
            (answers(503), "Loading"),
            (answers(200), "Loading"),
            (answers(404), "Other"),
            (answers(500), "Other"),
            (nothing(NoAnswer::Refused), "Silent"),
            (nothing(NoAnswer::Closed), "Silent"),
            (nothing(NoAnswer::TimedOut { limit }), "Other"),
            (nothing(NoAnswer::Circles), "Other"),
        ] {
            let pulse = format!("{:?}", of(&found));
            assert!(pulse.starts_with(expected), "{found:?} is {pulse}");
        }
    }
}
