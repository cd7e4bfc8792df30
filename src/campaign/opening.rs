//! How the record learns that a campaign begins, or goes on, perhaps changed.

use std::collections::HashMap;
use std::path::Path;

use super::decided::{Campaign, Past};
use super::error::CampaignError;
use super::event::Event;
use super::instance::Instance;
use super::plan::{Plan, Run};
use super::resume::basis::Basis;
use super::resume::drift::Placed;
use super::resume::repair::Learnt;
use super::runner::now;
use crate::durable;
use crate::foreign_file;
use crate::record::{
    self, Amendment, CampaignState, ExperimentName, Known, PlannedRun, RecordedExperiment, Store,
};
use crate::secret::hidden;

/// Writes down what is going to be done, before anything is.
pub(crate) fn record(
    campaign: &Campaign,
    instance: &Instance,
    store: &mut Store,
) -> Result<(), CampaignError> {
    match &campaign.past {
        Past::Recorded { learnt, changes, .. } => {
            for run in learnt {
                keep_result(run)?;
                store.run_ended(&instance.id, run.position, &run.outcome)?;
            }
            store.interrupt_running(&instance.id)?;
            if let Some(placed) = changes {
                store.amend(&instance.id, &amendment(campaign, instance, placed), &now())?;
            }
            Ok(store.campaign_is(&instance.id, CampaignState::Running, &now())?)
        }
        Past::New { known } => {
            let plan = &campaign.plan;
            let mut known: HashMap<u32, Known> = known.iter().cloned().collect();
            let mut of =
                |run: &Run| planned(plan, *run, instance.run_id(*run), known.remove(&run.position));
            let planned: Vec<PlannedRun> = plan.runs.iter().map(&mut of).collect();
            let row = record::Instance {
                id: instance.id.clone(),
                campaign: campaign.name.clone(),
                file: campaign.file.to_string_lossy().into_owned(),
                plan: plan.fingerprint(),
                seed: plan.seed,
                settings: campaign.flags.clone(),
                started_at: instance.started_at.clone(),
                structure: Some(plan.structure.to_string()),
                cycles: Some(plan.cycles),
                basis: Some(Basis::of(&campaign.settings).to_text()),
            };
            Ok(store.begin(&row, &experiments(plan), &planned)?)
        }
    }
}

/// The record says that there is a result: after a power cut there must be one.
fn keep_result(run: &Learnt) -> Result<(), CampaignError> {
    let Some(path) = run.outcome.result.as_deref().map(Path::new) else { return Ok(()) };
    let kept = foreign_file::open(path).and_then(|file| durable::keep(&file, path));
    kept.map_err(|source| CampaignError::unwritable(path, source))
}

/// The runs whose end is recorded only now.
pub(crate) fn found(campaign: &Campaign) -> Vec<Event> {
    let Past::Recorded { learnt, .. } = &campaign.past else { return Vec::new() };
    let event = |run: &Learnt| {
        let planned = campaign.plan.runs.iter().find(|it| it.position == run.position)?;
        Some(Event::RunFound {
            run: run.run.clone(),
            experiment: campaign.plan.experiment(*planned).name.clone(),
            cycle: planned.cycle,
            position: run.position,
            verdict: run.outcome.verdict.clone(),
            exit_code: run.outcome.exit_code,
            result: run.outcome.result.clone().map(Into::into),
        })
    };
    learnt.iter().filter_map(event).collect()
}

fn amendment(campaign: &Campaign, instance: &Instance, placed: &Placed) -> Amendment {
    let plan = &campaign.plan;
    Amendment {
        plan: plan.fingerprint(),
        structure: plan.structure.to_string(),
        cycles: plan.cycles,
        seed: plan.seed,
        settings: campaign.flags.clone(),
        basis: Basis::of(&campaign.settings).to_text(),
        added: placed
            .added
            .iter()
            .map(|run| planned(plan, *run, instance.run_id(*run), None))
            .collect(),
        dropped: placed.dropped.clone(),
        revived: placed.revived.clone(),
        experiments: experiments(plan),
        names: plan
            .experiments
            .iter()
            .map(|experiment| ExperimentName {
                experiment: experiment.hash.clone(),
                repetition: experiment.repetition,
                name: experiment.name.clone(),
            })
            .collect(),
    }
}

/// A run as the record plans it.
pub(crate) fn planned(plan: &Plan, run: Run, id: String, known: Option<Known>) -> PlannedRun {
    let experiment = plan.experiment(run);
    PlannedRun {
        position: run.position,
        run: id,
        experiment: experiment.hash.clone(),
        repetition: experiment.repetition,
        cycle: run.cycle,
        name: experiment.name.clone(),
        known,
    }
}

/// The experiments of a plan as the record keeps them.
pub(crate) fn experiments(plan: &Plan) -> Vec<RecordedExperiment> {
    plan.experiments
        .iter()
        .map(|experiment| RecordedExperiment {
            hash: experiment.hash.clone(),
            name: experiment.name.clone(),
            backend: experiment.backend.clone(),
            config: serde_json::Value::Object(hidden(&experiment.config)).to_string(),
            source: experiment.source.as_ref().map(|path| path.to_string_lossy().into_owned()),
        })
        .collect()
}
