//! Every choice before a campaign starts: its settings, its experiments, their order, its place.

use std::path::Path;

use super::Arguments;
use super::named::Named;
use crate::campaign::decided::{Campaign, record_of};
use crate::campaign::error::CampaignError;
use crate::campaign::file::Structure;
use crate::campaign::plan::Plan;
use crate::campaign::settings::{Foreign, RunnerKind};
use crate::campaign::site::survey;
use crate::campaign::{experiments, run_folder};
use crate::cancel::Cancel;
use crate::cli::flags::Flags;
use crate::cli::notifications::Audience;
use crate::cli::render;
use crate::cli::settings::{Chosen, Layers, Manners, Row, Verbosity};
use crate::record::{CampaignState, Instance, RecordedRun, RunState, Store};

/// The campaign's newest execution, if there was one, with its runs.
pub(super) type Earlier = (Instance, Vec<RecordedRun>);

/// A campaign's plan and settings; no engine was asked.
pub(super) struct Decided {
    pub plan: Plan,
    pub chosen: Chosen,
    pub audience: Audience,
    pub flags: Flags,
}

/// Makes every choice that the files, the flags and an earlier execution determine.
pub(super) fn decide(
    arguments: &Arguments,
    flags: Flags,
    named: &Named,
    resumed: Option<&Earlier>,
) -> Result<Decided, CampaignError> {
    let mut flags = flags.absolute();
    if let Some((instance, _)) = resumed {
        flags = flags.or(serde_json::from_str(&instance.settings).unwrap_or_default());
    }
    let manner = &arguments.manner;
    let manners = Manners {
        foreign: if manner.replace_running { Foreign::Replace } else { Foreign::Refuse },
        verbosity: match (manner.quiet, manner.verbose) {
            (true, _) => Some(Verbosity::Quiet),
            (false, true) => Some(Verbosity::Verbose),
            (false, false) => None,
        },
    };
    let chosen = Layers::read()?.resolve(&named.file, &named.base, &flags, manners);
    let wanted = &chosen.settings.notifications;
    let audience = Audience::check(wanted, &chosen.rows, &named.path, &named.base)?;
    let order = &chosen.order;
    let experiments = experiments::gather(&named.file, &named.base, flags.backend.as_deref())?;
    let recorded_seed = resumed.and_then(|(instance, _)| instance.seed);
    let seed = match order.structure {
        Structure::Shuffled => {
            Some(order.seed.or(recorded_seed).unwrap_or_else(rand::random::<u64>))
        }
        Structure::Interleaved | Structure::Grouped | Structure::Balanced => order.seed,
    };
    let plan = Plan {
        runs: Plan::order(&experiments, order.cycles, order.structure, seed),
        experiments,
        cycles: order.cycles,
        structure: order.structure,
        seed,
        config_gap: order.config_gap,
        cycle_gap: order.cycle_gap,
    };
    Ok(Decided { plan, chosen, audience, flags })
}

/// Finds the place of the campaign on this machine.
pub(super) async fn locate(
    decided: Decided,
    named: Named,
    resumed: Option<&Earlier>,
    cancel: &Cancel,
) -> Result<(Campaign, Vec<Row>), CampaignError> {
    let Decided { plan, chosen, flags, .. } = decided;
    let Chosen { settings, rows, .. } = chosen;
    let Named { file, path, .. } = named;
    let results = run_folder::of_campaign(&settings.results_dir, &file.campaign_name);
    let site = match settings.runner {
        RunnerKind::Docker => {
            Some(survey(&plan, &file.services, &settings, &results, cancel).await?)
        }
        RunnerKind::Local => None,
    };
    let campaign = Campaign {
        name: file.campaign_name,
        file: path,
        plan,
        settings,
        results,
        site,
        flags: serde_json::to_string(&flags).unwrap_or_default(),
        resumed: resumed.map(|(instance, _)| instance.id.clone()),
    };
    Ok((campaign, rows))
}

/// The newest execution of a campaign and the state it is in.
pub(super) fn earlier(
    state_dir: &Path,
    campaign: &str,
) -> Result<Option<(Earlier, CampaignState)>, CampaignError> {
    let Some(mut store) = Store::open_existing(&record_of(state_dir))? else { return Ok(None) };
    let Some((instance, state)) = store.newest(campaign)? else { return Ok(None) };
    let runs = store.runs(&instance.id)?;
    Ok(Some(((instance, runs), state)))
}

/// Which execution goes on: the unfinished one, if the user says so.
pub(super) fn choose_resume(
    arguments: &Arguments,
    earlier: Option<(Earlier, CampaignState)>,
    campaign: &str,
) -> Result<Option<Earlier>, CampaignError> {
    let nothing = |reason: &str| {
        Err(CampaignError::NothingToResume { reason: format!("`{campaign}` {reason}") })
    };
    match earlier {
        None if arguments.resume => nothing("was never started"),
        Some((_, CampaignState::Finished)) if arguments.resume => nothing("is finished"),
        Some((earlier, _)) if arguments.resume => Ok(Some(earlier)),
        Some((earlier, CampaignState::Running | CampaignState::Interrupted))
            if !arguments.fresh && !arguments.manner.dry_run =>
        {
            let done = earlier
                .1
                .iter()
                .filter(|run| matches!(run.state, RunState::Completed | RunState::Failed));
            let (done, total) = (done.count(), earlier.1.len());
            if arguments.manner.is_answered() || !render::can_ask() {
                let campaign = campaign.to_owned();
                return Err(CampaignError::Unfinished { campaign, done, total });
            }
            match render::ask_resume(campaign, done, total) {
                Some(true) => Ok(Some(earlier)),
                Some(false) => Ok(None),
                None => {
                    Err(CampaignError::Unfinished { campaign: campaign.to_owned(), done, total })
                }
            }
        }
        _ => Ok(None),
    }
}
