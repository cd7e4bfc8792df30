//! What is left of a GPU for a newcomer. Pure, and signed: what others declared and did not take
//! yet may be more than what is free.

use super::card::Amounts;
use crate::mebibytes::Mebibytes;

/// What a running service has of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share {
    /// What it may take; 0 of a GPU that is not its own.
    pub declared: Mebibytes,
    /// What its processes hold.
    pub measured: Mebibytes,
}

impl Share {
    /// What its end leaves to others.
    pub(crate) fn holds(self) -> Mebibytes {
        self.declared.max(self.measured)
    }

    /// What it has not taken yet: a server that is loading, or one that loads when it is asked.
    pub(crate) fn to_come(self) -> Mebibytes {
        Mebibytes(self.declared.0.saturating_sub(self.measured.0))
    }
}

/// MiB that may be more than there are.
pub(crate) fn signed(memory: Mebibytes) -> i64 {
    i64::try_from(memory.0).unwrap_or(i64::MAX)
}

/// MiB that a newcomer may take beside those that run; less than 0 where they alone are too many.
pub(crate) fn room(memory: Amounts, running: impl IntoIterator<Item = Share>) -> i64 {
    running
        .into_iter()
        .fold(signed(memory.free), |room, share| room.saturating_sub(signed(share.to_come())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(declared: u64, measured: u64) -> Share {
        Share { declared: Mebibytes(declared), measured: Mebibytes(measured) }
    }

    // F3
    #[test]
    fn room_is_what_is_free_less_what_others_have_yet_to_take() {
        for (free, running, expected) in [
            (24_000, vec![], 24_000),
            // Loaded: what it holds is not free any more.
            (6000, vec![share(18_000, 18_000)], 6000),
            // Still loading.
            (20_000, vec![share(18_000, 4000)], 6000),
            // Idle, as Ollama without a model: it may load one at any time.
            (24_000, vec![share(18_000, 0)], 6000),
            // It took more than it declared.
            (2000, vec![share(18_000, 22_000)], 2000),
            // Others took what was meant for them.
            (1000, vec![share(18_000, 0), share(4000, 0)], -21_000),
        ] {
            let total = Mebibytes(24_000);
            let memory = Amounts { total, free: Mebibytes(free) };
            assert_eq!(room(memory, running.clone()), expected, "{free} {running:?}");
        }
    }

    #[test]
    fn no_figure_is_too_large() {
        let memory = Amounts { total: Mebibytes(0), free: Mebibytes(0) };
        let much = share(u64::MAX, 0);
        assert_eq!(room(memory, [much, much, much]), i64::MIN);
        assert_eq!(share(5, 7).to_come(), Mebibytes(0));
    }
}
