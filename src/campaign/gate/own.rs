//! GPU memory that the campaign's own services took when they started: it is in nobody's way.

use std::collections::BTreeMap;

use super::eyes::Eyes;
use super::obstacle::holders_of;
use crate::gpu::reading::{Gpu, Reading};
use crate::mebibytes::Mebibytes;

/// What is the campaign's own, by GPU.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// What was used before it started anything.
    before: BTreeMap<u32, Mebibytes>,
    own: BTreeMap<u32, Mebibytes>,
}

impl Own {
    /// Remembers what is used before anything starts.
    pub(super) fn before_start(&mut self, reading: &Reading) {
        self.before = used(reading);
    }

    /// Takes for the campaign's own what is used since then, or what the processes in its
    /// `containers` hold, if that is more: they may have run before.
    pub(super) fn after_start(&mut self, reading: &Reading, containers: &[String], eyes: &Eyes) {
        for (index, now) in used(reading) {
            let before = self.before.get(&index).copied().unwrap_or(now);
            let more = now.0.saturating_sub(before.0);
            let gpus: Vec<&Gpu> = reading.gpus.iter().filter(|gpu| gpu.index == index).collect();
            let mut holders = holders_of(&gpus);
            eyes.identify(holders.iter_mut());
            let ours = holders.iter().filter(|holder| {
                holder.container_id.as_ref().is_some_and(|id| containers.contains(id))
            });
            let held: u64 = ours.filter_map(|holder| holder.mib).sum();
            self.own.insert(index, Mebibytes(more.max(held)));
        }
    }

    /// The figures by the GPU's index; absent is none.
    pub(super) fn by_gpu(&self) -> &BTreeMap<u32, Mebibytes> {
        &self.own
    }
}

fn used(reading: &Reading) -> BTreeMap<u32, Mebibytes> {
    let used = reading.gpus.iter().filter_map(|gpu| Some((gpu.index, gpu.memory?.used)));
    used.collect()
}
