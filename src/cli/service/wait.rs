//! `lem service wait`: until services are healthy.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::arguments::Where;
use super::machine;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, services as show};
use crate::cli::runtime::block_on;
use crate::duration::Time;
use crate::services::error::ServiceError;
use crate::services::machine::Machine;
use crate::services::perform::attend::attend;
use crate::services::place::Purpose;

/// Wait until services are healthy, whoever starts them. Nothing is started or stopped.
///
/// Without `--timeout` each has as long as the registry gives it, and one that neither runs nor is
/// being started ends the wait at once. Exit code 124 where it takes too long.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names in the registry
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// How long to wait for all of them, also for one that does not run yet
    #[arg(long, value_name = "TIME")]
    timeout: Option<Time>,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// Runs `lem service wait`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, ServiceError>(async |cancel: &Cancel| {
        let registry = arguments.place.registry.as_deref();
        let machine = machine(registry, Purpose::Looking, cancel).await?;
        let names = machine.chosen(&arguments.names)?;
        let begun = Instant::now();
        let waited = all(&machine, &names, arguments.timeout, begun).await;
        let code = match &waited {
            Ok(()) => exit::DONE,
            Err(ServiceError::Unhealthy { .. }) => exit::TIME_LIMIT,
            Err(_) => exit::FAILED,
        };
        let seconds = begun.elapsed().as_secs_f64();
        if arguments.json {
            let error = waited.as_ref().err().map(ToString::to_string);
            render::json(&json!({
                "verb": "wait", "services": names, "seconds": seconds, "error": error,
            }));
        } else if waited.is_ok() {
            for name in &names {
                render::out(&format!("`{name}` is healthy"));
            }
        }
        match waited {
            Err(error @ ServiceError::Unhealthy { .. }) => {
                let _ = render::error(&error);
                Ok(code)
            }
            other => other.map(|()| code),
        }
    })
}

async fn all(
    machine: &Machine,
    names: &[String],
    timeout: Option<Time>,
    begun: Instant,
) -> Result<(), ServiceError> {
    let timeline = show::Timeline::new();
    for name in names {
        let left = |timeout: Time| -> Duration { timeout.0.saturating_sub(begun.elapsed()) };
        let service = machine.registry.get(name)?;
        attend(machine, service, timeout.map(left), &mut |event| timeline.show(&event)).await?;
    }
    Ok(())
}
