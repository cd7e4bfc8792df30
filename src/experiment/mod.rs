//! One experiment, in this process: read the file, do the work, write the result.
//!
//! This is what runs in a container by default, and it runs the same way on a host. It knows no
//! campaign: who asked for the experiment is read from the environment and only recorded. It
//! prints nothing and chooses no exit code; that is the rim's part.

mod command;
mod destination;
mod file;
mod host;
mod identity;
mod interrupts;
pub(crate) mod result;
mod sampler;
mod settings;
mod synthetic;
mod work;
mod workload;

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use command::CommandError;
use destination::{Destination, DestinationError};
#[cfg(feature = "host")]
pub(crate) use file::Declared;
use file::ExperimentFile;
pub(crate) use file::FileError;
use host::Host;
use identity::{Identity, IdentityError};
use result::{ExperimentResult, SCHEMA_VERSION, Work, WorkloadKind};
use settings::SettingsError;
pub(crate) use work::Unfinished;
use work::{Ending, Plan};

/// What makes a synthetic result impossible to mistake for a model's.
const SYNTHETIC_NOTE: &str = "matrix-vector arithmetic with made-up weights, not a language model: \
                              the rate says nothing about the quality or speed of any model";

/// What was asked for; the options win over the file's keys.
#[derive(Debug)]
pub(crate) struct Request {
    /// The experiment file.
    pub(crate) file: PathBuf,
    /// `--dataset`
    pub(crate) dataset: Option<String>,
    /// `--sample-size`
    pub(crate) sample_size: Option<u64>,
    /// `--result`
    pub(crate) result: Option<PathBuf>,
    /// `--results-dir`
    pub(crate) results_dir: Option<PathBuf>,
}

/// How an experiment ended, when nothing was wrong with the request or the machine.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The work was done and the result is at `path`.
    Finished { result: Box<ExperimentResult>, path: PathBuf },
    /// The work was not done to its end; there is no result.
    Unfinished(Unfinished),
}

/// What can be wrong with an experiment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExperimentError {
    /// The experiment file cannot be read or does not say what to do.
    #[error(transparent)]
    File(#[from] FileError),
    /// The synthetic workload's numbers are out of range.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The environment names a campaign in a way that cannot be recorded.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The result could not be written; known before the work where possible.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The command did not start, or was lost.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The kernel refused what a measurement needs.
    #[error("cannot watch signals and resource use of this process")]
    Kernel(#[from] nix::errno::Errno),
}

/// Reads the text of an experiment file and makes every choice that it determines, as [`run`] does.
#[cfg(all(feature = "host", any(test, fuzzing)))]
pub(crate) fn understand(path: &std::path::Path, text: &str) -> Result<(), ExperimentError> {
    let file = ExperimentFile::parse(path, text)?;
    let _ = file.label();
    Plan::new(path, &file, file.dataset.as_deref(), file.num_samples)?;
    Ok(())
}

/// Runs the experiment to its end.
///
/// Everything that can be known to be wrong is found before the work begins, so that hours of work
/// are never lost to a directory that cannot be written.
pub(crate) fn run(request: Request) -> Result<Outcome, ExperimentError> {
    let file = ExperimentFile::read(&request.file)?;
    let identity = Identity::read(&variable)?;
    let samples = request.sample_size.or(file.num_samples);
    let dataset = request.dataset.or_else(|| file.dataset.clone());
    let plan = Plan::new(&request.file, &file, dataset.as_deref(), samples)?;
    let destination =
        Destination::choose(request.result, request.results_dir, file.label(), &variable);
    destination.prepare()?;

    let done = match plan.carry_out()? {
        Ending::Done(done) => done,
        Ending::Unfinished(unfinished) => return Ok(Outcome::Unfinished(unfinished)),
    };
    let measured = done.measurement;
    let result = ExperimentResult {
        schema_version: SCHEMA_VERSION,
        identity,
        config_name: file.config_name,
        backend: file.backend,
        config: file.config,
        dataset,
        sample_size: done.settings.map(|s| u64::from(s.samples)).or(samples),
        workload: done.kind,
        synthetic: done.kind == WorkloadKind::Synthetic,
        note: (done.kind == WorkloadKind::Synthetic).then(|| SYNTHETIC_NOTE.to_owned()),
        settings: done.settings,
        checksum: done.checksum,
        exit_code: done.exit_code,
        started_at: measured.started_at,
        ended_at: measured.ended_at,
        wall_seconds: measured.wall_seconds,
        cpu_seconds: measured.cpu_seconds,
        peak_memory_bytes: measured.peak_memory_bytes,
        work: Work::new(done.amount, done.kind.unit(), measured.wall_seconds),
        host: Host::read(),
        in_container: host::in_container(),
        lem_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let path = destination.write(&result)?;
    Ok(Outcome::Finished { result: Box::new(result), path })
}

/// A variable of the environment; an empty one is an absent one, as Compose writes it.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
