//! `lem service check`: the registry as it is understood, or what is wrong with it.

use std::process::ExitCode;

use clap::Args;

use super::arguments::Where;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, services as show, settings};
use crate::cli::runtime::block_on;
use crate::services::connection::Connection;
use crate::services::error::ServiceError;
use crate::services::registry;

/// Check the registry, and show every setting of its services with the defaults filled in.
///
/// Nothing is started or looked for; docker is asked only for services of a Compose file. A
/// registry that makes no sense is exit code 2, and its file and line are named.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// Runs `lem service check`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, ServiceError>(async |cancel: &Cancel| {
        let named = arguments.place.registry.as_deref();
        let registry = registry::load(named, &Connection::default(), cancel).await?;
        if arguments.json {
            render::json(&settings::document(&registry));
        } else {
            show::warnings(&registry.warnings);
            show::warnings(&registry.remarks);
            settings::list(&registry);
        }
        Ok(exit::DONE)
    })
}
