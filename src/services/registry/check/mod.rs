//! From the keys of one service to what it is: every default filled in, or what makes no sense.
//! Pure.

mod health;
mod kind;
mod other_names;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub(super) use self::health::endpoint;
pub(super) use self::other_names::{plain, written_as};
use super::keys::{AfterGraceKey, KindKey, RetryKeys, ServiceKeys};
use crate::duration::Time;
use crate::engine::compose::Project;
use crate::mebibytes::Mebibytes;
use crate::services::service::{AfterGrace, GpuChoice, OnFailure, Retry, Sequence, Service, Stop};

/// What is wrong with a key of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Dotted, below the service.
    pub key: &'static str,
    pub reason: String,
}

impl Refusal {
    fn new(key: &'static str, reason: impl Into<String>) -> Self {
        Self { key, reason: reason.into() }
    }
}

/// What a service's surroundings say where its own keys are silent.
#[derive(Debug, Clone)]
pub(super) struct Around {
    /// Keys for every service.
    pub defaults: ServiceKeys,
    /// The project of Compose services.
    pub project: Project,
    /// The GPUs that the Compose file gives it.
    pub gpus: Option<GpuChoice>,
    /// The grace that the Compose file gives it.
    pub grace: Option<Duration>,
}

/// The longest name; it becomes part of file names.
const LONGEST_NAME: usize = 64;
const GRACE: Duration = Duration::from_secs(30);
const PRIORITY: i64 = 50;

/// Whether it can be the name of a service or a container: of letters, digits, `_`, `.` and `-`,
/// the first a letter or a digit.
pub(super) fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(inner)
}

/// The service that these keys describe; relative paths are relative to `base`.
pub(super) fn service(
    name: &str,
    keys: ServiceKeys,
    around: &Around,
    base: &Path,
) -> Result<Service, Refusal> {
    if !is_name(name) || name.len() > LONGEST_NAME {
        let rule = "a name begins with a letter or a digit; `_`, `.` and `-` may follow";
        return Err(Refusal::new("", format!("{rule}, {LONGEST_NAME} in all")));
    }
    let keys = plain(keys)?;
    let kind_key = kind::of_own_keys(&keys)?;
    let keys = keys.or(around.defaults.clone());
    let need = keys.vram.unwrap_or_default();
    let health = health::health(&keys)?;
    let evict = match keys.evict.as_ref() {
        Some(evict) => Some(health::evict(evict, health.probe.as_ref())?),
        None => None,
    };
    Ok(Service {
        name: name.to_owned(),
        need,
        priority: keys.priority.unwrap_or(PRIORITY),
        gpus: gpus(&keys, need, around.gpus.as_ref())?,
        pinned: keys.pinned.unwrap_or(false),
        depends_on: depends_on(name, keys.depends_on.as_deref().unwrap_or_default())?,
        phases: keys.pipeline_phases.iter().flatten().copied().collect(),
        stop: stop(&keys, around.grace.filter(|_| kind_key == KindKey::Docker))?,
        retry: retry(keys.retry.unwrap_or_default())?,
        sequence: match keys.sequential {
            None | Some(true) => Sequence::OneAfterTheOther,
            Some(false) => Sequence::SideBySide,
        },
        on_failure: match keys.restore_on_failure {
            Some(true) => OnFailure::Restore,
            None | Some(false) => OnFailure::LeaveStopped,
        },
        kind: kind::kind(kind_key, keys, &around.project, base)?,
        health,
        evict,
    })
}

fn depends_on(name: &str, names: &[String]) -> Result<BTreeSet<String>, Refusal> {
    if names.iter().any(|other| other == name) {
        return Err(Refusal::new("depends_on", "it can't wait for itself"));
    }
    Ok(names.iter().cloned().collect())
}

fn gpus(
    keys: &ServiceKeys,
    need: Mebibytes,
    compose: Option<&GpuChoice>,
) -> Result<GpuChoice, Refusal> {
    let chosen = keys.gpus.as_ref().or(compose).cloned().unwrap_or(GpuChoice::All);
    match &chosen {
        GpuChoice::Named(names) if names.is_empty() && need > Mebibytes(0) => {
            Err(Refusal::new("gpus", format!("on no GPU there is no room for its {need}")))
        }
        GpuChoice::Named(names) if names.iter().any(|name| name.trim().is_empty()) => {
            Err(Refusal::new("gpus", "an empty name is no GPU"))
        }
        GpuChoice::Named(names) => {
            let unique: BTreeSet<&String> = names.iter().collect();
            match names.len() - unique.len() {
                0 => Ok(chosen),
                _ => Err(Refusal::new("gpus", "a GPU is named twice")),
            }
        }
        GpuChoice::All => Ok(chosen),
    }
}

fn stop(keys: &ServiceKeys, compose: Option<Duration>) -> Result<Stop, Refusal> {
    Ok(Stop {
        signal: kind::signal(keys.stop_signal.as_deref())?,
        grace: keys.stop_grace_period.map(Duration::from).or(compose).unwrap_or(GRACE),
        after_grace: match keys.after_grace {
            Some(AfterGraceKey::Kill) => AfterGrace::Kill,
            None | Some(AfterGraceKey::Fail) => AfterGrace::Fail,
        },
    })
}

fn retry(keys: RetryKeys) -> Result<Retry, Refusal> {
    let retry = Retry {
        attempts: keys.attempts.unwrap_or(3),
        delay: keys.delay.unwrap_or(Time::seconds(2)).into(),
        factor: keys.factor.unwrap_or(2.0),
        max_delay: keys.max_delay.unwrap_or(Time::seconds(30)).into(),
        jitter: keys.jitter.unwrap_or(0.1),
    };
    if retry.attempts == 0 {
        return Err(Refusal::new("retry.attempts", "the first try counts: at least 1"));
    }
    if !(1.0..=100.0).contains(&retry.factor) {
        return Err(Refusal::new("retry.factor", "from 1 to 100: a pause never gets shorter"));
    }
    if !(0.0..=1.0).contains(&retry.jitter) {
        return Err(Refusal::new("retry.jitter", "a share from 0 to 1"));
    }
    Ok(retry)
}

#[cfg(test)]
mod tests;
