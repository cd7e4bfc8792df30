//! GPU memory that the campaign's own services took when they started: it is in nobody's way.

use std::collections::BTreeMap;

use super::eyes::Eyes;
use super::obstacle::{Holder, holders_of};
use crate::gpu::reading::Reading;
use crate::mebibytes::Mebibytes;

/// What is the campaign's own, by GPU.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// What was used before it started anything.
    before: BTreeMap<u32, Use>,
    own: BTreeMap<u32, Mebibytes>,
}

/// How much of a GPU is used, and by whom as far as that is known.
#[derive(Debug)]
struct Use {
    mib: u64,
    holders: Vec<Holder>,
}

impl Own {
    /// Remembers what is used before anything starts.
    pub(super) fn before_start(&mut self, reading: &Reading, eyes: &Eyes) {
        self.before = used(reading, eyes);
    }

    /// Takes for the campaign's own what is used since then, or what the processes in its
    /// `containers` hold, if that is more: they may have run before.
    pub(super) fn after_start(&mut self, reading: &Reading, containers: &[String], eyes: &Eyes) {
        let own = used(reading, eyes).into_iter().map(|(index, now)| {
            let before = self.before.get(&index).unwrap_or(&now);
            (index, own(before, &now, containers))
        });
        self.own = own.collect();
    }

    /// The figures by the GPU's index; absent is none.
    pub(super) fn by_gpu(&self) -> &BTreeMap<u32, Mebibytes> {
        &self.own
    }
}

fn used(reading: &Reading, eyes: &Eyes) -> BTreeMap<u32, Use> {
    let used = reading.gpus.iter().filter_map(|gpu| {
        let mut holders = holders_of(&[gpu]);
        eyes.identify(holders.iter_mut());
        Some((gpu.index, Use { mib: gpu.memory?.used.0, holders }))
    });
    used.collect()
}

/// Strangers come and go meanwhile; what is known to be theirs does not count. Of memory that
/// nobody is known to hold, what came is the campaign's.
fn own(before: &Use, now: &Use, containers: &[String]) -> Mebibytes {
    let without_strangers =
        |used: &Use| used.mib.saturating_sub(used.by(|h| h.is_stranger(containers)));
    let more = without_strangers(now).saturating_sub(without_strangers(before));
    Mebibytes(more.max(now.by(|holder| holder.is_in(containers))))
}

impl Use {
    /// What these of its holders have.
    fn by(&self, whose: impl Fn(&Holder) -> bool) -> u64 {
        let theirs = self.holders.iter().filter(|holder| whose(holder));
        theirs.filter_map(|holder| holder.mib).fold(0, u64::saturating_add)
    }
}

impl Holder {
    fn is_in(&self, containers: &[String]) -> bool {
        self.container_id.as_ref().is_some_and(|id| containers.contains(id))
    }

    /// Whether it is known, and known to be outside.
    fn is_stranger(&self, containers: &[String]) -> bool {
        (self.process.is_some() || self.container_id.is_some()) && !self.is_in(containers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY_KNOWS: (&str, &str) = ("", "");
    const OURS: (&str, &str) = ("python", "ours");
    const THEIRS: (&str, &str) = ("python", "theirs");
    const ON_THE_HOST: (&str, &str) = ("python", "");

    fn in_use(mib: u64, holders: &[((&str, &str), u64)]) -> Use {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let holder = |((process, id), mib): &((&str, &str), u64)| Holder {
            pid: 1,
            process: known(process),
            mib: Some(*mib),
            container: None,
            container_id: known(id),
        };
        Use { mib, holders: holders.iter().map(holder).collect() }
    }

    #[test]
    fn what_came_is_the_campaigns_own_unless_it_is_known_to_be_a_strangers() {
        for (before, now, expected) in [
            (in_use(600, &[]), in_use(75_600, &[]), 75_000),
            (in_use(600, &[]), in_use(75_600, &[(NOBODY_KNOWS, 75_000)]), 75_000),
            (in_use(600, &[]), in_use(75_600, &[(OURS, 75_000)]), 75_000),
            (in_use(600, &[]), in_use(75_600, &[(THEIRS, 75_000)]), 0),
            (in_use(600, &[]), in_use(75_600, &[(ON_THE_HOST, 75_000)]), 0),
            (in_use(600, &[]), in_use(75_600, &[(OURS, 5_000), (THEIRS, 70_000)]), 5_000),
            // It held 40000 before; or left; or grew.
            (in_use(40_600, &[(THEIRS, 40_000)]), in_use(50_600, &[(THEIRS, 40_000)]), 10_000),
            (in_use(40_600, &[(THEIRS, 40_000)]), in_use(10_600, &[]), 10_000),
            (in_use(40_600, &[(THEIRS, 40_000)]), in_use(60_600, &[(THEIRS, 60_000)]), 0),
            // A container that ran before.
            (in_use(20_600, &[(OURS, 20_000)]), in_use(20_600, &[(OURS, 20_000)]), 20_000),
            // Figures need not add up.
            (in_use(0, &[(THEIRS, 9)]), in_use(5, &[(THEIRS, u64::MAX), (THEIRS, 9)]), 0),
        ] {
            let found = own(&before, &now, &["ours".to_owned()]);
            assert_eq!(found.0, expected, "{before:?} {now:?}");
        }
    }
}
