//! What was done of a campaign before, and whether this command goes on with it.

use std::path::PathBuf;

use super::named::Named;
use super::{Arguments, decide};
use crate::campaign::decided::record_of;
use crate::campaign::error::CampaignError;
use crate::campaign::resume::drift::Recorded;
use crate::campaign::resume::found::{self, FoundRun, Required};
use crate::campaign::resume::manifest::Manifest;
use crate::campaign::run_folder;
use crate::campaign::runner::now;
use crate::cli::flags::Flags;
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
pub(super) fn before(
    arguments: &Arguments,
    flags: &Flags,
    named: &Named,
) -> Result<Before, CampaignError> {
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
        (Wish::GoOn, Ok(Before::Nothing)) => {
            nothing(arguments, flags, named)?;
            let reason = format!("`{campaign}` was never started");
            Err(CampaignError::NothingToResume { reason })
        }
        (Wish::GoOn, Ok(before)) => Ok(before),
        (Wish::Unsaid, Ok(before)) => {
            match before {
                Before::Recorded(..) => {}
                Before::Nothing | Before::Manifest(_) => nothing(arguments, flags, named)?,
            }
            match progress(&before) {
                Some((done, total)) => ask(arguments, campaign, done, total, before),
                None => Ok(Before::Nothing),
            }
        }
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

/// No record knows the campaign; but if there are runs of it, it is lost, and they are
/// neither passed over nor done again without a word.
fn nothing(arguments: &Arguments, flags: &Flags, named: &Named) -> Result<(), CampaignError> {
    let decided = decide(arguments.manner.manners(), flags.clone(), named, None)?;
    let campaign = &named.file.campaign_name;
    let folder = run_folder::of_campaign(&decided.chosen.settings.results_dir, campaign);
    // What can't be read is said when it is to be written.
    let runs = found::look(&folder, Required::No).unwrap_or_default();
    // What a repair leaves alone is no reason to ask for one.
    let is_ours = |run: &FoundRun| {
        let run = std::slice::from_ref(run);
        found::began(run).is_some() && found::are_of(run, campaign, &named.path)
    };
    if runs.iter().any(is_ours) {
        return Err(CampaignError::Unrecorded { campaign: campaign.clone(), folder });
    }
    Ok(())
}
