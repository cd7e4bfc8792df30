//! `lem service stats`: what became of the services so far, from the journal.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::arguments::Where;
use super::machine;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, registry as tables};
use crate::cli::runtime::block_on;
use crate::services::error::ServiceError;
use crate::services::journal;
use crate::services::place::Purpose;
use crate::services::stats::Counted;

/// Show how often each service was asked for, switched to, started and stopped, from the journal.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only these
    names: Vec<String>,
    /// One JSON object on standard output, with a key for each service
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// Runs `lem service stats`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, ServiceError>(async |cancel: &Cancel| {
        let registry = arguments.place.registry.as_deref();
        let machine = machine(registry, Purpose::Looking, cancel).await?;
        let names = machine.chosen(&arguments.names)?;
        let mut counted = Counted::default();
        let place = &machine.registry.place;
        journal::read(&machine.places.journal(), |entry| {
            if entry.registry == *place && names.contains(&entry.service) {
                counted.add(&entry);
            }
        });
        let all = names.into_iter().map(|name| {
            let stats = counted.0.remove(&name).unwrap_or_default();
            (name, stats)
        });
        if arguments.json {
            let all = all.map(|(name, stats)| (name, serde_json::to_value(stats)));
            let all = all.filter_map(|(name, stats)| Some((name, stats.ok()?)));
            render::json(&Value::Object(all.collect::<Map<_, _>>()));
        } else {
            tables::stats(&all.collect::<Vec<_>>());
        }
        Ok(exit::DONE)
    })
}
