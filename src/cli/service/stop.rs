//! `lem service stop`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::arguments::{Manner, Where, told};
use super::machine;
use crate::cancel::Cancel;
use crate::cli::exit::{self, Failure};
use crate::cli::render::{self, services as show};
use crate::cli::runtime::block_on;
use crate::duration::Time;
use crate::services::error::ServiceError;
use crate::services::journal::Verb;
use crate::services::perform::halt::{self, Halt};
use crate::services::place::Purpose;

/// Stop services, and see that they are stopped. One that does not run is stopped already.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names in the registry
    #[arg(required_unless_present = "all", value_name = "NAME")]
    names: Vec<String>,
    /// Every service of the registry
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Kill what is still there after its grace, and stop what is leased
    #[arg(long)]
    force: bool,
    /// The grace, instead of each service's own
    #[arg(long, value_name = "TIME")]
    grace: Option<Time>,
    /// Also stop the services that need them
    #[arg(long)]
    cascade: bool,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    place: Where,
}

/// Runs `lem service stop`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let manner = &arguments.manner;
    block_on::<_, ServiceError>(async |cancel: &Cancel| {
        let purpose = if manner.dry_run { Purpose::Looking } else { Purpose::Acting };
        let registry = arguments.place.registry.as_deref();
        let opened = machine(registry, purpose, cancel).await;
        let opened = opened.map(|machine| machine.asking(manner.asking.asks(None)));
        let chosen = opened.and_then(|machine| Ok((machine.chosen(&arguments.names)?, machine)));
        let (names, machine) = told(manner.json, Verb::Stop, chosen)?;
        let halt = Halt {
            machine: &machine,
            patience: manner.patience(&machine, &names),
            names,
            force: arguments.force,
            grace: arguments.grace.map(|grace| grace.0),
            cascade: arguments.cascade || arguments.all,
            operation: Uuid::new_v4(),
        };
        if manner.dry_run {
            let foreseen = halt::foresee(&halt).await;
            let (plan, refusals) = told(manner.json, Verb::Stop, foreseen)?;
            if manner.json {
                let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                let code = refusals.first().map_or(exit::DONE, Failure::code);
                let steps = &plan.steps;
                render::json(
                    &json!({ "dry_run": true, "steps": steps, "errors": said, "exit_code": code }),
                );
            } else if refusals.is_empty() || !plan.steps.is_empty() {
                show::plan(&plan, &machine.registry);
            }
            return first_of(refusals);
        }
        let timeline = show::Timeline::new();
        let (report, failures) = halt::halt(&halt, &mut |event| timeline.show(&event)).await;
        if manner.json {
            let mut document = serde_json::to_value(&report).unwrap_or_default();
            if let Some(document) = document.as_object_mut() {
                let code = failures.first().map_or(exit::DONE, Failure::code);
                let said: Vec<String> = failures.iter().map(ToString::to_string).collect();
                document.insert("verb".into(), "stop".into());
                document.insert("services".into(), halt.names.clone().into());
                document.insert("exit_code".into(), code.into());
                document.insert("errors".into(), said.into());
            }
            render::json(&document);
        } else if failures.is_empty() && report.steps.is_empty() {
            render::out("nothing runs");
        }
        first_of(failures)
    })
}

/// The first of what was refused, which decides the exit code; the others are shown.
pub(super) fn first_of(failures: Vec<ServiceError>) -> Result<u8, ServiceError> {
    let mut failures = failures.into_iter();
    let first = failures.next();
    for further in failures {
        let _ = render::error(&further);
    }
    first.map_or(Ok(exit::DONE), Err)
}
