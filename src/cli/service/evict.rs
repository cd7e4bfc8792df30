//! `lem service evict`: memory freed without an end.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::arguments::{Manner, Where, told};
use super::machine;
use super::stop::first_of;
use crate::cancel::Cancel;
use crate::cli::exit::{self, Failure};
use crate::cli::render::{self, services as show};
use crate::cli::runtime::block_on;
use crate::duration::Time;
use crate::services::error::ServiceError;
use crate::services::journal::Verb;
use crate::services::perform::release::{self, Release};
use crate::services::place::Purpose;

/// Have services free their GPU memory and run on: models are unloaded, and that is verified.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names in the registry
    #[arg(required_unless_present = "idle", value_name = "NAME")]
    names: Vec<String>,
    /// Every service that can, and that nobody has used for so long: for cron
    #[arg(long, value_name = "TIME", conflicts_with = "names")]
    idle: Option<Time>,
    /// Also where it is leased
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    place: Where,
}

/// Runs `lem service evict`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let manner = &arguments.manner;
    block_on::<_, ServiceError>(async |cancel: &Cancel| {
        let purpose = if manner.dry_run { Purpose::Looking } else { Purpose::Acting };
        let registry = arguments.place.registry.as_deref();
        let machine = told(manner.json, Verb::Evict, machine(registry, purpose, cancel).await)?
            .asking(manner.asking.asks(None));
        let chosen = match arguments.idle {
            Some(idle) => release::idle_for(&machine, idle.0).await,
            None => machine.chosen(&arguments.names),
        };
        let names = told(manner.json, Verb::Evict, chosen)?;
        let release = Release {
            machine: &machine,
            force: arguments.force,
            idle: arguments.idle.map(|idle| idle.0),
            patience: manner.patience(&machine, &names),
            operation: Uuid::new_v4(),
        };
        if manner.dry_run {
            let foreseen = release::foresee(&release, &names).await;
            let (would, refusals) = told(manner.json, Verb::Evict, foreseen)?;
            if manner.json {
                let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                let code = refusals.first().map_or(exit::DONE, Failure::code);
                render::json(&json!({
                    "dry_run": true, "services": would, "errors": said, "exit_code": code,
                }));
            } else if would.is_empty() && refusals.is_empty() {
                render::out("nothing to do");
            } else {
                for name in &would {
                    render::out(&format!("unload `{name}`"));
                }
            }
            return first_of(refusals);
        }
        let timeline = show::Timeline::new();
        let (mut freed, mut failures) = (Vec::new(), Vec::new());
        for name in &names {
            match release::release(&release, name, &mut |event| timeline.show(&event)).await {
                Ok(done) => freed.extend(done),
                Err(error) => failures.push(error),
            }
        }
        if manner.json {
            let said: Vec<String> = failures.iter().map(ToString::to_string).collect();
            let code = failures.first().map_or(exit::DONE, Failure::code);
            render::json(&json!({
                "verb": "evict", "services": freed, "errors": said, "exit_code": code,
            }));
        } else if freed.is_empty() && failures.is_empty() {
            render::out("nothing to do");
        }
        first_of(failures)
    })
}
