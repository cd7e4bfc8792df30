//! `lem resume`: the interrupted campaign, found without being named.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;

use super::campaign::{self, Manner};
use super::flags::Flags;
use super::locks::{self, local_state};
use super::render;
use crate::campaign::error::CampaignError;
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
    pub manner: Manner,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let file = match arguments.file.map_or_else(find, Ok) {
        Ok(file) => file,
        Err(error) => return render::error(&error),
    };
    campaign::run(campaign::Arguments {
        files: vec![file],
        flags: arguments.flags,
        resume: true,
        fresh: false,
        validate_only: false,
        manner: arguments.manner,
    })
}

/// Where a campaign of this machine is.
#[derive(Deserialize)]
struct Pointer {
    file: PathBuf,
    record: PathBuf,
}

fn find() -> Result<PathBuf, CampaignError> {
    let here = std::path::absolute(".state/lem.db").unwrap_or_else(|_| ".state/lem.db".into());
    let mut here = unfinished(&here)?;
    if here.is_empty() {
        here = everywhere()?;
    }
    here.sort();
    here.dedup();
    match here.as_slice() {
        [file] => Ok(file.clone()),
        [] => Err(CampaignError::NothingToResume {
            reason: "no unfinished campaign is known here".to_owned(),
        }),
        several => {
            let names: Vec<String> = several.iter().map(|f| format!("  {}", f.display())).collect();
            Err(CampaignError::NothingToResume {
                reason: format!(
                    "several campaigns are unfinished; name one:\n{}",
                    names.join("\n")
                ),
            })
        }
    }
}

fn everywhere() -> Result<Vec<PathBuf>, CampaignError> {
    let folder = local_state()?.join("campaigns");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let pointer = std::fs::read(entry.path()).ok();
        let pointer = pointer.and_then(|bytes| serde_json::from_slice::<Pointer>(&bytes).ok());
        // A campaign that was moved or removed is not there any more: the record decides.
        let Some(pointer) = pointer.filter(|pointer| pointer.file.is_file()) else { continue };
        found.extend(unfinished(&pointer.record)?.into_iter().filter(|f| *f == pointer.file));
    }
    Ok(found)
}

/// The campaign files whose newest execution is unfinished in a record, and is not going on.
fn unfinished(record: &Path) -> Result<Vec<PathBuf>, CampaignError> {
    let Some(mut store) = Store::open_existing(record)? else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for instance in store.unfinished()? {
        let newest = store.newest(&instance.campaign)?;
        let executed = record
            .parent()
            .is_some_and(|state| locks::executor(state, &instance.campaign).is_some());
        if newest.is_some_and(|(newest, _)| newest.id == instance.id) && !executed {
            files.push(PathBuf::from(instance.file));
        }
    }
    Ok(files)
}
