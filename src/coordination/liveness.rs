//! How alive an operation is: its owner, what the owner left behind, and what the engine may still
//! be at. Pure.

use std::time::Duration;

use super::ledger::left_as;
use super::ledger::{Fate, fate};
use super::operation::{Moment, Operation, State};
use super::owner::Life;

/// An owner says every few seconds that it is well; one that has not for so long is stalled.
pub(crate) const SILENT: Duration = Duration::from_secs(60);

/// How alive an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    Lives,
    /// Its owner is there, and has not said for so long that it is well.
    Stalled {
        silent: Duration,
    },
    /// Its owner is dead; something that it started still has it.
    Outlived,
    /// Nobody has it any more; the engine may be at it for so long.
    Settles {
        left: Duration,
    },
    /// Nothing of it is left. The next one who writes to the ledger notes it as lost.
    Gone,
    /// Its owner is on another machine.
    Elsewhere,
}

impl Liveness {
    /// The word for one that settles.
    pub(crate) const SETTLES: &str = "settling";

    /// As programs read it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Lives => "lives",
            Self::Stalled { .. } => "stalled",
            Self::Outlived => "held by a descendant",
            Self::Settles { .. } => Self::SETTLES,
            Self::Gone => "gone",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// How alive an operation is whose owner is so and was last heard of then.
pub(crate) fn liveness(
    operation: &Operation,
    life: Life,
    heard: Option<Moment>,
    now: Moment,
) -> Liveness {
    match (life, fate(operation, life, now)) {
        (_, Fate::Lost { .. }) => Liveness::Gone,
        (_, Fate::Settles { freed }) => {
            Liveness::Settles { left: operation.settled(freed).since(now) }
        }
        (Life::Outlived, Fate::Lives) => Liveness::Outlived,
        (Life::Elsewhere, Fate::Lives) => match heard.map(|heard| now.since(heard)) {
            Some(silent) if silent >= SILENT => Liveness::Stalled { silent },
            _ => Liveness::Elsewhere,
        },
        (_, Fate::Lives) => match heard.map(|heard| now.since(heard)) {
            Some(silent) if silent >= SILENT => Liveness::Stalled { silent },
            _ => Liveness::Lives,
        },
    }
}

/// The state of an operation that is so alive, whatever the ledger has noted so far.
pub(crate) fn state(operation: &Operation, liveness: Liveness) -> State {
    match liveness {
        Liveness::Gone if !operation.state.is_over() => left_as(operation),
        _ => operation.state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::forecast::tests::operation;
    use crate::coordination::kind::Kind;

    #[test]
    fn a_dead_owner_s_operation_settles_and_is_then_gone() {
        let mut own = operation(1, Kind::Stop, "api", State::Active);
        own.settle = Duration::from_secs(15);
        let at = |life, now| liveness(&own, life, Some(Moment(0)), Moment(now));
        assert_eq!(at(Life::Lives, 1_000), Liveness::Lives);
        let silent = Duration::from_secs(61);
        assert_eq!(at(Life::Lives, 61_000), Liveness::Stalled { silent });
        assert_eq!(at(Life::Outlived, 61_000), Liveness::Outlived);
        assert_eq!(at(Life::OfAnotherBoot, 0), Liveness::Gone);
        let freed = Operation { freed: Some(Moment(1_000)), ..own.clone() };
        let left = |now| liveness(&freed, Life::Dead, None, Moment(now));
        assert_eq!(left(11_000), Liveness::Settles { left: Duration::from_secs(5) });
        assert_eq!(left(16_000), Liveness::Gone);
        assert_eq!(state(&freed, left(16_000)), State::Lost);
        assert_eq!(state(&freed, left(11_000)), State::Active);
        let cut_off =
            Operation { exit_code: Some(1), cancel: Some("by me".to_owned()), ..freed.clone() };
        assert_eq!(state(&cut_off, left(16_000)), State::Cancelled);
    }

    #[test]
    fn one_that_waits_leaves_nothing_behind() {
        let own = operation(1, Kind::Stop, "api", State::Queued);
        assert_eq!(liveness(&own, Life::Dead, None, Moment(0)), Liveness::Gone);
    }
}
