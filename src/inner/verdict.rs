//! Why a run is over, and what that means for the mark's reason and the exit code.

use nix::sys::signal::Signal;

use super::mark::EndReason;
use super::tree::{CommandEnd, StartError};
use super::{EXIT_BROKEN, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_TIME_LIMIT};

/// What a shell adds to a signal's number.
const SIGNAL_BASE: i32 = 128;

/// What ended a run.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The command ended by itself.
    Ended(CommandEnd),
    TimeLimit,
    LifelineCut,
    /// This process got a signal that asks to stop.
    Stopped(Signal),
    /// The command never started.
    NotStarted(StartError),
}

impl Verdict {
    pub(crate) fn reason(&self) -> EndReason {
        match self {
            Self::Ended(CommandEnd::Signaled(_)) => EndReason::Signaled,
            Self::Ended(_) => EndReason::Exited,
            Self::TimeLimit => EndReason::TimeLimit,
            Self::LifelineCut => EndReason::LifelineCut,
            Self::Stopped(_) => EndReason::Stopped,
            Self::NotStarted(StartError::NotExecutable { .. }) => EndReason::NotExecutable,
            Self::NotStarted(_) => EndReason::NotFound,
        }
    }

    /// The signal for the mark: the one we got, else the one that ended the command.
    pub(crate) fn signal(&self, command: Option<CommandEnd>) -> Option<i32> {
        match (self, command) {
            (Self::Stopped(signal), _) => Some(*signal as i32),
            (_, Some(CommandEnd::Signaled(signal))) => Some(signal),
            _ => None,
        }
    }

    /// The exit code of `lem run`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Ended(CommandEnd::Exited(code)) => byte(*code),
            Self::Ended(CommandEnd::Signaled(signal)) => byte(SIGNAL_BASE + signal),
            Self::Ended(CommandEnd::Unknown) => EXIT_BROKEN,
            Self::TimeLimit => EXIT_TIME_LIMIT,
            Self::LifelineCut => byte(SIGNAL_BASE + Signal::SIGTERM as i32),
            Self::Stopped(signal) => byte(SIGNAL_BASE + *signal as i32),
            Self::NotStarted(StartError::NotExecutable { .. }) => EXIT_NOT_EXECUTABLE,
            Self::NotStarted(_) => EXIT_NOT_FOUND,
        }
    }
}

/// An exit code fits by its nature; one that does not is no success.
fn byte(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_names_our_signal_and_a_time_limit_the_commands() {
        let killed = Some(CommandEnd::Signaled(9));
        assert_eq!(Verdict::Stopped(Signal::SIGINT).signal(killed), Some(2));
        assert_eq!(Verdict::TimeLimit.signal(killed), Some(9));
        assert_eq!(Verdict::TimeLimit.signal(Some(CommandEnd::Exited(0))), None);
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(Verdict::Ended(CommandEnd::Signaled(9)).exit_code(), 137);
        assert_eq!(Verdict::Stopped(Signal::SIGHUP).exit_code(), 129);
        assert_eq!(Verdict::LifelineCut.exit_code(), 143);
    }
}
