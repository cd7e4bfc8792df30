//! The word for how a service is: a table over what is seen of it. Pure.

use serde::Serialize;

/// How a service is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It can't be seen: the engine is away.
    Unknown,
    Stopped,
    /// It runs and does not answer yet.
    Starting,
    /// It runs and is healthy.
    Ready,
    /// It is ready, and leased or computing.
    Busy,
    Stopping,
    /// It runs and should have answered by now, or is paused; or its last start failed.
    Error,
}

/// What is seen of its container or its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Unseen,
    /// There is nothing, or something that ended.
    Gone,
    Running,
    /// Started again and again by the engine.
    Restarting,
    Paused,
    /// It ended, and processes of it are still there.
    Remains,
}

/// What its endpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// It has none, and nothing else that tells.
    None,
    Healthy,
    /// It says that it is not ready yet, or nothing.
    NotYet,
}

/// What is being done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Nothing,
    Starting,
    Stopping,
}

/// All that the word depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signs {
    pub life: Life,
    pub voice: Voice,
    pub doing: Doing,
    /// Leased, or its processes compute.
    pub used: bool,
    /// Running for longer than it may take to become healthy.
    pub overdue: bool,
    /// The last start failed, and nothing was done since.
    pub failed: bool,
}

impl State {
    /// The table.
    pub(crate) fn of(signs: Signs) -> Self {
        match (signs.life, signs.doing, signs.voice) {
            (Life::Unseen, _, _) => Self::Unknown,
            (Life::Gone, Doing::Starting, _) | (Life::Running, Doing::Starting, Voice::NotYet) => {
                Self::Starting
            }
            (Life::Gone, _, _) if signs.failed => Self::Error,
            (Life::Gone, _, _) => Self::Stopped,
            (_, Doing::Stopping, _) => Self::Stopping,
            (Life::Paused | Life::Restarting | Life::Remains, _, _) => Self::Error,
            (Life::Running, _, Voice::None | Voice::Healthy) if signs.used => Self::Busy,
            (Life::Running, _, Voice::None | Voice::Healthy) => Self::Ready,
            (Life::Running, Doing::Nothing, Voice::NotYet) if signs.overdue => Self::Error,
            (Life::Running, Doing::Nothing, Voice::NotYet) => Self::Starting,
        }
    }

    /// As it is printed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::Error => "error",
        }
    }

    /// The exit code of `lem service status NAME`, as the LSB says: 0 running, 1 dead and it should
    /// not be, 3 not running, 4 unknown.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Ready | Self::Busy => 0,
            Self::Error => 1,
            Self::Stopped | Self::Starting | Self::Stopping => 3,
            Self::Unknown => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Signs = Signs {
        life: Life::Running,
        voice: Voice::Healthy,
        doing: Doing::Nothing,
        used: false,
        overdue: false,
        failed: false,
    };

    #[test]
    fn each_word_has_its_signs() {
        let gone = Signs { life: Life::Gone, voice: Voice::NotYet, ..CALM };
        let mute = Signs { voice: Voice::NotYet, ..CALM };
        for (signs, state) in [
            (Signs { life: Life::Unseen, ..CALM }, State::Unknown),
            (CALM, State::Ready),
            (Signs { voice: Voice::None, ..CALM }, State::Ready),
            (Signs { used: true, ..CALM }, State::Busy),
            (gone, State::Stopped),
            // A stop does not make a failure unhappen, and a start begins anew.
            (Signs { failed: true, ..gone }, State::Error),
            (Signs { failed: true, doing: Doing::Starting, ..gone }, State::Starting),
            (Signs { failed: true, ..CALM }, State::Ready),
            (mute, State::Starting),
            (Signs { overdue: true, ..mute }, State::Error),
            (Signs { overdue: true, doing: Doing::Starting, ..mute }, State::Starting),
            (Signs { doing: Doing::Stopping, ..mute }, State::Stopping),
            (Signs { doing: Doing::Stopping, ..CALM }, State::Stopping),
            (Signs { doing: Doing::Stopping, ..gone }, State::Stopped),
            (Signs { life: Life::Paused, ..CALM }, State::Error),
            (Signs { life: Life::Restarting, ..mute }, State::Error),
        ] {
            assert_eq!(State::of(signs), state, "{signs:?}");
        }
    }
}
