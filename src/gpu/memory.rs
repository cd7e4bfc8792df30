//! GPU memory as a number, and when it is too much. Pure.

use std::fmt;
use std::ops::Sub;

use serde::Serialize;

/// An amount of memory, or a difference of two: signed, because what is left after a subtraction
/// may be less than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub(crate) struct Mebibytes(pub i64);

impl Mebibytes {
    /// Whole mebibytes, rounded down as `nvidia-smi` does.
    pub(crate) fn from_bytes(bytes: u64) -> Self {
        Self(i64::try_from(bytes / (1024 * 1024)).unwrap_or(i64::MAX))
    }
}

impl Sub for Mebibytes {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0)
    }
}

/// The memory of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    #[serde(rename = "used_mib")]
    pub used: Mebibytes,
    #[serde(rename = "free_mib")]
    pub free: Mebibytes,
    #[serde(rename = "total_mib")]
    pub total: Mebibytes,
}

impl Memory {
    /// The share that is used, in percent, rounded to the nearest; none of a GPU that has none.
    pub(crate) fn percent(&self) -> Option<i64> {
        let total = Some(self.total.0).filter(|total| *total > 0)?;
        Some(self.used.0.saturating_mul(100).saturating_add(total / 2) / total)
    }
}

/// What a GPU may hold before a run starts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of all of its memory.
    pub percent: u8,
    /// Of what is not the campaign's own.
    pub by_others: Option<Mebibytes>,
}

/// A limit that is passed, as numbers for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excess {
    pub used: Mebibytes,
    pub limit: Mebibytes,
}

impl Limits {
    /// The limit that `memory` passes, if any. `own` is what the campaign's own containers held
    /// when they had just started.
    pub(crate) fn excess(&self, memory: &Memory, own: Mebibytes) -> Option<Excess> {
        let share = Mebibytes(memory.total.0.saturating_mul(i64::from(self.percent)) / 100);
        let others = memory.used - own;
        match self.by_others {
            Some(limit) if others > limit => Some(Excess { used: others, limit }),
            _ if memory.used > share => Some(Excess { used: memory.used, limit: share }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(used: i64, total: i64) -> Memory {
        Memory { used: Mebibytes(used), free: Mebibytes(total - used), total: Mebibytes(total) }
    }

    #[test]
    fn a_limit_is_passed_by_more_than_it_not_by_as_much() {
        let share = |percent| Limits { percent, by_others: None };
        let others = |mib| Limits { percent: 100, by_others: Some(Mebibytes(mib)) };
        for (limits, used, own, passed) in [
            (share(90), 900, 0, false),
            (share(90), 901, 0, true),
            // The share is of all, whoever holds it.
            (share(90), 901, 900, true),
            (share(100), 1000, 0, false),
            (others(100), 100, 0, false),
            (others(100), 101, 0, true),
            (others(100), 500, 400, false),
            (others(100), 501, 400, true),
            // Less than the own containers began with is nobody's.
            (others(0), 300, 400, false),
        ] {
            let excess = limits.excess(&memory(used, 1000), Mebibytes(own));
            assert_eq!(excess.is_some(), passed, "{limits:?} used {used} own {own}");
        }
    }

    #[test]
    fn a_share_of_nothing_is_unknown() {
        assert_eq!(memory(0, 0).percent(), None);
        assert_eq!(memory(499, 1000).percent(), Some(50));
        assert_eq!(Mebibytes::from_bytes(u64::MAX).0, i64::MAX / (512 * 1024));
    }

    #[test]
    fn differences_know_less_than_nothing() {
        assert_eq!(Mebibytes(1) - Mebibytes(3), Mebibytes(-2));
        assert_eq!(Mebibytes(i64::MIN) - Mebibytes(1), Mebibytes(i64::MIN));
    }
}
