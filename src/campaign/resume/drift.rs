//! How a campaign differs from its record: what was added, removed, changed since. Pure.
//!
//! A run is the same run if its configuration, its repetition and its cycle are. Runs keep the
//! places that the record gave them, and new ones follow: nothing that was done is renumbered.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::basis::Basis;
use crate::campaign::file::Structure;
use crate::campaign::plan::{Experiment, Plan, Run};
use crate::record::{
    CampaignState, Instance, RecordError, RecordedExperiment, RecordedRun, Standing, Store,
};
use crate::secret::hidden;

/// What was recorded of a campaign.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub instance: Instance,
    pub runs: Vec<RecordedRun>,
    pub experiments: Vec<RecordedExperiment>,
}

/// Today's plan in the places of the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Every run of today's plan: the recorded ones where they were, then the new ones.
    pub runs: Vec<Run>,
    /// Those that the record does not have.
    pub added: Vec<Run>,
    /// Positions that today's plan does not have any more.
    pub dropped: Vec<u32>,
    /// Positions that were dropped earlier and are back.
    pub revived: Vec<u32>,
}

impl Recorded {
    /// The newest instance of a campaign, with the state that it is in.
    pub(crate) fn newest(
        store: &mut Store,
        campaign: &str,
    ) -> Result<Option<(Self, CampaignState)>, RecordError> {
        let Some((instance, state)) = store.newest(campaign)? else { return Ok(None) };
        let runs = store.runs(&instance.id)?;
        let experiments = store.experiments(&instance.id)?;
        Ok(Some((Self { instance, runs, experiments }, state)))
    }
}

type Identity<'a> = (&'a str, u32, u32);

/// Finds the place of each run of `plan` in the record.
pub(crate) fn place(plan: &Plan, recorded: &[RecordedRun]) -> Placed {
    let mut known: HashMap<Identity<'_>, (u32, Standing)> = HashMap::new();
    for run in recorded {
        known.insert((&run.experiment, run.repetition, run.cycle), (run.position, run.standing));
    }
    let last = recorded.iter().map(|run| run.position).max().unwrap_or_default();
    let mut placed = Placed::default();
    for run in &plan.runs {
        let experiment = plan.experiment(*run);
        let identity = (experiment.hash.as_str(), experiment.repetition, run.cycle);
        let Some((position, standing)) = known.remove(&identity) else {
            let position = placed.added.last().map_or(last, |run| run.position) + 1;
            placed.added.push(Run { position, ..*run });
            continue;
        };
        placed.runs.push(Run { position, ..*run });
        if standing == Standing::Dropped {
            placed.revived.push(position);
        }
    }
    let left = known.into_values().filter(|(_, standing)| *standing == Standing::Planned);
    placed.dropped = left.map(|(position, _)| position).collect();
    placed.dropped.sort_unstable();
    placed.runs.sort_by_key(|run| run.position);
    placed.runs.extend(&placed.added);
    placed
}

/// Everything that differs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Drift {
    pub experiments: Vec<Change>,
    /// How often each experiment runs, then and now.
    pub cycles: Option<(u32, u32)>,
    /// The order, then and now.
    pub order: Option<(String, String)>,
    /// What all runs have in common, a line each.
    pub basis: Vec<String>,
}

/// How one experiment differs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Added { name: String, repetitions: usize },
    Removed { name: String, runs: usize, done: usize },
    Changed { name: String, keys: Vec<KeyChange> },
}

/// A key of a configuration, then and now; absent where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeyChange {
    pub key: String,
    pub old: Option<Value>,
    pub new: Option<Value>,
}

/// Compares the record with today's plan.
pub(crate) fn drift(plan: &Plan, basis: Option<&Basis>, recorded: &Recorded) -> Drift {
    let then = Basis::read(recorded.instance.basis.as_deref());
    Drift {
        basis: then.zip(basis).map(|(then, now)| then.changes(now)).unwrap_or_default(),
        experiments: experiments(plan, recorded),
        cycles: cycles(recorded).filter(|then| *then != plan.cycles).map(|c| (c, plan.cycles)),
        order: order(plan, &recorded.instance),
    }
}

impl Drift {
    /// Whether it needs the user's word: more cycles do not, because nothing is lost by them.
    /// `cycles_said` is whether the number of cycles is part of this very command.
    pub(crate) fn needs_word(&self, cycles_said: CyclesSaid) -> bool {
        let fewer = self.cycles.is_some_and(|(then, now)| now < then);
        !self.experiments.is_empty()
            || self.order.is_some()
            || !self.basis.is_empty()
            || (fewer && cycles_said == CyclesSaid::Elsewhere)
    }

    /// The difference for people, at most `limit` lines.
    pub(crate) fn lines(&self, limit: usize) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((then, now)) = self.cycles {
            lines.push(format!("~ cycles: {then} → {now}"));
        }
        if let Some((then, now)) = &self.order {
            lines.push(format!("~ order: {then} → {now} (recorded runs keep their places)"));
        }
        lines.extend(self.basis.iter().cloned());
        lines.extend(self.experiments.iter().flat_map(Change::lines));
        if lines.len() > limit {
            let more = lines.len() - limit + 1;
            lines.truncate(limit.saturating_sub(1));
            lines.push(format!("… and {more} more"));
        }
        lines
    }
}

/// Where the number of cycles is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CyclesSaid {
    /// In this very command.
    Now,
    /// In the file, or when the campaign began.
    Elsewhere,
}

impl Change {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Added { name, repetitions: 1 } => vec![format!("+ {name}")],
            Self::Added { name, repetitions } => vec![format!("+ {name} ({repetitions} times)")],
            Self::Removed { name, runs, done } => {
                vec![format!("- {name} ({done} of {runs} done; results stay)")]
            }
            Self::Changed { name, keys } if keys.is_empty() => {
                vec![format!("~ {name}: its configuration")]
            }
            Self::Changed { name, keys } => {
                let text = |value: &Option<Value>| value.as_ref().map_or("-".into(), shortened);
                let line = |key: &KeyChange| {
                    format!("~ {name}: {} {} → {}", key.key, text(&key.old), text(&key.new))
                };
                keys.iter().map(line).collect()
            }
        }
    }
}

fn shortened(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn cycles(recorded: &Recorded) -> Option<u32> {
    let planned = recorded.runs.iter().filter(|run| run.standing == Standing::Planned);
    recorded.instance.cycles.or_else(|| planned.map(|run| run.cycle).max())
}

fn order(plan: &Plan, instance: &Instance) -> Option<(String, String)> {
    let then = instance.structure.as_deref()?;
    let named = |structure: &str, seed: Option<u64>| match seed {
        Some(seed) if structure == Structure::Shuffled.to_string() => {
            format!("{structure}, seed {seed}")
        }
        _ => structure.to_owned(),
    };
    let then = named(then, instance.seed);
    let now = named(&plan.structure.to_string(), plan.seed);
    (then != now).then_some((then, now))
}

fn experiments(plan: &Plan, recorded: &Recorded) -> Vec<Change> {
    let now: HashSet<(&str, u32)> =
        plan.experiments.iter().map(|e| (e.hash.as_str(), e.repetition)).collect();
    let planned = || recorded.runs.iter().filter(|run| run.standing == Standing::Planned);
    let then: HashSet<(&str, u32)> =
        planned().map(|run| (run.experiment.as_str(), run.repetition)).collect();
    // By name and configuration, in the order of the names.
    let mut removed: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for run in planned().filter(|run| !now.contains(&(run.experiment.as_str(), run.repetition))) {
        let (runs, done) = removed.entry((&run.name, &run.experiment)).or_default();
        *runs += 1;
        *done += usize::from(run.state.is_known());
    }
    let mut added: BTreeMap<(&str, &str), Vec<&Experiment>> = BTreeMap::new();
    for experiment in &plan.experiments {
        if !then.contains(&(experiment.hash.as_str(), experiment.repetition)) {
            added.entry((&experiment.name, &experiment.hash)).or_default().push(experiment);
        }
    }
    let mut changes = Vec::new();
    for ((name, hash), (runs, done)) in removed {
        let successor = added.keys().find(|(other, new)| *other == name && *new != hash).copied();
        let name = name.to_owned();
        match successor.and_then(|key| added.remove(&key)) {
            Some(successor) => {
                let old = recorded.experiments.iter().find(|e| e.hash == hash);
                let keys = old.map(|old| keys(&old.config, &successor[0].config));
                changes.push(Change::Changed { name, keys: keys.unwrap_or_default() });
            }
            None => changes.push(Change::Removed { name, runs, done }),
        }
    }
    let added = added.into_iter().map(|((name, _), experiments)| Change::Added {
        name: name.to_owned(),
        repetitions: experiments.len(),
    });
    changes.extend(added);
    changes
}

/// The keys in which two configurations differ, dots for descents; secrets are not among them.
fn keys(old: &str, new: &Map<String, Value>) -> Vec<KeyChange> {
    let Ok(Value::Object(old)) = serde_json::from_str(old) else { return Vec::new() };
    let (mut flat_old, mut flat_new) = (BTreeMap::new(), BTreeMap::new());
    flatten("", &old, &mut flat_old);
    flatten("", &hidden(new), &mut flat_new);
    let keys: HashSet<&String> = flat_old.keys().chain(flat_new.keys()).collect();
    let mut keys: Vec<&String> = keys.into_iter().collect();
    keys.sort();
    keys.into_iter()
        .filter(|key| flat_old.get(*key) != flat_new.get(*key))
        .map(|key| KeyChange {
            key: key.clone(),
            old: flat_old.get(key).cloned(),
            new: flat_new.get(key).cloned(),
        })
        .collect()
}

fn flatten(prefix: &str, map: &Map<String, Value>, flat: &mut BTreeMap<String, Value>) {
    for (key, value) in map {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) if !inner.is_empty() => flatten(&path, inner, flat),
            value => {
                flat.insert(path, value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
