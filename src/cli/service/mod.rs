//! `lem service …`, `lem switch`, `lem phase` and `lem lock`: GPU services of this host.

mod arguments;
mod bring;
mod check;
mod evict;
mod lease;
mod logs;
mod stats;
mod status;
mod stop;
mod wait;

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(super) use bring::{PhaseArguments, SwitchArguments, phase, switch};
pub(super) use lease::{Arguments as LockArguments, run as lock};
pub(super) use status::Row;

use super::ledger;
use crate::cancel::Cancel;
use crate::coordination::error::CoordinationError;
use crate::services::error::ServiceError;
use crate::services::machine::Machine;
use crate::services::place::Purpose;

/// GPU services: containers and native programs, started, stopped and watched in one way.
///
/// A registry says what they are: `services.yaml` here or above, or `x-lem` in the Compose file.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Ensure(bring::EnsureArguments),
    Stop(stop::Arguments),
    Status(status::Arguments),
    Evict(evict::Arguments),
    Logs(logs::Arguments),
    Stats(stats::Arguments),
    Check(check::Arguments),
    Wait(wait::Arguments),
}

/// Runs `lem service …`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.verb {
        Verb::Ensure(arguments) => bring::ensure(arguments),
        Verb::Stop(arguments) => stop::run(arguments),
        Verb::Status(arguments) => status::run(arguments),
        Verb::Evict(arguments) => evict::run(arguments),
        Verb::Logs(arguments) => logs::run(arguments),
        Verb::Stats(arguments) => stats::run(arguments),
        Verb::Check(arguments) => check::run(arguments),
        Verb::Wait(arguments) => wait::run(arguments),
    }
}

/// The services of this host, and the ledger that keeps operations on them apart.
async fn machine(
    registry: Option<&Path>,
    purpose: Purpose,
    cancel: &Cancel,
) -> Result<Machine, ServiceError> {
    let ledger = ledger::place().map_err(CoordinationError::from)?;
    Machine::open(registry, ledger, purpose, cancel).await
}
