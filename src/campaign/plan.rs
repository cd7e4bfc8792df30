//! From experiments to ordered runs. Pure: the same file and seed give the same order.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::file::Structure;
use super::order::order;
use crate::digest;
use crate::secret::for_a_name;

/// An experiment: a configuration and what a run of it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Experiment {
    /// For people; unique for a configuration.
    pub name: String,
    /// Identity: the first 12 hex digits of the SHA-256 of the resolved configuration.
    pub hash: String,
    /// Counts equal configurations, from 0: the same one twice is two repetitions.
    pub repetition: u32,
    /// The backend, where the configuration names one.
    pub backend: Option<String>,
    /// The resolved configuration.
    pub config: Map<String, Value>,
    /// The file that it was read from; none of a point of a grid.
    pub source: Option<PathBuf>,
}

/// One execution of an experiment in a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Place in the order, from 1.
    pub position: u32,
    /// Index into [`Plan::experiments`].
    pub experiment: usize,
    /// Cycle, from 1.
    pub cycle: u32,
}

/// Everything a campaign will do, in order.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub experiments: Vec<Experiment>,
    pub runs: Vec<Run>,
    pub cycles: u32,
    pub structure: Structure,
    /// The seed of the order, where it is random.
    pub seed: Option<u64>,
    /// Pause after a run, from its end.
    pub config_gap: Duration,
    /// Pause at the end of a cycle, instead of the other.
    pub cycle_gap: Duration,
}

impl Plan {
    /// Orders `cycles` runs of each experiment.
    pub(crate) fn order(
        experiments: &[Experiment],
        cycles: u32,
        structure: Structure,
        seed: Option<u64>,
    ) -> Vec<Run> {
        (1..)
            .zip(order(experiments.len(), cycles, structure, seed))
            .map(|(position, (experiment, cycle))| Run { position, experiment, cycle })
            .collect()
    }

    /// The pause between two runs that follow each other.
    ///
    /// A cycle ends where the cycle changes; in `grouped` order, whose cycles are not contiguous,
    /// where the experiment changes (2026-11-21: counting runs put the long pause into the middle
    /// of an experiment, and into the wrong places of a resumed campaign).
    pub(crate) fn gap(&self, last: Run, next: Run) -> Duration {
        let boundary = match self.structure {
            Structure::Grouped => last.experiment != next.experiment,
            Structure::Interleaved | Structure::Shuffled | Structure::Balanced => {
                last.cycle != next.cycle
            }
        };
        if boundary { self.cycle_gap } else { self.config_gap }
    }

    /// All pauses of `runs` together: the time the campaign takes at the least.
    pub(crate) fn gaps(&self, runs: &[Run]) -> Duration {
        runs.windows(2).map(|pair| self.gap(pair[0], pair[1])).sum()
    }

    /// The experiment of a run.
    pub(crate) fn experiment(&self, run: Run) -> &Experiment {
        &self.experiments[run.experiment]
    }

    /// Names the plan: campaigns with the same fingerprint do the same runs in the same order.
    pub(crate) fn fingerprint(&self) -> String {
        let mut text = String::new();
        for run in &self.runs {
            let experiment = self.experiment(*run);
            text.push_str(&format!(
                "{}/{}/{}\n",
                experiment.hash, experiment.repetition, run.cycle
            ));
        }
        short_hash(text.as_bytes())
    }
}

/// The first 12 hex digits of a SHA-256.
pub(crate) fn short_hash(bytes: &[u8]) -> String {
    digest::hex(bytes, 12)
}

/// A configuration that is to be an experiment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Candidate {
    /// The name that it has; without one it is named after its axes.
    pub name: Option<String>,
    pub config: Map<String, Value>,
    pub axes: Axes,
    /// The file that it was read from.
    pub source: Option<PathBuf>,
}

/// Gives each configuration its identity, and the pairs of `axes` that vary its name.
pub(crate) fn identify(candidates: Vec<Candidate>) -> Vec<Experiment> {
    let varying = varying(candidates.iter().map(|candidate| &candidate.axes));
    let mut repetitions: HashMap<String, u32> = HashMap::new();
    let mut names = Names::default();
    let mut experiments = Vec::new();
    for Candidate { name, config, axes, source } in candidates {
        let hash = identity(&config);
        let repetition = repetitions.entry(hash.clone()).and_modify(|n| *n += 1).or_default();
        let backend = config.get("backend").and_then(Value::as_str).map(str::to_owned);
        let wanted = name.unwrap_or_else(|| name_of(&axes, &varying));
        let name = names.give(shown(wanted), &hash);
        let repetition = *repetition;
        experiments.push(Experiment { name, hash, repetition, backend, config, source });
    }
    experiments
}

/// Names, each of one configuration.
#[derive(Default)]
struct Names {
    given: HashMap<(String, String), String>,
    taken: HashSet<String>,
    /// How often a name was wanted.
    wanted: HashMap<String, u32>,
}

impl Names {
    /// The name of a configuration that wants one. Two may want the same (one file name in two
    /// folders): the second is `…-2`.
    fn give(&mut self, wanted: String, hash: &str) -> String {
        let asked = (wanted, hash.to_owned());
        if let Some(name) = self.given.get(&asked) {
            return name.clone();
        }
        let wanted = &asked.0;
        let count = self.wanted.entry(wanted.clone()).or_default();
        let name = loop {
            *count += 1;
            let name = if *count == 1 { wanted.clone() } else { format!("{wanted}-{count}") };
            if self.taken.insert(name.clone()) {
                break name;
            }
        };
        self.given.insert(asked, name.clone());
        name
    }
}

/// The identity of a configuration.
pub(crate) fn identity(config: &Map<String, Value>) -> String {
    short_hash(canonical(&Value::Object(config.clone())).as_bytes())
}

/// The axes of a grid point with their values; empty for an experiment from a file.
pub(crate) type Axes = Vec<(String, Value)>;

/// The axes that have more than one value.
fn varying<'a>(points: impl Iterator<Item = &'a Axes>) -> HashSet<String> {
    let mut first: HashMap<&str, &Value> = HashMap::new();
    let mut varying: HashSet<&str> = HashSet::new();
    for (axis, value) in points.flatten() {
        if *first.entry(axis).or_insert(value) != value {
            varying.insert(axis);
        }
    }
    varying.into_iter().map(str::to_owned).collect()
}

/// A name that fits on a line: a file may call its experiment anything.
fn shown(wanted: String) -> String {
    if wanted.len() <= LONGEST_NAME && !wanted.contains(char::is_control) {
        return wanted;
    }
    let start: String = wanted.chars().filter(|c| !c.is_control()).take(60).collect();
    format!("{start}~{}", &short_hash(wanted.as_bytes())[..4])
}

/// A text that is longer is shortened in a name.
const LONGEST: usize = 40;
/// A name that is longer is shortened as a whole.
const LONGEST_NAME: usize = 200;

fn name_of(axes: &Axes, varying: &HashSet<String>) -> String {
    let mut parts = Vec::new();
    for (axis, value) in axes {
        let value = &for_a_name(axis, value);
        let text = match value {
            Value::String(text) if axis == "model_name" => {
                text.rsplit('/').next().unwrap_or(text).to_owned()
            }
            Value::String(text) if text.len() > LONGEST || text.contains(char::is_control) => {
                let start: String = text.chars().filter(|c| !c.is_control()).take(24).collect();
                format!("{start}~{}", &short_hash(text.as_bytes())[..4])
            }
            Value::String(text) => text.clone(),
            Value::Object(_) | Value::Array(_) => {
                short_hash(canonical(value).as_bytes())[..6].to_owned()
            }
            other => other.to_string(),
        };
        match axis.as_str() {
            "backend" => parts.push(text),
            "model_name" if varying.contains(axis) => parts.push(text),
            _ if varying.contains(axis) => parts.push(format!("{axis}={text}")),
            _ => {}
        }
    }
    parts.join("-")
}

/// JSON with sorted keys, so that the order of writing makes no difference.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let inner: Vec<String> = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", inner.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn experiments(names: &[&str]) -> Vec<Experiment> {
        let candidate = |name: &&str| {
            let config = json!({"config_name": name}).as_object().unwrap().clone();
            Candidate { name: Some((*name).to_owned()), config, ..Candidate::default() }
        };
        identify(names.iter().map(candidate).collect())
    }

    fn plan(structure: Structure) -> Plan {
        let experiments = experiments(&["a", "b"]);
        let runs = Plan::order(&experiments, 2, structure, None);
        let (config_gap, cycle_gap) = (Duration::from_secs(1), Duration::from_secs(10));
        Plan { experiments, runs, cycles: 2, structure, seed: None, config_gap, cycle_gap }
    }

    #[test]
    fn the_long_pause_stands_at_a_cycles_end_and_replaces_the_short_one() {
        let seconds = |plan: &Plan| -> Vec<u64> {
            plan.runs.windows(2).map(|p| plan.gap(p[0], p[1]).as_secs()).collect()
        };
        assert_eq!(seconds(&plan(Structure::Interleaved)), [1, 10, 1]);
        assert_eq!(seconds(&plan(Structure::Grouped)), [1, 10, 1]);
        assert_eq!(plan(Structure::Grouped).gaps(&plan(Structure::Grouped).runs).as_secs(), 12);
    }

    #[test]
    fn the_same_configuration_twice_is_two_repetitions_of_one_experiment() {
        let twice = experiments(&["a", "a"]);
        assert_eq!((twice[0].repetition, twice[1].repetition), (0, 1));
        assert_eq!((&twice[0].hash, &twice[0].name), (&twice[1].hash, &twice[1].name));
    }

    #[test]
    fn different_configurations_never_share_a_name() {
        let x = |n: u32| Candidate {
            name: Some("x".to_owned()),
            config: json!({"n": n}).as_object().unwrap().clone(),
            ..Candidate::default()
        };
        let same = vec![x(1), x(2)];
        let names: Vec<String> = identify(same).into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["x", "x-2"]);
        // A name of its own may look like a second one.
        let own = Candidate { name: Some("x-2".to_owned()), ..x(3) };
        let names: Vec<String> =
            identify(vec![x(1), x(2), own, x(1)]).into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["x", "x-2", "x-2-2", "x"]);
    }

    #[test]
    fn a_grid_name_holds_the_axes_that_vary() {
        let point = |backend: &str, batch: u32| {
            let axes: Axes = vec![
                ("backend".into(), backend.into()),
                ("model_name".into(), "org/gpt2".into()),
                ("batch_size".into(), batch.into()),
                ("dtype".into(), "fp16".into()),
            ];
            Candidate { config: axes.iter().cloned().collect(), axes, ..Candidate::default() }
        };
        let names: Vec<String> = identify(vec![point("vllm", 1), point("vllm", 8)])
            .into_iter()
            .map(|e| e.name)
            .collect();
        assert_eq!(names, ["vllm-batch_size=1", "vllm-batch_size=8"]);
    }

    #[test]
    fn identity_does_not_depend_on_the_order_of_keys() {
        let a = json!({"x": 1, "y": {"p": [1, 2], "q": null}});
        let b = json!({"y": {"q": null, "p": [1, 2]}, "x": 1});
        assert_eq!(canonical(&a), canonical(&b));
    }
}
