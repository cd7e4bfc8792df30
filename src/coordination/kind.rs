//! What an agent does to a container: the eight kinds of operations.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A kind of operation. The names are those of the seed.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Looks, and changes nothing: logs, a copy out, `ps`
    Read,
    /// Changes the configuration that the container reads
    Config,
    /// Stops and starts it
    Restart,
    /// Stops it
    Stop,
    /// Starts it
    Start,
    /// Makes it anew from its image and file
    Deploy,
    /// Changes how many of it there are
    Scale,
    /// Asks whether it is well
    Health,
}

impl Kind {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::Read,
        Self::Config,
        Self::Restart,
        Self::Stop,
        Self::Start,
        Self::Deploy,
        Self::Scale,
        Self::Health,
    ];

    /// As it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Config => "config",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Deploy => "deploy",
            Self::Scale => "scale",
            Self::Health => "health",
        }
    }

    /// Whether it only looks: it claims nothing.
    pub(crate) fn only_looks(self) -> bool {
        matches!(self, Self::Read | Self::Health)
    }

    /// How long one takes where none of its kind has ended yet. From the defaults of the Redis
    /// variant of the seed's system.
    pub(crate) fn usual(self) -> Duration {
        Duration::from_secs(match self {
            Self::Read | Self::Health | Self::Config => 5,
            Self::Stop => 10,
            Self::Start => 15,
            Self::Scale => 20,
            Self::Restart => 30,
            Self::Deploy => 60,
        })
    }

    /// How long the engine may still be at it when everybody who asked for it is dead: it goes on
    /// with a stop whose client was killed. A container's own grace is taken as Docker's 10 s.
    pub(crate) fn settle(self) -> Duration {
        Duration::from_secs(match self {
            Self::Read | Self::Health | Self::Config => 0,
            Self::Stop => 15,
            Self::Start => 5,
            Self::Restart | Self::Scale | Self::Deploy => 20,
        })
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
