//! From the decision to the summary: shown, asked, its images made, its turn waited for, done.

use std::sync::Arc;

use tokio::sync::mpsc::unbounded_channel;

use super::Manner;
use super::perform::{ending, perform};
use super::stage::{Stage, hearing};
use super::turn;
use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::event::Event;
use crate::campaign::file::ContainerStrategy;
use crate::campaign::plan::Run;
use crate::cancel::Cancel;
use crate::cli::notifications::Audience;
use crate::cli::render::{self, Progress, Talk};
use crate::cli::settings::Source;
use crate::cli::{detach, exit};
use crate::engine::process::show;
use crate::lock::Lock;

/// Shows it, asks, waits for its turn, and does it.
pub(super) async fn start(
    mut campaign: Campaign,
    runs: &[Run],
    source: Source,
    audience: Audience,
    manner: &Manner,
    campaign_lock: Option<Lock>,
    cancel: &Cancel,
) -> Result<u8, CampaignError> {
    let talk = manner.talk();
    if talk != Talk::Little && !manner.detached {
        render::plan(&campaign, runs, source);
    }
    if !agreed(&campaign, manner.is_answered(), source, cancel).await? {
        render::say("nothing was started");
        return Ok(exit::DONE);
    }
    let mut progress = Progress::new(&campaign.plan, runs, manner.json, talk);
    // Before its turn: nobody need wait for a download.
    make_images(&mut campaign, &mut progress, cancel).await?;
    if manner.detach {
        drop(campaign_lock);
        return detach::hand_over(&campaign, manner.shown(), cancel).await;
    }
    let id = campaign.instance()?.id;
    let mut stage = Stage::new(progress, id, runs, source, manner);
    let (says, mut heard) = unbounded_channel();
    let waiting = turn::wait(&campaign, manner.patience(), &says, cancel);
    let leave = hearing(waiting, &mut heard, |event| stage.show(&campaign, event)).await?;
    if stage.has_waited {
        stage.show(&campaign, &Event::TurnCame { seconds: leave.waited });
    }
    let tenure = Arc::clone(&leave.tenure);
    let performance = perform(&mut campaign, leave, audience, &mut stage, (says, heard), cancel);
    let done = Box::pin(performance).await;
    tenure.end(ending(&done, cancel)).await;
    done
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
