//! `lem resume`: the interrupted campaign, found without being named.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;

use super::campaign::{self, Manner, Named, Scope};
use super::flags::Flags;
use super::known::LONGEST_NOTE;
use super::locks::{self, local_state};
use super::runtime::block_on_with;
use super::{exit, render};
use crate::campaign::decided::record_of;
use crate::campaign::error::CampaignError;
use crate::cancel::Cancel;
use crate::foreign_file;
use crate::lock::Holder;
use crate::record::Store;

/// Go on with an interrupted campaign: exactly the runs that are missing.
///
/// Without FILE: the unfinished campaign of this folder, else the only one of this machine.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The campaign file
    file: Option<PathBuf>,
    #[command(flatten)]
    pub flags: Flags,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    pub manner: Manner,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let hangup = arguments.manner.session();
    block_on_with(hangup, async |cancel| Box::pin(drive(arguments, cancel)).await)
}

async fn drive(arguments: Arguments, cancel: &Cancel) -> Result<u8, CampaignError> {
    let found = match &arguments.file {
        Some(file) => Some(file.clone()),
        None => find(&arguments)?,
    };
    let Some(file) = found else {
        render::say("nothing was started");
        return Ok(exit::DONE);
    };
    tokio::task::yield_now().await;
    if let Some(signal) = cancel.now() {
        return Err(CampaignError::Cancelled { signal });
    }
    let resumed = campaign::Arguments {
        files: vec![file],
        flags: arguments.flags,
        resume: true,
        no_resume: false,
        fresh: false,
        scope: arguments.scope,
        validate_only: false,
        manner: arguments.manner,
    };
    Box::pin(campaign::drive(resumed, cancel)).await
}

/// Where a campaign of this machine is.
#[derive(Deserialize)]
struct Pointer {
    file: PathBuf,
    record: PathBuf,
}

/// A campaign that is not finished.
struct Unfinished {
    name: String,
    file: PathBuf,
    /// The lem that executes it now.
    holder: Option<Holder>,
}

/// The campaign file that is meant; none if the user does not want the one that was found.
fn find(arguments: &Arguments) -> Result<Option<PathBuf>, CampaignError> {
    let named = Named::find(&[], &mut Flags::default()).ok();
    let state = named.as_ref().map_or_else(|| PathBuf::from(".state"), Named::state_dir);
    let record = record_of(&state);
    let here = unfinished(&std::path::absolute(&record).unwrap_or(record))?;
    if let Some(found) = one(here)? {
        return Ok(Some(found.file));
    }
    let more = arguments.scope.retry_failed || arguments.flags.cycles.is_some();
    if let (Some(named), true) = (&named, more) {
        // A finished campaign has failures to try again, and may have more cycles.
        return Ok(Some(named.path.clone()));
    }
    // One that is being executed now is nothing to go on with.
    let idle = everywhere()?.into_iter().filter(|found| found.holder.is_none()).collect();
    let Some(found) = one(idle)? else {
        // The campaign itself says why it can't go on.
        return named.map(|named| Some(named.path)).ok_or(CampaignError::NothingToResume {
            reason: "no unfinished campaign is known here".to_owned(),
        });
    };
    let what = format!("campaign `{}` in {}", found.name, found.file.display());
    if arguments.manner.is_answered() || arguments.manner.dry_run {
        render::say(&format!("no campaign is unfinished here; going on with {what}"));
        return Ok(Some(found.file));
    }
    if !render::can_ask() {
        return Err(CampaignError::Elsewhere { campaign: found.name, file: found.file });
    }
    Ok(render::ask_elsewhere(&what).then_some(found.file))
}

/// The one that can go on. One that is being executed can't: whoever wants it learns by whom.
fn one(found: Vec<Unfinished>) -> Result<Option<Unfinished>, CampaignError> {
    let (executed, mut idle): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|campaign| campaign.holder.is_some());
    idle.sort_by(|a, b| a.file.cmp(&b.file));
    idle.dedup_by(|a, b| a.file == b.file && a.name == b.name);
    match idle.len() {
        0 => match executed.into_iter().next() {
            Some(Unfinished { name, holder: Some(holder), .. }) => {
                Err(CampaignError::Busy { what: format!("campaign `{name}`"), holder })
            }
            _ => Ok(None),
        },
        1 => Ok(idle.pop()),
        _ => Err(CampaignError::SeveralUnfinished {
            files: idle.into_iter().map(|f| f.file).collect(),
        }),
    }
}

fn everywhere() -> Result<Vec<Unfinished>, CampaignError> {
    let folder = local_state()?.join("campaigns");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let pointer = foreign_file::read(&entry.path(), LONGEST_NOTE).ok();
        let pointer = pointer.and_then(|bytes| serde_json::from_slice::<Pointer>(&bytes).ok());
        // A campaign that was moved or removed is not there any more: the record decides.
        let Some(pointer) = pointer.filter(|pointer| pointer.file.exists()) else { continue };
        // A record elsewhere that is damaged says nothing about the others.
        let there = unfinished(&pointer.record).unwrap_or_default();
        found.extend(there.into_iter().filter(|f| f.file == pointer.file));
    }
    Ok(found)
}

/// The campaigns whose newest execution is unfinished in a record.
fn unfinished(record: &Path) -> Result<Vec<Unfinished>, CampaignError> {
    let Some(mut store) = Store::open_existing(record)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for instance in store.unfinished()? {
        let newest = store.newest(&instance.campaign)?;
        if newest.is_none_or(|(newest, _)| newest.id != instance.id) {
            continue;
        }
        let holder = record.parent().and_then(|state| locks::executor(state, &instance.campaign));
        let file = PathBuf::from(instance.file);
        found.push(Unfinished { name: instance.campaign, file, holder });
    }
    Ok(found)
}
