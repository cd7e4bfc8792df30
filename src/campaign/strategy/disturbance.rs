//! What somebody else does to the container of a run, as the engine's events tell it. The client of
//! such a run may wait for ever: of a container that is restarted it hears nothing any more.

use std::time::Duration;

use crate::engine::events::Events;

/// What happened to a container in the middle of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disturbance {
    Paused,
    /// It was started a second time.
    Restarted,
}

/// What a client takes to notice the end of its container, on a busy machine.
const CLIENT_LAG: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

impl Disturbance {
    /// For people, with what they can do.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Paused => {
                "somebody paused its container, so its measurements would mean nothing; \
                 `retry: {on: [killed]}` does such runs again"
            }
            Self::Restarted => {
                "somebody restarted its container, which is another one since then; \
                 `retry: {on: [killed]}` does such runs again"
            }
        }
    }
}

/// Ends when something happens to the container (by id or name) after the mark.
pub(super) async fn of(events: &Events, mark: usize, container: &str) -> Disturbance {
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        if events.happened(mark, container, "pause") {
            return Disturbance::Paused;
        }
        if events.followed(mark, container, ["die", "start"]) {
            return Disturbance::Restarted;
        }
    }
}

/// Ends when the container has ended and its client has had the time to notice.
pub(super) async fn ended(events: &Events, mark: usize, container: &str) {
    let mut tick = tokio::time::interval(LOOK);
    while !events.happened(mark, container, "die") {
        tick.tick().await;
    }
    tokio::time::sleep(CLIENT_LAG).await;
}
