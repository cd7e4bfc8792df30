//! `lem repair`: the record made true again, from the results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::campaign::{Named, decide};
use super::flags::Flags;
use super::render::{self, counted, out};
use super::settings::Manners;
use super::{exit, locks};
use crate::campaign::decided::record_of;
use crate::campaign::error::CampaignError;
use crate::campaign::resume::found::{FoundRun, Required, are_of, began, look};
use crate::campaign::resume::repair::{
    Extent, Learnt, Rebuilt, Today, learn, rebuild, state_after,
};
use crate::campaign::run_folder;
use crate::campaign::runner::now;
use crate::record::{CampaignState, Instance, RecordError, RecordedRun, RunState, Store, aside};

/// Make a campaign's record anew from its results, where it is lost, damaged or behind.
///
/// Only what a run's folder proves is put into the record: an exit code, and a result where one is
/// required. Afterwards `lem resume` does what is missing. A damaged record is moved aside, never
/// deleted.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The campaign file [default: campaign.yaml or campaign.yml], or experiment files
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub flags: Flags,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Answer the question with yes
    #[arg(short, long)]
    yes: bool,
    /// What is done as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match repair(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => render::error(&error),
    }
}

/// What the record is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Condition {
    Sound,
    Missing,
    Damaged,
}

/// Everything that is to be done.
struct Work {
    condition: Condition,
    rebuilt: Vec<Rebuilt>,
    learnt: Vec<Learnt>,
    /// Executions whose state is another one by what was learnt.
    states: Vec<(String, CampaignState)>,
}

fn repair(arguments: &Arguments) -> Result<u8, CampaignError> {
    let mut flags = arguments.flags.clone();
    let named = Named::find(&arguments.files, &mut flags)?;
    let (state_dir, campaign) = (named.state_dir(), named.file.campaign_name.clone());
    let path = record_of(&state_dir);
    let _lock = match (arguments.dry_run, locks::executor(&state_dir, &campaign)) {
        (true, Some(holder)) => {
            return Err(CampaignError::Busy { what: format!("campaign `{campaign}`"), holder });
        }
        (true, None) => None,
        (false, _) => Some(locks::campaign(&state_dir, &campaign)?),
    };
    let (condition, recorded) = inspect(&path, &campaign)?;
    let work = plan(condition, &recorded, &named, &flags)?;
    if work.is_nothing() && condition != Condition::Damaged {
        if arguments.json {
            render::json(&work.report(None));
        } else if condition == Condition::Missing {
            out(&format!("there is no record of {campaign}, and there are no runs to make one of"));
        } else {
            out(&format!("the record of {campaign} says what its results say"));
        }
        return Ok(exit::DONE);
    }
    let aside = (condition == Condition::Damaged).then(|| aside::name_of(&path, &now()));
    if !arguments.json {
        work.lines(aside.as_deref()).iter().for_each(|line| out(line));
    }
    if !arguments.dry_run {
        if !(arguments.yes || render::can_ask()) {
            return Err(CampaignError::NoAnswer);
        }
        if !arguments.yes && !render::ask_repair() {
            render::say("nothing was changed");
            return Ok(exit::DONE);
        }
        work.act(&path, aside.as_deref())?;
        render::say(&format!("written: {}", path.display()));
    }
    if arguments.json {
        render::json(&work.report(aside.as_deref()));
    }
    Ok(exit::DONE)
}

type Recorded = Vec<(Instance, Vec<RecordedRun>)>;

/// The record's condition, and what it holds of the campaign, oldest first.
fn inspect(path: &Path, campaign: &str) -> Result<(Condition, Recorded), CampaignError> {
    let read = || -> Result<Option<Recorded>, RecordError> {
        let Some(mut store) = Store::open_existing(path)? else { return Ok(None) };
        store.check()?;
        let mut recorded = Vec::new();
        let ours = |instance: &Instance| instance.campaign == campaign;
        for instance in store.newest_first()?.into_iter().rev().filter(ours) {
            let runs = store.runs(&instance.id)?;
            recorded.push((instance, runs));
        }
        Ok(Some(recorded))
    };
    match read() {
        Ok(Some(recorded)) => Ok((Condition::Sound, recorded)),
        Ok(None) => Ok((Condition::Missing, Vec::new())),
        Err(error) if error.is_damage() => Ok((Condition::Damaged, Vec::new())),
        Err(error) => Err(error.into()),
    }
}

fn plan(
    condition: Condition,
    recorded: &Recorded,
    named: &Named,
    flags: &Flags,
) -> Result<Work, CampaignError> {
    let newest = recorded.last().map(|(instance, _)| instance);
    let decided = decide(Manners::default(), flags.clone(), named, newest)?;
    let settings = &decided.chosen.settings;
    let results = run_folder::of_campaign(&settings.results_dir, &named.file.campaign_name);
    let required = if settings.require_result { Required::Yes } else { Required::No };
    let mut executions: BTreeMap<String, Vec<FoundRun>> = BTreeMap::new();
    for run in look(&results, required)? {
        executions.entry(run.execution().to_owned()).or_default().push(run);
    }
    let mut work = Work { condition, rebuilt: Vec::new(), learnt: Vec::new(), states: Vec::new() };
    for (instance, runs) in recorded {
        let Some(found) = executions.remove(&instance.id[..8]) else { continue };
        let learnt = learn(&instance.id, runs, &found);
        if !learnt.is_empty() {
            work.states.push((instance.id.clone(), state_after(runs, &learnt)));
        }
        work.learnt.extend(learnt);
    }
    let (mut unknown, others): (Vec<Vec<FoundRun>>, Vec<_>) = executions
        .into_values()
        .partition(|runs| are_of(runs, &named.file.campaign_name, &named.path));
    if !others.is_empty() {
        let executions = counted(others.len(), "execution");
        render::say(&format!("{executions} of other campaign files: left alone"));
    }
    // Where nothing shows that it began, there is nothing to put into the record.
    unknown.retain(|runs| began(runs).is_some());
    unknown.sort_by(|a, b| began(a).cmp(&began(b)));
    while !unknown.is_empty() {
        let found = unknown.remove(0);
        let last = unknown.is_empty();
        let newer = newest.is_none_or(|newest| began(&found) > Some(&*newest.started_at));
        let extent = if last && newer { Extent::Whole } else { Extent::Folders };
        work.rebuilt.push(of_folders(&found, extent, named, flags.clone())?);
    }
    Ok(work)
}

fn of_folders(
    found: &[FoundRun],
    extent: Extent,
    named: &Named,
    flags: Flags,
) -> Result<Rebuilt, CampaignError> {
    let begun = found.iter().find_map(|run| Some(&run.facts.as_ref()?.campaign));
    // The flags it was begun with are part of what it is.
    let begun = begun.map(|origin| Instance {
        id: origin.id.clone(),
        campaign: origin.name.clone(),
        file: origin.file.clone(),
        plan: String::new(),
        seed: origin.seed,
        settings: origin.flags.clone(),
        started_at: String::new(),
        structure: None,
        cycles: None,
        basis: None,
    });
    let decided = decide(Manners::default(), flags, named, begun.as_ref())?;
    let random = uuid::Uuid::new_v4().to_string();
    let execution = found.first().map_or(&random[..8], FoundRun::execution);
    let id = format!("{execution}{}", &random[8..]);
    Ok(rebuild(
        found,
        &id,
        extent,
        &Today {
            campaign: &named.file.campaign_name,
            file: &named.path.to_string_lossy(),
            flags: &serde_json::to_string(&decided.flags).unwrap_or_default(),
            plan: &decided.plan,
            now: &now(),
        },
    ))
}

impl Work {
    fn is_nothing(&self) -> bool {
        self.rebuilt.is_empty() && self.learnt.is_empty()
    }

    fn lines(&self, aside: Option<&Path>) -> Vec<String> {
        let mut lines = Vec::new();
        match (self.condition, aside) {
            (Condition::Missing, _) => lines.push("there is no record".to_owned()),
            (Condition::Damaged, Some(aside)) => lines.push(format!(
                "the record is damaged: it moves to {}; other campaigns in it need a repair too",
                aside.display()
            )),
            (Condition::Sound | Condition::Damaged, _) => {}
        }
        for rebuilt in &self.rebuilt {
            lines.push(format!(
                "execution {} of {}: {} completed, {} failed, {} to do",
                &rebuilt.instance.id[..8],
                counted(rebuilt.runs.len(), "run"),
                rebuilt.count(RunState::Completed),
                rebuilt.count(RunState::Failed),
                rebuilt.count(RunState::Pending) + rebuilt.count(RunState::Interrupted),
            ));
        }
        for learnt in &self.learnt {
            lines.push(format!("run {}: {}", learnt.run, learnt.outcome.verdict));
        }
        lines
    }

    fn report<'a>(&'a self, aside: Option<&'a Path>) -> impl Serialize + 'a {
        let rebuilt = |it: &Rebuilt| {
            serde_json::json!({
                "campaign_id": it.instance.id, "runs": it.runs.len(), "state": it.state,
                "completed": it.count(RunState::Completed), "failed": it.count(RunState::Failed),
            })
        };
        let learnt = |it: &Learnt| {
            serde_json::json!({
                "campaign_id": it.instance, "run": it.run, "was": it.was,
                "verdict": it.outcome.verdict, "result": it.outcome.result,
            })
        };
        serde_json::json!({
            "record": self.condition,
            "moved_to": aside,
            "executions": self.rebuilt.iter().map(rebuilt).collect::<Vec<_>>(),
            "runs": self.learnt.iter().map(learnt).collect::<Vec<_>>(),
        })
    }

    fn act(&self, path: &Path, aside: Option<&Path>) -> Result<(), CampaignError> {
        if let Some(aside) = aside {
            aside::move_to(path, aside)
                .map_err(|source| CampaignError::Unwritable { path: path.to_owned(), source })?;
        }
        let mut store = Store::open(path)?;
        for rebuilt in &self.rebuilt {
            store.begin(&rebuilt.instance, &rebuilt.experiments, &rebuilt.runs)?;
            store.campaign_is(&rebuilt.instance.id, rebuilt.state, &now())?;
        }
        for learnt in &self.learnt {
            store.run_ended(&learnt.instance, learnt.position, &learnt.outcome)?;
        }
        for (instance, state) in &self.states {
            // No lem executes it: we hold its lock.
            store.interrupt_running(instance)?;
            store.campaign_is(instance, *state, &now())?;
        }
        Ok(())
    }
}
