//! A record from results: executions that it lacks, and outcomes that it did not see. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::drift::place;
use super::found::{FoundRun, began};
use crate::campaign::opening::{experiments, planned};
use crate::campaign::plan::{Experiment, Plan, identity};
use crate::record::{
    CampaignState, Instance, Outcome, PlannedRun, RecordedExperiment, RecordedRun, RunState,
    Standing,
};
use crate::secret::hidden;

/// An execution that the record lacks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rebuilt {
    pub instance: Instance,
    pub experiments: Vec<RecordedExperiment>,
    pub runs: Vec<PlannedRun>,
    pub state: CampaignState,
}

impl Rebuilt {
    /// How many of its runs are in a state; runs that nobody tried are pending.
    pub(crate) fn count(&self, state: RunState) -> usize {
        let of = |run: &PlannedRun| run.known.as_ref().map(|known| known.outcome.state);
        self.runs.iter().filter(|run| of(run).unwrap_or(RunState::Pending) == state).count()
    }
}

/// A run whose outcome the record does not know, and its folder does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Learnt {
    pub instance: String,
    pub position: u32,
    pub run: String,
    pub was: RunState,
    pub outcome: Outcome,
}

impl Learnt {
    /// The outcome of a run that the record did not know.
    pub(super) fn of(instance: &str, run: &RecordedRun, outcome: Outcome) -> Self {
        let (instance, position) = (instance.to_owned(), run.position);
        Self { instance, position, run: run.run.clone(), was: run.state, outcome }
    }
}

/// The outcomes that the folders of a recorded execution know better than the record.
pub(crate) fn learn(instance: &str, recorded: &[RecordedRun], found: &[FoundRun]) -> Vec<Learnt> {
    let found = by_id(found);
    let learnt = |run: &RecordedRun| {
        if run.state.is_known() {
            return None;
        }
        let outcome = found.get(run.run.as_str())?.outcome.clone()?;
        Some(Learnt::of(instance, run, outcome))
    };
    recorded.iter().filter_map(learnt).collect()
}

/// The state of a recorded execution after what was learnt, if it is another one.
pub(crate) fn state_after(recorded: &[RecordedRun], learnt: &[Learnt]) -> CampaignState {
    let learnt: HashSet<&str> = learnt.iter().map(|learnt| learnt.run.as_str()).collect();
    let known = |run: &RecordedRun| run.state.is_known() || learnt.contains(run.run.as_str());
    let planned = |run: &&RecordedRun| run.standing == Standing::Planned;
    if recorded.iter().filter(planned).all(known) {
        CampaignState::Finished
    } else {
        CampaignState::Interrupted
    }
}

fn by_id(found: &[FoundRun]) -> HashMap<&str, &FoundRun> {
    found.iter().map(|found| (found.run.as_str(), found)).collect()
}

/// What the campaign is today, for executions whose folders don't say it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Today<'a> {
    pub campaign: &'a str,
    pub file: &'a str,
    pub flags: &'a str,
    pub plan: &'a Plan,
    pub now: &'a str,
}

/// How much of an execution is known besides its folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// It is the newest one: what the campaign has besides is still to do.
    Whole,
    /// It is an old one: what was never begun is forgotten.
    Folders,
}

/// An execution from the folders of its runs. `id` is used where the folders know only its
/// beginning.
pub(crate) fn rebuild(found: &[FoundRun], id: &str, extent: Extent, today: &Today<'_>) -> Rebuilt {
    let plan = today.plan;
    let mut recorded = recognise(found, plan);
    recorded.sort_by_key(|run| run.position);
    let folders = by_id(found);
    let mut runs: Vec<PlannedRun> = recorded
        .iter()
        .filter_map(|run| {
            let found = folders.get(run.run.as_str())?;
            Some(PlannedRun {
                position: run.position,
                run: run.run.clone(),
                experiment: run.experiment.clone(),
                repetition: run.repetition,
                cycle: run.cycle,
                name: run.name.clone(),
                known: Some(found.known(today.now)),
            })
        })
        .collect();
    let origin = found.iter().find_map(|run| Some(&run.facts.as_ref()?.campaign));
    let id = origin.map_or(id, |origin| &origin.id);
    if extent == Extent::Whole {
        let added = place(plan, &recorded).added;
        let run_id = |position: u32| format!("{}-{position:04}", &id[..8]);
        runs.extend(added.into_iter().map(|run| planned(plan, run, run_id(run.position), None)));
    }
    let done = |run: &PlannedRun| run.known.as_ref().is_some_and(|k| k.outcome.state.is_known());
    let state =
        if runs.iter().all(done) { CampaignState::Finished } else { CampaignState::Interrupted };
    Rebuilt {
        instance: Instance {
            id: id.to_owned(),
            campaign: today.campaign.to_owned(),
            file: today.file.to_owned(),
            plan: plan.fingerprint(),
            seed: origin.map_or(plan.seed, |origin| origin.seed),
            settings: origin.map_or(today.flags, |origin| &origin.flags).to_owned(),
            started_at: began(found).unwrap_or(today.now).to_owned(),
            structure: Some(match (extent, origin) {
                (Extent::Folders, Some(origin)) => origin.structure.clone(),
                (Extent::Folders, None) | (Extent::Whole, _) => plan.structure.to_string(),
            }),
            cycles: Some(match (extent, origin) {
                (Extent::Folders, Some(origin)) => origin.cycles,
                (Extent::Folders, None) | (Extent::Whole, _) => plan.cycles,
            }),
            basis: None,
        },
        experiments: kept(found, &recorded, plan),
        runs,
        state,
    }
}

/// Which run of a campaign each folder is: by its facts, else by its configuration.
fn recognise(found: &[FoundRun], plan: &Plan) -> Vec<RecordedRun> {
    let mut taken: HashSet<(String, u32, u32)> = HashSet::new();
    let mut recorded = Vec::new();
    // Those that say which run they are go first: the others take what is left.
    let (sure, unsure): (Vec<&FoundRun>, Vec<&FoundRun>) =
        found.iter().partition(|run| run.facts.is_some());
    for run in sure.into_iter().chain(unsure) {
        let (name, identity) = match &run.facts {
            Some(facts) => (
                facts.experiment.clone(),
                (facts.experiment_id.clone(), facts.repetition, facts.cycle),
            ),
            None => by_configuration(run, plan, &taken),
        };
        taken.insert(identity.clone());
        let (experiment, repetition, cycle) = identity;
        recorded.push(RecordedRun {
            position: run.position,
            run: run.run.clone(),
            experiment,
            repetition,
            cycle,
            name,
            ..RecordedRun::pending()
        });
    }
    recorded
}

fn by_configuration(
    found: &FoundRun,
    plan: &Plan,
    taken: &HashSet<(String, u32, u32)>,
) -> (String, (String, u32, u32)) {
    let free = |run: &&crate::campaign::plan::Run| {
        let experiment = plan.experiment(**run);
        given(experiment) == found.config
            && !taken.contains(&(experiment.hash.clone(), experiment.repetition, run.cycle))
    };
    let candidates: Vec<&crate::campaign::plan::Run> = plan.runs.iter().filter(free).collect();
    let same_place = candidates.iter().find(|run| run.position == found.position);
    if let Some(run) = same_place.or(candidates.first()) {
        let experiment = plan.experiment(**run);
        let identity = (experiment.hash.clone(), experiment.repetition, run.cycle);
        return (experiment.name.clone(), identity);
    }
    // The campaign does not have it any more.
    let hash = identity(&found.config);
    let name = found.config.get("config_name").and_then(Value::as_str).unwrap_or(&found.run);
    let cycle = (1..=u32::MAX).find(|cycle| !taken.contains(&(hash.clone(), 0, *cycle)));
    (name.to_owned(), (hash, 0, cycle.unwrap_or(1)))
}

/// The configuration as the run's folder holds it.
fn given(experiment: &Experiment) -> Map<String, Value> {
    let mut config = experiment.config.clone();
    config.entry("config_name").or_insert_with(|| Value::from(experiment.name.as_str()));
    config
}

fn kept(found: &[FoundRun], recorded: &[RecordedRun], plan: &Plan) -> Vec<RecordedExperiment> {
    let mut kept: BTreeMap<String, RecordedExperiment> = BTreeMap::new();
    let folders = by_id(found);
    for recorded in recorded {
        let Some(run) = folders.get(recorded.run.as_str()) else { continue };
        let backend = run.config.get("backend").and_then(Value::as_str).map(str::to_owned);
        kept.insert(
            recorded.experiment.clone(),
            RecordedExperiment {
                hash: recorded.experiment.clone(),
                name: recorded.name.clone(),
                backend,
                config: Value::Object(hidden(&run.config)).to_string(),
                source: None,
            },
        );
    }
    for experiment in experiments(plan) {
        kept.insert(experiment.hash.clone(), experiment);
    }
    kept.into_values().collect()
}
