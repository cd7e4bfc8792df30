//! From the decision to the summary: shown, asked, done.

use super::Manner;
use super::check::check;
use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::event::Event;
use crate::campaign::execute::execute;
use crate::campaign::file::ContainerStrategy;
use crate::campaign::notice::Notices;
use crate::campaign::plan::Run;
use crate::cancel::Cancel;
use crate::cli::couriers::Couriers;
use crate::cli::notifications::Audience;
use crate::cli::render::{self, Progress, Talk};
use crate::cli::settings::Source;
use crate::cli::{detach, exit, locks, traces};
use crate::engine::process::show;
use crate::lock::Lock;

/// Shows it, asks, and does it.
pub(super) async fn start(
    mut campaign: Campaign,
    runs: &[Run],
    source: Source,
    audience: Audience,
    manner: &Manner,
    campaign_lock: Option<Lock>,
    cancel: &Cancel,
) -> Result<u8, CampaignError> {
    let project_lock =
        campaign.site.as_ref().map(|site| locks::project(site, &campaign.name)).transpose()?;
    let talk = manner.talk();
    if talk != Talk::Little && !manner.detached {
        render::plan(&campaign, runs, source);
    }
    if !agreed(&campaign, manner.is_answered(), source, cancel).await? {
        render::say("nothing was started");
        return Ok(exit::DONE);
    }
    if let Some(site) = &mut campaign.site
        && !(site.containers.is_empty() && manner.is_answered())
    {
        // The answer took its time, or what was seen belonged to a lem that has ended by now.
        site.look_at_containers(cancel).await?;
        check(&campaign)?;
    }
    let mut progress = Progress::new(&campaign.plan, runs, manner.json, talk);
    make_images(&mut campaign, &mut progress, cancel).await?;
    if manner.detach {
        drop((project_lock, campaign_lock));
        return detach::hand_over(&campaign, manner.shown(), cancel).await;
    }
    locks::index(&campaign);
    let traces = campaign.site.as_mut().map(traces::begin).transpose()?;
    let mut couriers = Couriers::start(Notices::new(&campaign.name, &campaign.plan), audience);
    let report = &mut |event| {
        if let (Event::CampaignStarted { campaign_id, .. }, true) = (&event, manner.detached) {
            detach::announce(&campaign, campaign_id, manner.shown());
            if talk != Talk::Little {
                render::plan(&campaign, runs, source);
            }
        }
        progress.show(&event);
        couriers.tell(&event).iter().for_each(|warning| progress.say(warning));
    };
    let executed = execute(&campaign, runs, report, cancel).await;
    if let (Some(traces), Ok((_, ended))) = (traces, &executed)
        && !campaign.leaves_containers()
    {
        traces.end(ended);
    }
    progress.end();
    let (summary, ended) = match executed {
        Ok((summary, ended)) => (Some(summary), ended),
        Err(error) => (None, Err(error)),
    };
    if let (Some(summary), false) = (&summary, manner.json) {
        render::summary(summary);
    }
    couriers.end(summary.as_ref(), ended.as_ref().err()).await;
    ended?;
    Ok(match summary {
        Some(it) if it.failed > 0 && it.failed == it.gpu_busy && it.failed == it.total => {
            exit::NOT_FREE
        }
        Some(it) if it.failed > 0 || it.remaining > it.left_out => exit::FAILED,
        _ => exit::DONE,
    })
}

/// The one question, where there is something to ask.
async fn agreed(
    campaign: &Campaign,
    yes: bool,
    source: Source,
    cancel: &Cancel,
) -> Result<bool, CampaignError> {
    let Some(site) = &campaign.site else { return Ok(true) };
    let persistent = campaign.settings.strategy == ContainerStrategy::Persistent;
    if persistent {
        render::persistent_mode(source);
    }
    let missing = site.missing_images();
    if yes || (!persistent && missing.is_empty()) {
        return Ok(true);
    }
    if !render::can_ask() {
        return Err(CampaignError::NoAnswer);
    }
    let asking = tokio::task::spawn_blocking(render::ask_start);
    let answer = tokio::select! {
        answer = asking => answer.unwrap_or(false),
        signal = cancel.raised() => return Err(CampaignError::Cancelled { signal }),
    };
    // Ctrl-C ends the question too, and may be seen a moment later.
    tokio::task::yield_now().await;
    match cancel.now() {
        Some(signal) => Err(CampaignError::Cancelled { signal }),
        None => Ok(answer),
    }
}

async fn make_images(
    campaign: &mut Campaign,
    progress: &mut Progress,
    cancel: &Cancel,
) -> Result<(), CampaignError> {
    let Some(site) = &mut campaign.site else { return Ok(()) };
    let missing = site.missing_images();
    if missing.is_empty() {
        return Ok(());
    }
    for image in missing {
        let making = site.making(&image);
        progress.show(&Event::Preparing { what: making.to_string() });
        show(&making, cancel).await.map_err(|source| CampaignError::NoImage {
            service: image.service.clone(),
            image: image.image.clone(),
            source: Box::new(source),
        })?;
    }
    site.look_at_images(cancel).await?;
    match site.missing_images().first() {
        // Only now it is known what they bring.
        None => site.check_keepers(&campaign.settings),
        Some(image) => Err(CampaignError::NotReady {
            service: image.service.clone(),
            reason: format!("image `{}` is still missing after it was made", image.image),
            log: String::new(),
        }),
    }
}
