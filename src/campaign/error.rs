//! Why a campaign can't go on. A failing experiment is none of these: it is an outcome.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::NoCommand;
use super::file::StopAfter;
use super::grid::GridError;
use super::keeper::Without;
use super::results_place::Loss;
use super::resume::select::Unmatched;
use super::world::ReadOnlyResults;
use crate::cancel::Signal;
use crate::coordination::error::CoordinationError;
use crate::duration::human;
use crate::engine::error::{EngineError, speaks_of_an_outage};
use crate::engine::files::FilesError;
use crate::gpu::error::GpuError;
use crate::lock::{Holder, LockError};
use crate::record::RecordError;
use crate::room;
use crate::yaml::YamlError;

/// A situation that ends a campaign, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CampaignError {
    #[error("there is no campaign file `{}`", path.display())]
    NoCampaignFile { path: PathBuf },
    #[error("no file matches `{pattern}`")]
    NoMatch { pattern: String },
    #[error("a campaign of {files} experiment files needs a name")]
    Unnamed { files: usize },
    #[error("`{}` is a campaign of its own, with a name of its own", path.display())]
    NamedTwice { path: PathBuf },
    #[error("experiment file `{}` extends itself", path.display())]
    ExtendsItself { path: PathBuf },
    #[error(transparent)]
    File(#[from] YamlError),
    #[error("`{key}` in `{}`: {reason}", path.display())]
    Senseless { path: PathBuf, key: String, reason: String },
    #[error("experiment file `{}` does not exist", path.display())]
    NoConfig { path: PathBuf },
    #[error(transparent)]
    Grid(#[from] GridError),
    #[error(transparent)]
    Place(#[from] NoCommand),
    #[error(transparent)]
    ComposeFiles(#[from] FilesError),
    #[error("Compose refuses {files}:\n{complaint}")]
    ComposeFileBroken { files: String, complaint: String },
    #[error(
        "experiment `{experiment}` names no `backend`, and there are several services: {known}"
    )]
    NoBackend { experiment: String, known: String },
    #[error("experiment `{experiment}` needs service `{service}`, which the Compose file lacks")]
    NoService { experiment: String, service: String, known: Vec<String> },
    #[error(transparent)]
    ReadOnlyResults(#[from] ReadOnlyResults),
    #[error("the container build of lem is missing: {reason}")]
    NoInner { reason: String },
    #[error(
        "service `{service}` runs without the inner lem ({why}), and its image brings no `lem` for \
         the command"
    )]
    NoLem { service: String, why: Without },
    #[error("nothing can hold a container of service `{service}`: its image has no `sh`")]
    NothingHolds { service: String, why: Without },
    #[error("the engine does not see `{}`: it is not a folder of its machine too", folder.display())]
    NotShared { folder: PathBuf },
    #[error("`{}` can't be written", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("there is no room left for `{}` ({free} free)", path.display())]
    DiskFull { path: PathBuf, free: String, source: std::io::Error },
    #[error("the results folder `{}` was {} while the campaign ran", folder.display(), loss.word())]
    ResultsGone { folder: PathBuf, loss: Loss },
    #[error("`{}` has the results of another campaign, `{owner}`", folder.display())]
    ResultsTaken { folder: PathBuf, owner: String },
    #[error("the results of `{campaign}` are in `{}`", folder.display())]
    ResultsElsewhere { campaign: String, folder: PathBuf },
    #[error("service `{service}` can't write its results in the container (`{}`)", folder.display())]
    UnwritableInside { service: String, folder: PathBuf, log: PathBuf },
    #[error("image `{image}` of service `{service}` is missing and could not be built or pulled")]
    NoImage { service: String, image: String, source: Box<EngineError> },
    #[error("service `{service}` already runs in container `{container}`, which lem did not start")]
    Foreign { service: String, container: String },
    #[error("service `{service}` has a second container, `{container}`, which exec might enter")]
    OneOff { service: String, container: String },
    #[error("service `{service}` did not become ready: {reason}")]
    NotReady { service: String, reason: String, log: String },
    #[error("{what} is in use by {holder}")]
    Busy { what: String, holder: Holder },
    #[error("campaign `{campaign}` was not finished the last time")]
    Unfinished { campaign: String, done: usize, total: usize },
    #[error("there is nothing to resume: {reason}")]
    NothingToResume { reason: String },
    #[error(
        "`{campaign}` was never started, says the record, but `{}` has runs of it",
        folder.display()
    )]
    Unrecorded { campaign: String, folder: PathBuf },
    #[error("several campaigns are unfinished:{}", listed(files))]
    SeveralUnfinished { files: Vec<PathBuf> },
    #[error("the only unfinished campaign is `{campaign}` in `{}`", file.display())]
    Elsewhere { campaign: String, file: PathBuf },
    #[error("there is no run `{wanted}`")]
    NoSuchRun { wanted: String },
    #[error("{reason}")]
    NoRun { reason: String },
    #[error("several runs are meant:\n{}", runs.join("\n"))]
    SeveralRuns { runs: Vec<String> },
    #[error("there is nothing to resume: `{campaign}` is finished")]
    Finished { campaign: String, failed: usize },
    #[error("there is nothing to do: the chosen runs of `{campaign}` are done")]
    ChosenDone { campaign: String, failed: usize },
    #[error("`{campaign}` has changed since it began:\n  {}", lines.join("\n  "))]
    Drifted { campaign: String, lines: Vec<String> },
    #[error(transparent)]
    Unmatched(#[from] Unmatched),
    #[error("`{}` is no campaign manifest", path.display())]
    NoManifest { path: PathBuf, source: serde_json::Error },
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(
        "`{}` was changed while the campaign ran: it says something else of service `{service}`",
        file.display()
    )]
    ComposeFileChanged { file: PathBuf, service: String },
    #[error("the question can't be asked: there is no terminal, and no `--yes`")]
    NoAnswer,
    #[error("stopped by {signal}")]
    Interrupted { signal: Signal },
    #[error("stopped by {signal} before anything began")]
    Cancelled { signal: Signal },
    #[error("{failed} of {total} runs failed; `execution.stop_after_failures` is {limit}")]
    TooManyFailures { failed: usize, total: usize, limit: StopAfter },
    #[error("the engine went away in {runs} runs in a row, the last of them {run}")]
    EngineLost { run: String, runs: u32 },
    #[error("the engine did not come back within {}", human(*limit))]
    EngineAway { limit: Duration, source: EngineError },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error(transparent)]
    Coordination(#[from] CoordinationError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("whether teardown left something behind is not known: the engine did not say")]
    NotLooked { command: String, source: EngineError },
    #[error("teardown left something behind: {what}")]
    LeftBehind { what: String, command: String },
}

impl CampaignError {
    /// Whether it may be worth another try once the engine answers.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_outage(),
            Self::NotReady { reason, .. } => speaks_of_an_outage(reason),
            _ => false,
        }
    }

    /// A file or folder that can't be written; where there is no room, that is the situation.
    pub(crate) fn unwritable(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        if !room::is_full(&source) {
            return Self::Unwritable { path, source };
        }
        let folder = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        Self::DiskFull { free: room::free(folder), path, source }
    }
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    format!("\n  {}", names.join("\n  "))
}
