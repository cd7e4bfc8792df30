//! What stands between a run and its GPUs, and whose restart would end it. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::campaign::file::HealthCheck;
use crate::gpu::memory::{Excess, Limits};
use crate::gpu::reading::Gpu;
use crate::mebibytes::Mebibytes;

/// Why a run doesn't start on a GPU yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum Obstacle {
    Memory {
        gpu: u32,
        used_mib: u64,
        /// At most so much may be used before the run.
        limit_mib: u64,
        /// Who holds it, most first; absent where the driver doesn't tell.
        holders: Option<Vec<Holder>>,
    },
    Temperature {
        gpu: u32,
        celsius: u32,
        limit_celsius: u32,
    },
    Power {
        gpu: u32,
        watts: f64,
        limit_watts: f64,
    },
}

/// A process that holds memory of a GPU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Holder {
    pub pid: u32,
    pub process: Option<String>,
    pub mib: Option<u64>,
    /// The name of its container, or the id of one that has no name here.
    pub container: Option<String>,
    #[serde(skip)]
    pub container_id: Option<String>,
}

/// The held containers by service.
pub(super) type Held = [(String, String)];

/// How many holders a person is told of.
const TOLD: usize = 3;

/// What of `gpus` is over a limit. `own` is what the campaign's containers hold by right.
pub(super) fn obstacles(
    check: &HealthCheck,
    gpus: &[&Gpu],
    own: &BTreeMap<u32, Mebibytes>,
) -> Vec<Obstacle> {
    let limits = Limits {
        share: thousandths(check.gpu_memory_threshold_pct),
        by_others: check.max_used_before_run,
    };
    let mut found = Vec::new();
    for gpu in gpus {
        let own = own.get(&gpu.index).copied().unwrap_or_default();
        if let Some(excess) = gpu.memory.as_ref().and_then(|m| limits.excess(m, own)) {
            found.push(Obstacle::Memory {
                gpu: gpu.index,
                used_mib: excess.used.0,
                limit_mib: excess.limit.0,
                holders: holders(gpu),
            });
        }
        if let (Some(celsius), Some(limit)) = (gpu.temperature, check.max_temperature)
            && celsius > limit
        {
            found.push(Obstacle::Temperature { gpu: gpu.index, celsius, limit_celsius: limit });
        }
        if let (Some(watts), Some(limit)) = (gpu.power, check.max_idle_power)
            && watts > limit
        {
            found.push(Obstacle::Power { gpu: gpu.index, watts, limit_watts: limit });
        }
    }
    found
}

/// Everybody who holds memory of one of `gpus`.
pub(super) fn holders_of(gpus: &[&Gpu]) -> Vec<Holder> {
    gpus.iter().filter_map(|gpu| holders(gpu)).flatten().collect()
}

fn holders(gpu: &Gpu) -> Option<Vec<Holder>> {
    let mut holders: Vec<Holder> = gpu
        .processes
        .as_ref()?
        .iter()
        .map(|process| Holder {
            pid: process.pid,
            process: None,
            mib: process.memory.map(|memory| memory.0),
            container: None,
            container_id: None,
        })
        .collect();
    holders.sort_by_key(|holder| std::cmp::Reverse(holder.mib));
    Some(holders)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 50 to 100, which is checked when the file is read"
)]
fn thousandths(percent: f64) -> u32 {
    (percent * 10.0).round() as u32
}

/// The service whose restart would give the run its GPUs, if there is one: its held container has
/// the memory, or nobody is known to have it. `service` is the run's own.
pub(super) fn culprit(obstacles: &[Obstacle], held: &Held, service: &str) -> Option<String> {
    let mut found = None;
    for obstacle in obstacles.iter().filter(|obstacle| obstacle.is_memory()) {
        // One GPU that no restart would free is enough to make all of them useless.
        found = Some(found.or(Some(culprit_of(obstacle, held, service)?))?);
    }
    found
}

fn culprit_of(obstacle: &Obstacle, held: &Held, service: &str) -> Option<String> {
    let Obstacle::Memory { used_mib, limit_mib, holders, .. } = obstacle else { return None };
    let run_has_one = || held.iter().any(|(name, _)| name == service).then(|| service.to_owned());
    let Some(holders) = holders.as_deref().filter(|holders| !holders.is_empty()) else {
        return run_has_one();
    };
    let owner = |holder: &Holder| {
        let mut found = held.iter().filter(|(_, id)| Some(id) == holder.container_id.as_ref());
        found.next().map(|(service, _)| service.clone())
    };
    let ours: Vec<&Holder> = holders.iter().filter(|holder| owner(holder).is_some()).collect();
    let unknown = |holder: &Holder| holder.process.is_none() && holder.container_id.is_none();
    if ours.is_empty() {
        return holders.iter().any(unknown).then(run_has_one)?;
    }
    let freed = ours
        .iter()
        .map(|holder| holder.mib)
        .try_fold(0_u64, |sum, mib| mib.map(|mib| sum.saturating_add(mib)));
    let excess = Excess { used: Mebibytes(*used_mib), limit: Mebibytes(*limit_mib) };
    let enough = freed.is_none_or(|freed| excess.ends_without(Mebibytes(freed)));
    (enough || holders.iter().any(unknown)).then(|| ours.first().and_then(|most| owner(most)))?
}

impl Obstacle {
    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory { .. })
    }

    /// The same GPU and the same limit, whatever the figures are.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let key = |obstacle: &Self| match obstacle {
            Self::Memory { gpu, .. } => (0, *gpu),
            Self::Temperature { gpu, .. } => (1, *gpu),
            Self::Power { gpu, .. } => (2, *gpu),
        };
        key(self) == key(other)
    }

    /// Its holders, to be named.
    pub(super) fn holders_mut(&mut self) -> impl Iterator<Item = &mut Holder> {
        let holders = match self {
            Self::Memory { holders, .. } => holders.as_mut(),
            Self::Temperature { .. } | Self::Power { .. } => None,
        };
        holders.into_iter().flatten()
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { gpu, used_mib, limit_mib, holders } => {
                write!(f, "GPU {gpu} is full: {used_mib} MiB are used, {limit_mib} MiB may be")?;
                match holders.as_deref() {
                    None | Some([]) => f.write_str("; the driver does not say by whom"),
                    Some(holders) => {
                        let told: Vec<String> =
                            holders.iter().take(TOLD).map(ToString::to_string).collect();
                        write!(f, "; held by {}", told.join(", "))?;
                        match holders.len().saturating_sub(TOLD) {
                            0 => Ok(()),
                            more => write!(f, " and {more} more"),
                        }
                    }
                }
            }
            Self::Temperature { gpu, celsius, limit_celsius } => {
                write!(f, "GPU {gpu} is hot: {celsius} °C, {limit_celsius} °C may be")
            }
            Self::Power { gpu, watts, limit_watts } => {
                write!(f, "GPU {gpu} is not idle: it draws {watts:.0} W, {limit_watts} W may be")
            }
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if let Some(process) = &self.process {
            write!(f, " ({process})")?;
        }
        if let Some(mib) = self.mib {
            write!(f, " with {mib} MiB")?;
        }
        match &self.container {
            Some(container) => write!(f, " in container {container}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(mib: Option<u64>, process: Option<&str>, container: Option<&str>) -> Holder {
        Holder {
            pid: 7,
            process: process.map(str::to_owned),
            mib,
            container: None,
            container_id: container.map(str::to_owned),
        }
    }

    fn full(holders: Option<Vec<Holder>>) -> Obstacle {
        Obstacle::Memory { gpu: 0, used_mib: 900, limit_mib: 500, holders }
    }

    #[test]
    fn a_restart_is_worth_it_where_it_frees_enough_or_nobody_knows() {
        let held = [("bench".to_owned(), "c1".to_owned()), ("other".to_owned(), "c2".to_owned())];
        let ours = |mib| holder(mib, Some("python"), Some("c1"));
        let theirs = |mib| holder(Some(mib), Some("x"), Some("c9"));
        let native = holder(Some(800), Some("python"), None);
        let hidden = holder(Some(800), None, None);
        for (holders, service) in [
            (None, Some("bench")),
            (Some(vec![]), Some("bench")),
            (Some(vec![ours(Some(800))]), Some("bench")),
            (Some(vec![ours(None)]), Some("bench")),
            (Some(vec![theirs(800)]), None),
            (Some(vec![native.clone()]), None),
            (Some(vec![hidden.clone()]), Some("bench")),
            (Some(vec![theirs(800), ours(Some(100))]), None),
            (Some(vec![ours(Some(500)), theirs(400)]), Some("bench")),
            (Some(vec![holder(Some(800), Some("x"), Some("c2"))]), Some("other")),
        ] {
            let obstacle = full(holders);
            assert_eq!(
                culprit(std::slice::from_ref(&obstacle), &held, "bench").as_deref(),
                service,
                "{obstacle}"
            );
        }
        let (unknown, foreign) = (full(None), full(Some(vec![native])));
        assert_eq!(culprit(&[unknown.clone(), foreign], &held, "bench"), None);
        // Where nothing is held, there is nothing to restart.
        assert_eq!(culprit(&[unknown], &[], "bench"), None);
        let hot = Obstacle::Temperature { gpu: 0, celsius: 90, limit_celsius: 50 };
        assert_eq!(culprit(&[hot], &held, "bench"), None);
    }

    #[test]
    fn an_obstacle_names_who_is_in_the_way() {
        let mut first = holder(Some(800), Some("python"), Some("c1"));
        first.container = Some("vllm-1".to_owned());
        let more = holder(None, None, None);
        let all = vec![first, more.clone(), more.clone(), more];
        assert_eq!(
            full(Some(all)).to_string(),
            "GPU 0 is full: 900 MiB are used, 500 MiB may be; held by pid 7 (python) with 800 MiB in \
             container vllm-1, pid 7, pid 7 and 1 more"
        );
    }
}
