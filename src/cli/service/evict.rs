//! `lem service evict`: memory freed without an end.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use uuid::Uuid;

use super::arguments::{Manner, Where};
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, services as show};
use crate::cli::runtime::block_on;
use crate::duration::Time;
use crate::services::error::ServiceError;
use crate::services::look::Seen;
use crate::services::machine::Machine;
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
        let machine = Machine::open(registry, purpose, cancel).await?;
        let names = match arguments.idle {
            Some(idle) => idle_for(&machine, idle.0).await?,
            None => machine.chosen(&arguments.names)?,
        };
        if manner.dry_run {
            if manner.json {
                render::json(&serde_json::json!({ "dry_run": true, "services": names }));
            } else if names.is_empty() {
                render::out("nothing to do");
            } else {
                for name in &names {
                    render::out(&format!("unload `{name}`"));
                }
            }
            return Ok(exit::DONE);
        }
        let release = Release {
            machine: &machine,
            force: arguments.force,
            patience: manner.patience(&machine, &names),
            operation: Uuid::new_v4(),
        };
        let timeline = show::Timeline::new();
        let (mut freed, mut failure) = (Vec::new(), None);
        for name in &names {
            match release::release(&release, name, &mut |event| timeline.show(&event)).await {
                Ok(done) => freed.push(done),
                Err(error) if failure.is_none() => failure = Some(error),
                Err(error) => {
                    let _ = render::error(&error);
                }
            }
        }
        if manner.json {
            let error = failure.as_ref().map(ToString::to_string);
            render::json(
                &serde_json::json!({ "verb": "evict", "services": freed, "error": error }),
            );
        } else if names.is_empty() {
            render::out("nothing to do");
        }
        failure.map_or(Ok(exit::DONE), Err)
    })
}

/// The services that run, can free their memory, and were not used for this long.
async fn idle_for(machine: &Machine, idle: Duration) -> Result<Vec<String>, ServiceError> {
    let seen = Seen::look(machine, None, &[]).await?;
    let now = Timestamp::now();
    let services = machine.registry.services.values().filter(|service| service.evict.is_some());
    let unused = services.filter(|service| {
        let Some(sight) = seen.sight(&service.name) else { return false };
        // One that was never asked for has been unused since it began to run.
        let glance = seen.glance(&service.name);
        let used = sight.last_used.max(glance.and_then(|glance| glance.since));
        let age = used.map(|used| now.duration_since(used).unsigned_abs());
        seen.instance(&service.name).is_some()
            && !sight.busy
            && !sight.leased
            && age.is_none_or(|age| age >= idle)
    });
    Ok(unused.map(|service| service.name.clone()).collect())
}
