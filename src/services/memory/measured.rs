//! Who holds the memory of the GPUs: each running service, and everybody else. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::card::{Card, key};
use super::fit::Share;
use crate::gpu::processes::Identity;
use crate::gpu::reading::{Gpu, Process, Reading};
use crate::mebibytes::Mebibytes;

/// A running service, as far as memory is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The service.
    pub name: String,
    /// What it declares, of each of its GPUs.
    pub need: Mebibytes,
    /// Their keys.
    pub gpus: BTreeSet<String>,
    pub lives: Lives,
}

/// Which processes are a service's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lives {
    /// These.
    Processes(BTreeSet<u32>),
    /// All of the container with this whole id.
    Container(String),
}

/// Who holds what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Measured {
    /// Every member, by name.
    pub services: BTreeMap<String, Held>,
    pub others: Vec<Other>,
}

/// What a service has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Held {
    /// By the GPU's key.
    pub shares: BTreeMap<String, Share>,
    /// Whether one of its processes computes, where that is told.
    pub computes: bool,
}

impl Held {
    /// What its processes hold of all GPUs.
    pub(crate) fn measured(&self) -> Mebibytes {
        Mebibytes(self.shares.values().map(|share| share.measured.0).sum())
    }
}

/// A process that holds memory and belongs to no running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Other {
    /// The GPU's key.
    pub gpu: String,
    pub pid: u32,
    /// Absent where it is gone, or lives where it can't be seen from here.
    pub name: Option<String>,
    /// The container's whole id, until somebody puts its name there.
    pub container: Option<String>,
    pub memory: Option<Mebibytes>,
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        let container = self.container.as_ref().map(|id| format!("container {}", short(id)));
        let known: Vec<String> = self.name.clone().into_iter().chain(container).collect();
        if known.is_empty() { Ok(()) } else { write!(f, " ({})", known.join(", ")) }
    }
}

/// An id as docker prints it; a name as it is.
fn short(container: &str) -> &str {
    let is_id = container.len() == 64 && container.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { &container[..12] } else { container }
}

/// Who holds what, in a reading; without one, nobody is known to hold anything.
pub(crate) fn measured(
    reading: Option<&Reading>,
    members: &[Member],
    who: impl Fn(u32) -> Identity,
) -> Measured {
    let mut found = Measured::default();
    for member in members {
        let declared = Share { declared: member.need, ..Share::default() };
        let shares = member.gpus.iter().map(|gpu| (gpu.clone(), declared)).collect();
        found.services.insert(member.name.clone(), Held { shares, computes: false });
    }
    for gpu in reading.into_iter().flat_map(|reading| &reading.gpus) {
        found.count(gpu, members, &who);
    }
    found
}

impl Measured {
    fn count(&mut self, gpu: &Gpu, members: &[Member], who: impl Fn(u32) -> Identity) {
        let key = key(gpu);
        // Of processes whose memory or whose identity is not told, only all of it is known.
        let mut blind = gpu.processes.is_none();
        let mut told = 0;
        for process in gpu.processes.iter().flatten() {
            let identity = who(process.pid);
            let owner = members.iter().find(|member| member.lives.have(process.pid, &identity));
            let anonymous = owner.is_none() && identity == Identity::default();
            blind |= process.memory.is_none() || anonymous;
            if !anonymous {
                told += process.memory.unwrap_or_default().0;
            }
            match owner {
                Some(owner) => self.add(&owner.name, &key, process),
                None => self.others.push(Other {
                    gpu: key.clone(),
                    pid: process.pid,
                    name: identity.name,
                    container: identity.container,
                    memory: process.memory,
                }),
            }
        }
        if blind {
            let used = gpu.memory.map(|memory| memory.used.0).unwrap_or_default();
            self.guess(&key, used.saturating_sub(told));
        }
    }

    fn add(&mut self, name: &str, gpu: &str, process: &Process) {
        let held = self.services.entry(name.to_owned()).or_default();
        held.computes |= process.utilization.is_some_and(|share| share > 0);
        let share = held.shares.entry(gpu.to_owned()).or_default();
        share.measured.0 += process.memory.unwrap_or_default().0;
    }

    /// Takes what nobody is known to hold for what services declared: it was taken by somebody, and
    /// it is better not to keep it free a second time.
    fn guess(&mut self, gpu: &str, mut unexplained: u64) {
        for held in self.services.values_mut() {
            let Some(share) = held.shares.get_mut(gpu) else { continue };
            if share.measured.0 == 0 {
                share.measured.0 = share.declared.0.min(unexplained);
                unexplained -= share.measured.0;
            }
        }
    }

    /// Who holds memory of a GPU, the largest first: for messages.
    pub(crate) fn holders(&self, card: &Card) -> Vec<String> {
        let services = self.services.iter().filter_map(|(name, held)| {
            let memory = held.shares.get(&card.key)?.measured;
            (memory.0 > 0).then(|| (memory, format!("service `{name}` ({memory})")))
        });
        let others = self.others.iter().filter(|other| other.gpu == card.key);
        let others = others.map(|other| match other.memory {
            Some(memory) => (memory, format!("{other} ({memory})")),
            None => (Mebibytes(0), other.to_string()),
        });
        let mut holders: Vec<(Mebibytes, String)> = services.chain(others).collect();
        holders.sort_by_key(|(memory, _)| std::cmp::Reverse(*memory));
        holders.into_iter().map(|(_, shown)| shown).collect()
    }
}

impl Lives {
    fn have(&self, pid: u32, identity: &Identity) -> bool {
        match self {
            // One that can't be seen from here may have the same number and be another.
            Self::Processes(pids) => pids.contains(&pid) && *identity != Identity::default(),
            Self::Container(id) => identity.container.as_ref() == Some(id),
        }
    }
}

#[cfg(test)]
mod tests;
