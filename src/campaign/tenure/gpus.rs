//! Which GPUs a campaign claims. Pure.
//!
//! 2026-11-21: where the driver can't be asked from here, as with an engine elsewhere, GPUs are
//! claimed by the names that the Compose file has for them, below their engine: all who use that
//! engine from here mean the same by them.

use std::collections::BTreeSet;

use crate::coordination::resource::{Level, Resource};
use crate::engine::devices::Gpus;
use crate::gpu::reading::{Gpu, Reading};

/// The claims of services that have these GPUs; in no order, each once. `seen`: the GPUs of this
/// machine, where they can be seen.
pub(crate) fn claimed(wanted: &[Gpus], seen: Option<&Reading>, engine: &str) -> BTreeSet<Resource> {
    wanted.iter().flat_map(|gpus| claims_of(gpus, seen, engine)).collect()
}

fn claims_of(wanted: &Gpus, seen: Option<&Reading>, engine: &str) -> Vec<Resource> {
    match (wanted, seen) {
        (Gpus::None | Gpus::Unsaid, _) => Vec::new(),
        (Gpus::All, Some(reading)) => all(reading),
        (Gpus::Named(names), Some(reading)) => match named(names, reading) {
            // The gate looks at all of them then, and says so.
            none if none.is_empty() => all(reading),
            found => found,
        },
        (Gpus::All, None) => vec![below(engine)],
        (Gpus::Named(names), None) => {
            names.iter().map(|name| below(engine).below(Level::Gpu, name)).collect()
        }
    }
}

fn named(names: &[String], reading: &Reading) -> Vec<Resource> {
    let is_named = |gpu: &&Gpu| names.iter().any(|name| gpu.is(name));
    let found = reading.gpus.iter().filter(is_named).map(claim);
    // One that is silent does not say its UUID: it may be any that is named and not seen.
    let is_missing = |name: &&String| !reading.gpus.iter().any(|gpu| gpu.is(name));
    let missing: Vec<&String> = names.iter().filter(is_missing).collect();
    let may_be = |index: u32| {
        missing.iter().any(|name| name.parse::<u32>().ok().is_none_or(|it| it == index))
    };
    let silent = silent(reading).filter(|(index, _)| may_be(*index));
    found.chain(silent.map(|(_, claim)| claim)).collect()
}

fn all(reading: &Reading) -> Vec<Resource> {
    reading.gpus.iter().map(claim).chain(silent(reading).map(|(_, claim)| claim)).collect()
}

fn silent(reading: &Reading) -> impl Iterator<Item = (u32, Resource)> {
    reading.silent.iter().map(|(index, _)| (*index, Resource::gpu(&index.to_string())))
}

fn claim(gpu: &Gpu) -> Resource {
    match &gpu.uuid {
        Some(uuid) => Resource::gpu(uuid),
        None => Resource::gpu(&gpu.index.to_string()),
    }
}

/// Every GPU of an engine.
fn below(engine: &str) -> Resource {
    let engine = if engine.is_empty() { "here" } else { engine };
    Resource::engine(engine).below(Level::Gpu, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::error::GpuError;
    use crate::gpu::reading::Mig;

    fn gpu(index: u32, uuid: Option<&str>) -> Gpu {
        Gpu {
            index,
            uuid: uuid.map(str::to_owned),
            name: None,
            mig: Mig::Off,
            memory: None,
            temperature: None,
            power: None,
            power_limit: None,
            utilization: None,
            processes: None,
        }
    }

    fn named(names: &[&str]) -> Gpus {
        Gpus::Named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn paths(wanted: &[Gpus], seen: Option<&Reading>) -> String {
        let claimed = claimed(wanted, seen, "E");
        claimed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_gpu_is_claimed_by_its_uuid_however_it_is_named() {
        let reading = Reading {
            driver: None,
            gpus: vec![gpu(0, Some("GPU-a")), gpu(1, Some("GPU-b")), gpu(2, None)],
            silent: vec![(3, GpuError::Lost { index: 3 })],
        };
        for (wanted, expected) in [
            (vec![named(&["0"])], "gpu:GPU-a"),
            (vec![named(&["GPU-a", "1"]), named(&["0"])], "gpu:GPU-a gpu:GPU-b"),
            (vec![named(&["2"])], "gpu:2"),
            (vec![Gpus::All], "gpu:2 gpu:3 gpu:GPU-a gpu:GPU-b"),
            (vec![named(&["0", "GPU-silent"])], "gpu:3 gpu:GPU-a"),
            (vec![named(&["0", "3"])], "gpu:3 gpu:GPU-a"),
            (vec![named(&["0", "7"])], "gpu:GPU-a"),
            (vec![named(&["7"])], "gpu:2 gpu:3 gpu:GPU-a gpu:GPU-b"),
            (vec![Gpus::None, Gpus::Unsaid], ""),
        ] {
            assert_eq!(paths(&wanted, Some(&reading)), expected, "{wanted:?}");
        }
    }

    #[test]
    fn unseen_gpus_are_claimed_by_their_names_and_all_of_them_meet_each() {
        use crate::coordination::claim::clash;
        use crate::coordination::part::{Act, Part};
        assert_eq!(paths(&[named(&["0", "1"])], None), "engine:E/gpu:/gpu:0 engine:E/gpu:/gpu:1");
        let claims = |wanted| {
            let claimed = claimed(&[wanted], None, "E");
            let parts = claimed.into_iter().map(|it| Part::new(it, Act::Exclusive));
            parts.map(|part| part.claims()).next().unwrap()
        };
        let (all, first, second) =
            (claims(Gpus::All), claims(named(&["0"])), claims(named(&["1"])));
        assert!(clash(&all, &first).is_some() && clash(&second, &all).is_some());
        assert!(clash(&first, &second).is_none());
    }
}
