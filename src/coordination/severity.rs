//! How bad it is that two operations meet, and what follows.

use serde::{Deserialize, Serialize};

/// How two operations get on. The order is that of the harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// They have nothing to do with each other.
    None,
    /// They may overlap; one sees the other's transition.
    Low,
    /// They may overlap, and what comes out may mislead.
    Medium,
    /// Both make sense, one after the other.
    High,
    /// They repeat or contradict each other: the second would be wrong later too.
    Critical,
}

/// What becomes of the second of two operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Response {
    Proceed,
    /// It runs, and both are told.
    Caution,
    Queue,
    Block,
}

impl Severity {
    pub(crate) fn response(self) -> Response {
        match self {
            Self::None | Self::Low => Response::Proceed,
            Self::Medium => Response::Caution,
            Self::High => Response::Queue,
            Self::Critical => Response::Block,
        }
    }

    /// One level less: what is one hop further away matters less.
    pub(crate) fn lowered(self) -> Self {
        match self {
            Self::None | Self::Low => Self::None,
            Self::Medium => Self::Low,
            Self::High => Self::Medium,
            Self::Critical => Self::High,
        }
    }

    /// As people read it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
