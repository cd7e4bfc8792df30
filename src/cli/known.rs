//! The campaigns that this machine knows of: looked up in the index and in their records, without
//! disturbing the lems that execute them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::flags::Flags;
use super::locks;
use crate::campaign::run_folder;
use crate::foreign_file;
use crate::lock::Holder;
use crate::record::{CampaignState, RecordError, SeenInstance, SeenRun, View};
use crate::state_dir;

/// A note in the index, which everybody who uses an engine may write to, is shorter.
pub(super) const LONGEST_NOTE: u64 = 64 * 1024;

/// Where a campaign of this machine was last executed.
#[derive(Debug, Clone, Deserialize)]
struct Pointer {
    campaign: String,
    record: PathBuf,
    /// Absent in notes of older versions.
    results: Option<PathBuf>,
}

/// One execution of a campaign.
pub(super) struct Known {
    pub instance: SeenInstance,
    pub record: PathBuf,
    /// Whether there is none of this campaign that is newer.
    pub newest: bool,
    /// Whether the campaign belongs to the current folder.
    pub here: bool,
    /// The living lem that executes the campaign, or is about to.
    pub executor: Option<Holder>,
    /// Where its results may be, likeliest first.
    results: Vec<PathBuf>,
}

/// What an execution is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Running,
    /// A lem is about to go on with it, or to start anew.
    Starting,
    /// It ended early, and no lem lives that would know better.
    Interrupted,
    Finished,
}

impl Known {
    /// What it is doing: who lives decides, because a lem that is killed records nothing.
    pub(super) fn doing(&self) -> Doing {
        match (&self.executor, self.instance.state) {
            (Some(_), CampaignState::Running) if self.newest => Doing::Running,
            (Some(_), _) if self.newest => Doing::Starting,
            (_, CampaignState::Finished) => Doing::Finished,
            (_, CampaignState::Running | CampaignState::Interrupted) => Doing::Interrupted,
        }
    }

    /// Its runs, in order.
    pub(super) fn runs(&self) -> Result<Vec<SeenRun>, RecordError> {
        match View::open(&self.record)? {
            Some(mut view) => view.runs(&self.instance.id),
            None => Ok(Vec::new()),
        }
    }

    /// Whether a living lem executes it now.
    pub(super) fn is_executed(&self) -> bool {
        let state_dir = self.record.parent().unwrap_or(Path::new("/"));
        locks::executor(state_dir, &self.instance.campaign).is_some()
    }

    /// Its results folder.
    pub(super) fn results(&self) -> &Path {
        let there = self.results.iter().find(|folder| folder.is_dir());
        there.or(self.results.first()).map_or(Path::new(""), PathBuf::as_path)
    }

    /// The folder of one of its runs.
    pub(super) fn run_folder(&self, run: &str) -> PathBuf {
        let folders = self.results.iter().map(|folder| folder.join(run));
        folders.clone().find(|folder| folder.is_dir()).unwrap_or_else(|| self.results().join(run))
    }
}

/// Every execution that is recorded, newest first, and what of the records can't be read.
pub(super) fn all() -> (Vec<Known>, Vec<String>) {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let here = std::env::current_dir().unwrap_or_default();
    let mut gone = Vec::new();
    for noted in records(&here).into_values() {
        match look(&noted, &here) {
            Ok(Some(mut executions)) => found.append(&mut executions),
            Ok(None) => gone.push(noted.record.display().to_string()),
            Err(error) => notes.push(format!("note: skipped: {}", with_causes(&error))),
        }
    }
    if let [first, rest @ ..] = gone.as_slice() {
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        notes.push(format!(
            "note: skipped, because the record is not there any more: {first}{more}; `lem repair` \
             makes one from results"
        ));
    }
    found.sort_by(|a, b| b.instance.started_at.cmp(&a.instance.started_at));
    (found, notes)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A record, and what the index says of it.
struct Noted {
    record: PathBuf,
    pointers: Vec<Pointer>,
}

/// Every record that is noted, and this folder's own, with the notes about it.
fn records(here: &Path) -> BTreeMap<PathBuf, Noted> {
    let mut records: BTreeMap<PathBuf, Noted> = BTreeMap::new();
    let mut note = |record: &Path, pointer: Option<Pointer>| {
        let noted = records
            .entry(same(record))
            .or_insert_with(|| Noted { record: record.to_owned(), pointers: Vec::new() });
        noted.pointers.extend(pointer);
    };
    let own = here.join(".state/lem.db");
    if own.is_file() {
        note(&own, None);
    }
    let folder = state_dir::look(locks::LOCAL).map(|folder| folder.join("campaigns"));
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    for entry in entries.into_iter().flatten().flatten() {
        // One that is being renamed or is of another version says nothing.
        let text = foreign_file::read(&entry.path(), LONGEST_NOTE).unwrap_or_default();
        if let Ok(pointer) = serde_json::from_slice::<Pointer>(&text) {
            note(&pointer.record.clone(), Some(pointer));
        }
    }
    records
}

/// The same path for the same file, however it was reached.
fn same(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn look(noted: &Noted, here: &Path) -> Result<Option<Vec<Known>>, RecordError> {
    let Noted { record, pointers } = noted;
    let Some(mut view) = View::open(record)? else { return Ok(None) };
    let state_dir = record.parent().unwrap_or(Path::new("/"));
    let mut seen: Vec<String> = Vec::new();
    let mut known = Vec::new();
    for instance in view.instances()? {
        let newest = !seen.contains(&instance.campaign);
        let executor = newest.then(|| locks::executor(state_dir, &instance.campaign)).flatten();
        seen.push(instance.campaign.clone());
        // A campaign of experiment files has their folder for a file.
        let folder = Some(instance.file.as_path()).filter(|file| file.is_dir());
        let home = folder.or(instance.file.parent()).unwrap_or(Path::new("/"));
        known.push(Known {
            results: places(&instance, pointers, home),
            here: same(home) == same(here) || same(state_dir) == same(&here.join(".state")),
            record: record.clone(),
            newest,
            executor,
            instance,
        });
    }
    Ok(Some(known))
}

/// Where the results may be: where they were said to be the last time, where the flags put them,
/// where they are by default.
fn places(instance: &SeenInstance, pointers: &[Pointer], home: &Path) -> Vec<PathBuf> {
    let noted = pointers.iter().filter(|pointer| pointer.campaign == instance.campaign);
    let flags: Flags = serde_json::from_str(&instance.settings).unwrap_or_default();
    let folder = |results: &Path| run_folder::of_campaign(results, &instance.campaign);
    noted
        .filter_map(|pointer| pointer.results.clone())
        .chain(flags.results_dir.map(|results| folder(&results)))
        .chain([folder(&home.join("results"))])
        .collect()
}
