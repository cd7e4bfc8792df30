//! The work of an experiment: planned while mistakes are still cheap, then carried out.

use std::path::Path;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use super::ExperimentError;
use super::command::{Ended, Invocation};
use super::file::ExperimentFile;
use super::interrupts::Interrupts;
use super::result::WorkloadKind;
use super::sampler::{Measurement, Sampler, Subject};
use super::settings::{Settings, SettingsError};
use super::synthetic::Network;
use super::workload::Workload;

/// Work with everything decided.
#[derive(Debug)]
pub(super) enum Plan {
    Synthetic(Settings),
    Command(Invocation),
}

/// How work ended.
#[derive(Debug)]
pub(super) enum Ending {
    Done(Done),
    Unfinished(Unfinished),
}

/// Work that was done to its end.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) kind: WorkloadKind,
    /// In the kind's unit.
    pub(super) amount: u64,
    pub(super) measurement: Measurement,
    /// Of synthetic work.
    pub(super) settings: Option<Settings>,
    /// Of synthetic work.
    pub(super) checksum: Option<String>,
    /// Of a command.
    pub(super) exit_code: Option<i32>,
}

/// Work that was not done to its end, though nothing was wrong with this side of it.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// The command ended by itself without success.
    CommandFailed { program: String, status: ExitStatus },
    /// The experiment was told to end.
    Interrupted { signal: Signal },
}

impl Plan {
    /// Decides what will be done.
    pub(super) fn new(
        path: &Path,
        file: &ExperimentFile,
        dataset: Option<&str>,
        samples: Option<u64>,
    ) -> Result<Self, SettingsError> {
        Ok(match &file.workload {
            Workload::Synthetic(block) => {
                Plan::Synthetic(Settings::resolve(block, &file.sizes, &file.models, samples)?)
            }
            Workload::Command(argv) => Plan::Command(Invocation {
                argv: argv.clone(),
                config: path.to_owned(),
                dataset: dataset.map(str::to_owned),
                sample_size: samples,
            }),
        })
    }

    /// Does it.
    pub(super) fn carry_out(self) -> Result<Ending, ExperimentError> {
        match self {
            Plan::Synthetic(settings) => generate(settings),
            Plan::Command(invocation) => invoke(&invocation),
        }
    }
}

/// Synthetic work; making the weights is not part of what is measured.
fn generate(settings: Settings) -> Result<Ending, ExperimentError> {
    let interrupts = Interrupts::watch()?;
    let mut network = Network::new(&settings);
    let sampler = Sampler::start(Subject::ThisProcess)?;
    let mut interrupt = None;
    let checksum = network.generate(&settings, || {
        interrupt = interrupts.pending();
        interrupt.is_some()
    });
    if let Some(interrupt) = interrupt {
        return Ok(Ending::Unfinished(Unfinished::Interrupted { signal: interrupt.signal }));
    }
    Ok(Ending::Done(Done {
        kind: WorkloadKind::Synthetic,
        amount: settings.total_tokens(),
        measurement: sampler.finish()?,
        settings: Some(settings),
        checksum: Some(format!("{checksum:016x}")),
        exit_code: None,
    }))
}

/// A command; its start is part of what is measured.
fn invoke(invocation: &Invocation) -> Result<Ending, ExperimentError> {
    let sampler = Sampler::start(Subject::Children)?;
    let status = match invocation.run()? {
        Ended::Alone(status) => status,
        Ended::Interrupted(signal) => {
            return Ok(Ending::Unfinished(Unfinished::Interrupted { signal }));
        }
    };
    let measurement = sampler.finish()?;
    if !status.success() {
        let program = invocation.argv.program().to_owned();
        return Ok(Ending::Unfinished(Unfinished::CommandFailed { program, status }));
    }
    Ok(Ending::Done(Done {
        kind: WorkloadKind::Command,
        amount: 1,
        measurement,
        settings: None,
        checksum: None,
        exit_code: status.code(),
    }))
}
