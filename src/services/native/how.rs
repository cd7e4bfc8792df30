//! How a native service ended. Pure.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// How a native service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which was not lem's.
    Signalled(i32),
    /// lem stopped it.
    Stopped,
    /// With the machine.
    Rebooted,
    /// No lem was there to see it.
    Unseen,
}

impl How {
    /// Whether it ended because lem stopped it.
    pub(crate) fn is_by_lem(self) -> bool {
        self == Self::Stopped
    }
}

impl From<ExitStatus> for How {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) => Self::Signalled(signal),
            (None, None) => Self::Unseen,
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal {number} ({signal})"),
                Err(_) => write!(f, "signal {number}"),
            },
            Self::Stopped => f.write_str("stopped by lem"),
            Self::Rebooted => f.write_str("the machine was restarted"),
            Self::Unseen => f.write_str("nobody saw how"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_says_what_the_system_said() {
        assert_eq!(How::from(ExitStatus::from_raw(3 << 8)).to_string(), "exit code 3");
        assert_eq!(How::from(ExitStatus::from_raw(9)).to_string(), "signal 9 (SIGKILL)");
        assert_eq!(How::from(ExitStatus::from_raw(40)).to_string(), "signal 40");
    }
}
