//! From the decision to the summary: shown, asked, done.

use super::Manner;
use super::check::check;
use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::event::Event;
use crate::campaign::execute::execute;
use crate::campaign::file::ContainerStrategy;
use crate::campaign::plan::Run;
use crate::cancel::Cancel;
use crate::cli::render::{self, Progress, Talk};
use crate::cli::settings::Source;
use crate::cli::{exit, locks, traces};
use crate::engine::process::show;

/// Shows it, asks, and does it.
pub(super) async fn start(
    mut campaign: Campaign,
    runs: &[Run],
    source: Source,
    manner: &Manner,
    cancel: &Cancel,
) -> Result<u8, CampaignError> {
    let _project_lock =
        campaign.site.as_ref().map(|site| locks::project(site, &campaign.name)).transpose()?;
    let talk = manner.talk();
    if talk != Talk::Little {
        render::plan(&campaign, runs, source);
    }
    if !agreed(&campaign, manner.yes, source, cancel).await? {
        render::say("nothing was started");
        return Ok(exit::DONE);
    }
    if let Some(site) = &mut campaign.site
        && !(site.containers.is_empty() && manner.yes)
    {
        // The answer took its time, or what was seen belonged to a lem that has ended by now.
        site.look_at_containers(cancel).await?;
        check(&campaign)?;
    }
    let mut progress = Progress::new(&campaign.plan, runs, manner.json, talk);
    make_images(&mut campaign, &mut progress, cancel).await?;
    locks::index(&campaign);
    let traces = campaign.site.as_mut().map(traces::begin).transpose()?;
    let (summary, ended) =
        execute(&campaign, runs, &mut |event| progress.show(&event), cancel).await?;
    if let Some(traces) = traces.filter(|_| !campaign.leaves_containers()) {
        traces.end(&ended);
    }
    progress.end();
    if !manner.json {
        render::summary(&summary);
    }
    ended?;
    Ok(match summary.failed {
        0 => exit::DONE,
        failed if failed == summary.gpu_busy && failed == summary.total => exit::NOT_FREE,
        _ => exit::FAILED,
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
    tokio::select! {
        answer = asking => Ok(answer.unwrap_or(false)),
        signal = cancel.raised() => Err(CampaignError::Cancelled { signal }),
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
        None => Ok(()),
        Some(image) => Err(CampaignError::NotReady {
            service: image.service.clone(),
            reason: format!("image `{}` is still missing after it was made", image.image),
            log: String::new(),
        }),
    }
}
