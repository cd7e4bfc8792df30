//! The memory of a GPU, and when too much of it is used. Pure.

use crate::mebibytes::Mebibytes;

/// The memory of a GPU. Driver and firmware keep some of it, so `used` and `free` need not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub used: Mebibytes,
    pub free: Mebibytes,
    pub total: Mebibytes,
}

impl Memory {
    /// The share that is used, in percent, rounded to the nearest; none of a GPU that has none.
    pub(crate) fn percent(&self) -> Option<u64> {
        let total = Some(self.total.0).filter(|total| *total > 0)?;
        Some(self.used.0.saturating_mul(100).saturating_add(total / 2) / total)
    }
}

/// What may be used of a GPU before a run starts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of the memory that is not the campaign's own, in thousandths.
    pub share: u32,
    /// By others than the campaign.
    pub by_others: Option<Mebibytes>,
}

/// A limit that is passed: both figures count everything on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excess {
    pub used: Mebibytes,
    pub limit: Mebibytes,
}

impl Limits {
    /// The limit that `memory` passes, if any. `own` is what the campaign's own containers held
    /// when they had just started: a server that is meant to fill a GPU is no reason not to use it.
    pub(crate) fn excess(&self, memory: &Memory, own: Mebibytes) -> Option<Excess> {
        let own = own.0.min(memory.total.0);
        let left = memory.total.0 - own;
        let share = own.saturating_add(left.saturating_mul(u64::from(self.share)) / 1000);
        let others = self.by_others.map(|limit| own.saturating_add(limit.0));
        let limit = others.map_or(share, |others| others.min(share));
        (memory.used.0 > limit).then_some(Excess { used: memory.used, limit: Mebibytes(limit) })
    }
}

impl Excess {
    /// Whether it would be none, if `freed` were not used.
    pub(crate) fn ends_without(&self, freed: Mebibytes) -> bool {
        self.used.0.saturating_sub(freed.0) <= self.limit.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(used: u64, total: u64) -> Memory {
        let free = Mebibytes(total.saturating_sub(used));
        Memory { used: Mebibytes(used), free, total: Mebibytes(total) }
    }

    #[test]
    fn a_limit_is_passed_by_more_than_it_not_by_as_much() {
        let share = |share| Limits { share, by_others: None };
        let others = |mib| Limits { share: 1000, by_others: Some(Mebibytes(mib)) };
        for (limits, used, own, limit) in [
            (share(900), 900, 0, None),
            (share(900), 901, 0, Some(900)),
            (share(905), 906, 0, Some(905)),
            (share(1000), 1000, 0, None),
            // A server of the campaign holds 800; of the other 200, 180 may be used.
            (share(900), 980, 800, None),
            (share(900), 981, 800, Some(980)),
            (others(100), 100, 0, None),
            (others(100), 101, 0, Some(100)),
            (others(100), 500, 400, None),
            (others(100), 501, 400, Some(500)),
            // Less than the own containers began with is nobody's.
            (others(0), 300, 400, None),
            // The stricter limit counts.
            (Limits { share: 500, by_others: Some(Mebibytes(900)) }, 501, 0, Some(500)),
            (Limits { share: 900, by_others: Some(Mebibytes(500)) }, 501, 0, Some(500)),
        ] {
            let excess = limits.excess(&memory(used, 1000), Mebibytes(own));
            let found = excess.map(|excess| excess.limit.0);
            assert_eq!(found, limit, "{limits:?} used {used} own {own}");
        }
    }

    #[test]
    fn no_figure_is_too_large_or_too_odd() {
        let limits = Limits { share: 900, by_others: Some(Mebibytes(u64::MAX)) };
        for (used, total, own) in [(u64::MAX, u64::MAX, u64::MAX), (5, 0, 7), (9, 3, u64::MAX)] {
            let _ = limits.excess(&memory(used, total), Mebibytes(own));
        }
        assert_eq!(memory(0, 0).percent(), None);
        assert_eq!(memory(499, 1000).percent(), Some(50));
    }

    #[test]
    fn an_excess_ends_when_enough_is_freed() {
        let excess = Excess { used: Mebibytes(900), limit: Mebibytes(500) };
        assert!(excess.ends_without(Mebibytes(400)) && excess.ends_without(Mebibytes(2000)));
        assert!(!excess.ends_without(Mebibytes(399)));
    }
}
