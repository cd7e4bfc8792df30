//! Which runs this command does: what is missing, what has changed, what was chosen.

use std::collections::HashSet;

use clap::Args;

use super::before::Before;
use super::decide::Decided;
use crate::campaign::decided::Past;
use crate::campaign::error::CampaignError;
use crate::campaign::plan::{Plan, Run};
use crate::campaign::resume::basis::Basis;
use crate::campaign::resume::drift::{CyclesSaid, Drift, Recorded, drift, place};
use crate::campaign::resume::manifest::{Imported, Manifest};
use crate::campaign::resume::repair::Learnt;
use crate::campaign::resume::select::Selection;
use crate::campaign::resume::unseen::unseen;
use crate::campaign::resume::{Failures, chosen, missing};
use crate::campaign::run_folder;
use crate::campaign::settings::Settings;
use crate::cli::render::{counted, say};
use crate::record::{CampaignState, RunState, Standing};

/// Lines of a difference that are shown; the rest is counted.
const SHOWN: usize = 20;

/// Which of a campaign's runs are done.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Scope {
    /// Do only the runs that match: an experiment, a run, a backend, a position or range; globs
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
    /// Leave out the runs that match
    #[arg(long, value_name = "PATTERN")]
    pub skip: Vec<String>,
    /// Go on, and try again what failed
    #[arg(long)]
    pub retry_failed: bool,
    /// Go on although experiments or their order have changed since
    #[arg(long)]
    pub accept_changes: bool,
}

impl Scope {
    fn selection(&self) -> Selection {
        Selection { only: self.only.clone(), skip: self.skip.clone() }
    }

    fn failures(&self) -> Failures {
        if self.retry_failed { Failures::Again } else { Failures::Stay }
    }
}

/// What to do, and from where. Gives the runs of the plan the places that they have in the record.
pub(super) fn course(
    scope: &Scope,
    cycles: CyclesSaid,
    campaign: &str,
    decided: &mut Decided,
    before: Before,
) -> Result<(Past, Vec<Run>), CampaignError> {
    let plan = &mut decided.plan;
    let (past, runs, failed) = match before {
        Before::Nothing => (Past::New { known: Vec::new() }, plan.runs.clone(), 0),
        Before::Manifest(manifest) => {
            let imported = manifest.import(plan, &decided.chosen.settings.base);
            report(&manifest, &imported, plan.runs.len());
            let done: HashSet<u32> = imported.known.iter().map(|known| known.0).collect();
            let mut runs = plan.runs.clone();
            runs.retain(|run| !done.contains(&run.position));
            if runs.is_empty() {
                return Err(CampaignError::Finished { campaign: campaign.to_owned(), failed: 0 });
            }
            (Past::New { known: imported.known }, runs, 0)
        }
        Before::Recorded(mut recorded, state) => {
            let learnt = learn(&mut recorded, &decided.chosen.settings);
            let past = go_on(scope, cycles, plan, &decided.chosen.settings, &recorded, learnt)?;
            let runs = missing(plan, &recorded.runs, scope.failures());
            let failed = |run: &&_| is_failed(run);
            let failed = recorded.runs.iter().filter(failed).count();
            if runs.is_empty() && state == CampaignState::Finished {
                return Err(CampaignError::Finished { campaign: campaign.to_owned(), failed });
            }
            (past, runs, failed)
        }
    };
    let selected = select(&scope.selection(), plan, &past, runs.clone())?;
    if selected.is_empty() && !runs.is_empty() {
        return Err(CampaignError::ChosenDone { campaign: campaign.to_owned(), failed });
    }
    Ok((past, selected))
}

fn is_failed(run: &crate::record::RecordedRun) -> bool {
    run.state == RunState::Failed && run.standing == Standing::Planned
}

/// What the folders know of runs whose end was not recorded. From here on it counts as recorded.
fn learn(recorded: &mut Recorded, settings: &Settings) -> Vec<Learnt> {
    let results = run_folder::of_campaign(&settings.results_dir, &recorded.instance.campaign);
    let learnt = unseen(&recorded.instance.id, &recorded.runs, &results, settings);
    for Learnt { position, outcome, .. } in &learnt {
        for run in recorded.runs.iter_mut().filter(|run| run.position == *position) {
            run.state = outcome.state;
            run.verdict = Some(outcome.verdict.clone());
        }
    }
    learnt
}

fn go_on(
    scope: &Scope,
    cycles: CyclesSaid,
    plan: &mut Plan,
    settings: &Settings,
    recorded: &Recorded,
    learnt: Vec<Learnt>,
) -> Result<Past, CampaignError> {
    let campaign = &recorded.instance.campaign;
    let basis = Basis::of(settings);
    let then = Basis::read(recorded.instance.basis.as_deref());
    let folder = then.as_ref().and_then(|then| then.left_behind(&basis, &settings.base));
    if let Some(folder) = folder {
        return Err(CampaignError::ResultsElsewhere { campaign: campaign.clone(), folder });
    }
    let found = drift(plan, Some(&basis), recorded);
    let lines = found.lines(SHOWN);
    if found.needs_word(cycles) && !scope.accept_changes {
        return Err(CampaignError::Drifted { campaign: campaign.clone(), lines });
    }
    let placed = place(plan, &recorded.runs);
    plan.runs.clone_from(&placed.runs);
    let (id, started_at) = (recorded.instance.id.clone(), recorded.instance.started_at.clone());
    if found == Drift::default() {
        // The results may have been moved: then it must be remembered to where.
        let changes = then.is_some_and(|then| then != basis).then_some(placed);
        return Ok(Past::Recorded { id, started_at, learnt, changes });
    }
    say(&format!("`{campaign}` has changed since it began:\n  {}", lines.join("\n  ")));
    Ok(Past::Recorded { id, started_at, learnt, changes: Some(placed) })
}

fn select(
    selection: &Selection,
    plan: &Plan,
    past: &Past,
    runs: Vec<Run>,
) -> Result<Vec<Run>, CampaignError> {
    if selection.is_everything() {
        return Ok(runs);
    }
    let id = |run: Run| match past {
        Past::Recorded { id, .. } => Some(format!("{}-{:04}", &id[..8], run.position)),
        Past::New { .. } => None,
    };
    Ok(chosen(runs, &selection.positions(plan, id)?))
}

/// Says what a manifest gave.
fn report(manifest: &Manifest, imported: &Imported, total: usize) {
    let done = imported.known.len();
    let by = manifest.generator.as_deref().unwrap_or("another tool");
    let runs = counted(total, "run");
    say(&format!("there is no record; the manifest of {by} says that {done} of {runs} are done"));
    let not_counted = |n: usize, why: &str| {
        if n > 0 {
            say(&format!("  not counted: {n} completed, {why}"));
        }
    };
    not_counted(imported.without_result, "whose results are not where it says");
    if by.starts_with("lem ") {
        say("  `lem repair` knows more: it reads the results");
    }
    not_counted(imported.strangers, "which the campaign does not have as they were");
}
