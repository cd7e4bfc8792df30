//! A campaign whose turn it is: done, summed up, told.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::check::check;
use super::stage::{Stage, hearing};
use super::turn;
use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::event::{Event, Summary};
use crate::campaign::execute::{Leave, execute};
use crate::campaign::instance::Instance;
use crate::campaign::notice::Notices;
use crate::cancel::Cancel;
use crate::cli::couriers::Couriers;
use crate::cli::exit::Failure;
use crate::cli::notifications::Audience;
use crate::cli::{exit, locks, render, traces};
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Ending;
use crate::coordination::operation::State;

/// What is heard beside the campaign's own events, and where it is said.
type Beside = (UnboundedSender<Event>, UnboundedReceiver<Event>);

/// Does it.
pub(super) async fn perform(
    campaign: &mut Campaign,
    leave: Leave,
    audience: Audience,
    stage: &mut Stage<'_>,
    beside: Beside,
    cancel: &Cancel,
) -> Result<u8, CampaignError> {
    let (says, mut heard) = beside;
    let site = campaign.site.as_ref();
    let name = site.map(|site| locks::project(&site.engine.id, &site.owner)).transpose()?;
    if let Some(site) = &mut campaign.site
        && (stage.has_waited || !site.containers.is_empty() || !stage.manner.is_answered())
    {
        // The answer took its time, or somebody else was here until now.
        site.look_again(cancel).await?;
        check(campaign)?;
    }
    locks::index(campaign);
    let traces = campaign.site.as_mut().map(traces::begin).transpose()?;
    let instance = Instance { id: stage.id.clone(), ..campaign.instance()? };
    stage.couriers = Some(Couriers::start(Notices::new(&campaign.name, &campaign.plan), audience));
    let (tenure, taken_away) = (Arc::clone(&leave.tenure), Arc::new(OnceLock::new()));
    let (raise, cancel) = cancel.with_own();
    let disturbed = turn::disturbed(Arc::clone(&tenure), says, Arc::clone(&taken_away));
    let listening = tokio::spawn(async move { raise.raise(disturbed.await) });
    let executed = {
        let (campaign, runs) = (&*campaign, stage.runs);
        let shown = RefCell::new(&mut *stage);
        let report = &mut |event| shown.borrow_mut().show(campaign, &event);
        let executing = Box::pin(execute(campaign, &instance, runs, leave, report, &cancel));
        hearing(executing, &mut heard, |event| shown.borrow_mut().show(campaign, event)).await
    };
    if let (Some(traces), Ok((_, ended))) = (traces, &executed)
        && !campaign.leaves_containers()
    {
        traces.end(ended);
    }
    listening.abort();
    stage.progress.end();
    let (summary, ended) = match executed {
        Ok((summary, ended)) => (Some(summary), ended),
        Err(error) => (None, Err(error)),
    };
    let ended = ended.map_err(|error| match (error, taken_away.get(), tenure.id()) {
        (CampaignError::Interrupted { .. }, Some(why), Some(id)) => {
            CoordinationError::TakenAway { id, why: why.clone() }.into()
        }
        (error, _, _) => error,
    });
    let done = ended.map(|()| summary.as_ref().map_or(exit::DONE, code));
    // Who waits for it need not wait for the news of it too.
    drop(name);
    tenure.end(ending(&done, &cancel)).await;
    if let (Some(summary), false) = (&summary, stage.manner.json) {
        render::summary(summary);
    }
    if let Some(couriers) = stage.couriers.take() {
        couriers.end(summary.as_ref(), done.as_ref().err()).await;
    }
    done
}

fn code(summary: &Summary) -> u8 {
    match summary {
        it if it.failed > 0 && it.failed == it.gpu_busy && it.failed == it.total => exit::NOT_FREE,
        it if it.failed > 0 || it.remaining > it.left_out => exit::FAILED,
        _ => exit::DONE,
    }
}

/// How the operation of a campaign ended.
pub(super) fn ending(done: &Result<u8, CampaignError>, cancel: &Cancel) -> Ending {
    let (code, note) = match done {
        Ok(exit::DONE) => return Ending { exit_code: Some(0), ..Ending::done() },
        Ok(code) => (*code, "runs of it failed".to_owned()),
        Err(error) => (error.code(), error.to_string()),
    };
    let interrupted =
        matches!(done, Err(CampaignError::Interrupted { .. } | CampaignError::Cancelled { .. }));
    let state =
        if interrupted || cancel.now().is_some() { State::Cancelled } else { State::Failed };
    Ending { state, exit_code: Some(i32::from(code)), note: Some(note) }
}
