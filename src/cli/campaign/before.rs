//! What was done of a campaign before, and whether this command goes on with it.

use std::path::PathBuf;

use super::Arguments;
use super::named::Named;
use crate::campaign::decided::record_of;
use crate::campaign::error::CampaignError;
use crate::campaign::resume::drift::Recorded;
use crate::campaign::resume::manifest::Manifest;
use crate::campaign::run_folder;
use crate::campaign::runner::now;
use crate::cli::render;
use crate::record::{CampaignState, Instance, Standing, Store, aside};

/// What was done before.
pub(super) enum Before {
    Nothing,
    /// The newest execution that is recorded.
    Recorded(Box<Recorded>, CampaignState),
    /// Without a record: what another tool, or a lem whose record is lost, left.
    Manifest(Manifest),
}

impl Before {
    /// The execution that goes on, where there is one.
    pub(super) fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Recorded(recorded, _) => Some(&recorded.instance),
            Self::Nothing | Self::Manifest(_) => None,
        }
    }
}

/// What the user wants to become of it.
#[derive(Clone, Copy)]
enum Wish {
    GoOn,
    StartAnew,
    Unsaid,
}

impl Arguments {
    fn wish(&self) -> Wish {
        let goes_on = self.resume || self.scope.retry_failed || self.scope.accept_changes;
        match (goes_on, self.fresh || self.manner.dry_run) {
            (true, _) => Wish::GoOn,
            (false, true) => Wish::StartAnew,
            (false, false) => Wish::Unsaid,
        }
    }
}

/// What this command goes on with; asks where that is not said.
pub(super) fn before(arguments: &Arguments, named: &Named) -> Result<Before, CampaignError> {
    let campaign = &named.file.campaign_name;
    match (arguments.wish(), look(named)) {
        // What cannot be understood is no reason not to start anew.
        (Wish::StartAnew, Ok(_) | Err(CampaignError::NoManifest { .. })) => Ok(Before::Nothing),
        (Wish::StartAnew, Err(CampaignError::Record(error))) if error.is_damage() => {
            let mut said = error.to_string();
            if !arguments.manner.dry_run {
                let kept = put_aside(named)?.display().to_string();
                said += &format!(": it moves to {kept}; `lem repair` finds what was done before");
            }
            render::say(&said);
            Ok(Before::Nothing)
        }
        (_, Err(error)) => Err(error),
        (Wish::GoOn, Ok(Before::Nothing)) => Err(CampaignError::NothingToResume {
            reason: format!("`{campaign}` was never started{}", lost(named)),
        }),
        (Wish::GoOn, Ok(before)) => Ok(before),
        (Wish::Unsaid, Ok(before)) => match progress(&before) {
            Some((done, total)) => ask(arguments, campaign, done, total, before),
            None => Ok(Before::Nothing),
        },
    }
}

/// Moves a damaged record out of the way of a new one.
fn put_aside(named: &Named) -> Result<PathBuf, CampaignError> {
    let path = record_of(&named.state_dir());
    let kept = aside::name_of(&path, &now());
    let moved = aside::move_to(&path, &kept);
    moved.map_err(|source| CampaignError::Unwritable { path, source })?;
    Ok(kept)
}

fn look(named: &Named) -> Result<Before, CampaignError> {
    let state_dir = named.state_dir();
    let campaign = &named.file.campaign_name;
    if let Some(mut store) = Store::open_existing(&record_of(&state_dir))?
        && let Some((recorded, state)) = Recorded::newest(&mut store, campaign)?
    {
        return Ok(Before::Recorded(Box::new(recorded), state));
    }
    let manifest = Manifest::read(&state_dir.join(&named.file.io.manifest_filename))?;
    // One of another campaign is none of ours.
    Ok(manifest
        .filter(|manifest| manifest.campaign_name == *campaign)
        .map_or(Before::Nothing, Before::Manifest))
}

/// How many runs are done, of how many, where some are not.
fn progress(before: &Before) -> Option<(usize, usize)> {
    match before {
        Before::Nothing | Before::Recorded(_, CampaignState::Finished) => None,
        Before::Recorded(recorded, CampaignState::Running | CampaignState::Interrupted) => {
            let runs = || recorded.runs.iter().filter(|run| run.standing == Standing::Planned);
            Some((runs().filter(|run| run.state.is_known()).count(), runs().count()))
        }
        Before::Manifest(manifest) => {
            let (done, total) = (manifest.done(), manifest.experiments.len());
            (done < total).then_some((done, total))
        }
    }
}

fn ask(
    arguments: &Arguments,
    campaign: &str,
    done: usize,
    total: usize,
    before: Before,
) -> Result<Before, CampaignError> {
    let unfinished =
        || Err(CampaignError::Unfinished { campaign: campaign.to_owned(), done, total });
    if arguments.manner.is_answered() || !render::can_ask() {
        return unfinished();
    }
    match render::ask_resume(campaign, done, total) {
        Some(true) => Ok(before),
        Some(false) => Ok(Before::Nothing),
        None => unfinished(),
    }
}

/// Where there is no record, but there are runs.
fn lost(named: &Named) -> String {
    let results = named.file.io.results_dir.clone().unwrap_or_else(|| "results".into());
    let folder = run_folder::of_campaign(&named.base.join(results), &named.file.campaign_name);
    if !folder.is_dir() {
        return String::new();
    }
    let folder = folder.display();
    format!(", says the record; `{folder}` has runs, and `lem repair` puts them into it")
}
