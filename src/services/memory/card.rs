//! The GPUs that services may use, and how much memory they have: by NVML, else by what the
//! registry says of them. Pure.

use std::collections::BTreeSet;

use crate::gpu::error::GpuError;
use crate::gpu::reading::{Gpu, Reading, is_meant};
use crate::mebibytes::Mebibytes;
use crate::services::error::ServiceError;
use crate::services::registry::Budget;
use crate::services::service::{GpuChoice, Service};

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    /// Its UUID; its index, or its name in the registry, where it has none.
    pub key: String,
    /// For people: its index.
    pub shown: String,
    /// Absent where nothing says how much it has.
    pub memory: Option<Amounts>,
    index: Option<u32>,
}

/// What a GPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub total: Mebibytes,
    /// By a budget, all of it: nobody measures what is used.
    pub free: Mebibytes,
}

/// How the memory is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Measured,
    /// There is no NVML: what services declare counts against a budget.
    Declared,
    /// There is neither: nothing is checked.
    Nothing,
}

/// The GPUs of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Cards {
    pub sight: Sight,
    pub all: Vec<Card>,
    silent: Vec<(u32, GpuError)>,
}

impl Cards {
    /// From a look at them. Where there is nothing to look at, `choices` says which there are, and
    /// `budget` how much each has. With a budget, GPUs that do not say what they have, have that.
    pub(crate) fn of<'a>(
        look: Result<&Reading, &GpuError>,
        budget: &Budget,
        choices: impl IntoIterator<Item = &'a GpuChoice>,
    ) -> Result<Self, ServiceError> {
        match look {
            Ok(reading) => {
                let all = reading.gpus.iter().map(|gpu| Card::of(gpu, budget)).collect();
                Ok(Self { sight: Sight::Measured, all, silent: reading.silent.clone() })
            }
            Err(error) if error.is_absence() || *budget != Budget::Unsaid => {
                let said = *budget != Budget::Unsaid;
                let sight = if said { Sight::Declared } else { Sight::Nothing };
                let all = named(choices, budget).into_iter().map(|name| Card::named(name, budget));
                Ok(Self { sight, all: all.collect(), silent: Vec::new() })
            }
            Err(error) => Err(error.clone().into()),
        }
    }

    /// The GPUs that service `name` uses, each once.
    pub(crate) fn chosen(
        &self,
        name: &str,
        choice: &GpuChoice,
    ) -> Result<Vec<&Card>, ServiceError> {
        let names = match choice {
            GpuChoice::All => return Ok(self.all.iter().collect()),
            GpuChoice::Named(names) => names,
        };
        let unknown = names.iter().find(|wanted| !self.all.iter().any(|card| card.is(wanted)));
        if let Some(wanted) = unknown {
            let lost = self.silent.iter().find(|(index, _)| is_meant(wanted, *index, None));
            return Err(match lost {
                Some((_, error)) => error.clone().into(),
                None => ServiceError::NoGpu { name: name.to_owned(), gpu: wanted.clone() },
            });
        }
        let is_chosen = |card: &&Card| names.iter().any(|wanted| card.is(wanted));
        Ok(self.all.iter().filter(is_chosen).collect())
    }

    /// The GPUs that a service takes memory of; none for one that needs none.
    pub(crate) fn chosen_for(&self, service: &Service) -> Result<Vec<&Card>, ServiceError> {
        match service.need {
            Mebibytes(0) => Ok(Vec::new()),
            _ => self.chosen_for_memory(&service.name, &service.gpus),
        }
    }

    /// The same for a service that needs memory there: it has to be known how much there is,
    /// unless nothing is known of any GPU.
    fn chosen_for_memory(
        &self,
        name: &str,
        choice: &GpuChoice,
    ) -> Result<Vec<&Card>, ServiceError> {
        let chosen = self.chosen(name, choice)?;
        let untold = chosen.iter().find(|card| card.memory.is_none());
        match untold.filter(|_| self.sight != Sight::Nothing) {
            Some(card) => Err(ServiceError::MemoryUntold { gpu: card.shown.clone() }),
            None => Ok(chosen),
        }
    }
}

impl Card {
    fn of(gpu: &Gpu, budget: &Budget) -> Self {
        let told = gpu.memory.filter(|memory| memory.total.0 > 0);
        let told = told.map(|memory| Amounts { total: memory.total, free: memory.free });
        let (key, shown, index) = (key(gpu), gpu.index.to_string(), Some(gpu.index));
        let said = said(budget, &key).or_else(|| said(budget, &shown));
        // Of such a GPU the driver may still say who holds what.
        let held = gpu.processes.iter().flatten().filter_map(|process| process.memory);
        let held = held.fold(0_u64, |held, memory| held.saturating_add(memory.0));
        let said = said.map(|it| Amounts { free: Mebibytes(it.free.0.saturating_sub(held)), ..it });
        Self { key, shown, memory: told.or(said), index }
    }

    fn named(name: String, budget: &Budget) -> Self {
        let memory = said(budget, &name);
        Self { index: name.parse().ok(), shown: name.clone(), memory, key: name }
    }

    fn is(&self, name: &str) -> bool {
        match self.index {
            Some(index) => is_meant(name, index, Some(&self.key)),
            None => self.key == name,
        }
    }
}

/// What a GPU is called here: see [`Card::key`].
pub(crate) fn key(gpu: &Gpu) -> String {
    gpu.uuid.clone().unwrap_or_else(|| gpu.index.to_string())
}

fn said(budget: &Budget, gpu: &str) -> Option<Amounts> {
    budget.of(gpu).map(|total| Amounts { total, free: total })
}

/// The GPUs that a registry names; a registry that names none means one.
fn named<'a>(
    choices: impl IntoIterator<Item = &'a GpuChoice>,
    budget: &Budget,
) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = match budget {
        Budget::Of(amounts) => amounts.keys().cloned().collect(),
        Budget::Unsaid | Budget::Each(_) => BTreeSet::new(),
    };
    for choice in choices {
        if let GpuChoice::Named(more) = choice {
            names.extend(more.iter().cloned());
        }
    }
    if names.is_empty() {
        names.insert("0".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::memory::Memory;
    use crate::gpu::reading::Mig;

    fn gpu(index: u32, uuid: &str, total: Option<u64>) -> Gpu {
        let memory = total.map(|total| Memory {
            used: Mebibytes(600),
            free: Mebibytes(total - 600),
            total: Mebibytes(total),
        });
        Gpu {
            index,
            uuid: Some(uuid.to_owned()),
            name: None,
            mig: Mig::Off,
            memory,
            temperature: None,
            power: None,
            power_limit: None,
            utilization: None,
            processes: None,
        }
    }

    fn machine() -> Reading {
        let gpus = vec![gpu(0, "GPU-aaaa", Some(24_000)), gpu(2, "GPU-aabb", None)];
        Reading { driver: None, gpus, silent: vec![(1, GpuError::Lost { index: 1 })] }
    }

    fn names(names: &[&str]) -> GpuChoice {
        GpuChoice::Named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn keys(cards: &Cards, choice: &GpuChoice) -> Result<Vec<String>, ServiceError> {
        let chosen = cards.chosen("a", choice)?;
        Ok(chosen.into_iter().map(|card| card.key.clone()).collect())
    }

    // F38
    #[test]
    fn a_service_has_the_gpus_that_it_names_by_index_uuid_or_the_beginning_of_it() {
        let cards = Cards::of(Ok(&machine()), &Budget::Unsaid, []).unwrap();
        for (choice, expected) in [
            (GpuChoice::All, vec!["GPU-aaaa", "GPU-aabb"]),
            (names(&["2"]), vec!["GPU-aabb"]),
            (names(&["GPU-aab", "0"]), vec!["GPU-aaaa", "GPU-aabb"]),
            // One GPU by two names is one.
            (names(&["0", "GPU-aaaa"]), vec!["GPU-aaaa"]),
        ] {
            assert_eq!(keys(&cards, &choice).unwrap(), expected, "{choice:?}");
        }
        let unknown = keys(&cards, &names(&["0", "7"])).unwrap_err();
        assert!(matches!(unknown, ServiceError::NoGpu { gpu, .. } if gpu == "7"));
        let lost = keys(&cards, &names(&["1"])).unwrap_err();
        assert!(matches!(lost, ServiceError::Gpu(GpuError::Lost { index: 1 })));
    }

    // F40
    #[test]
    fn without_nvml_a_budget_stands_for_what_the_gpus_have() {
        let choices = [names(&["0", "GPU-x"]), GpuChoice::All];
        let budget = Budget::Each(Mebibytes(24_000));
        let cards = Cards::of(Err(&GpuError::NoDriver), &budget, &choices).unwrap();
        assert_eq!(cards.sight, Sight::Declared);
        assert_eq!(keys(&cards, &GpuChoice::All).unwrap(), ["0", "GPU-x"]);
        assert_eq!(cards.all[0].memory.unwrap().free, Mebibytes(24_000));
        assert_eq!(keys(&cards, &names(&["GPU-x"])).unwrap(), ["GPU-x"]);

        let blind =
            Cards::of(Err(&GpuError::NoDriver), &Budget::Unsaid, [&GpuChoice::All]).unwrap();
        assert_eq!((blind.sight, blind.all.len()), (Sight::Nothing, 1));
        assert!(blind.chosen_for_memory("a", &GpuChoice::All).is_ok());
        // A driver that is broken is not a machine without GPUs.
        let broken = Cards::of(Err(&GpuError::VersionMismatch), &Budget::Unsaid, &choices);
        assert!(matches!(broken, Err(ServiceError::Gpu(GpuError::VersionMismatch))));
        assert!(Cards::of(Err(&GpuError::VersionMismatch), &budget, &choices).is_ok());
    }

    // F40
    #[test]
    fn a_gpu_that_does_not_say_what_it_has_is_no_gpu_with_nothing() {
        let cards = Cards::of(Ok(&machine()), &Budget::Unsaid, []).unwrap();
        let untold = cards.chosen_for_memory("a", &names(&["2"])).unwrap_err();
        assert!(matches!(untold, ServiceError::MemoryUntold { gpu } if gpu == "2"));
        assert!(cards.chosen_for_memory("a", &names(&["0"])).is_ok());
        let cards = Cards::of(Ok(&machine()), &Budget::Each(Mebibytes(128_000)), []).unwrap();
        let chosen = cards.chosen_for_memory("a", &names(&["2"])).unwrap();
        assert_eq!(chosen[0].memory.unwrap().total, Mebibytes(128_000));
    }
}
