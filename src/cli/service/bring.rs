//! `lem service ensure`, `lem switch` and `lem phase`: services that are to run, and room for them.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::arguments::{Manner, Where, told};
use super::machine;
use crate::cancel::Cancel;
use crate::cli::exit::{self, Failure};
use crate::cli::render::{self, services as show};
use crate::cli::runtime::block_on;
use crate::services::error::ServiceError;
use crate::services::journal::Verb;
use crate::services::machine::Machine;
use crate::services::perform::{self, Order};
use crate::services::place::Purpose;
use crate::services::plan::Wish;
use crate::services::service::Service;

/// Have services run and be healthy: start them, and make room, only where they are not.
///
/// Room is made by stopping services of a lower priority. Those of the same one are stopped by `lem
/// switch`, or with --preempt.
#[derive(Debug, Args)]
pub(super) struct EnsureArguments {
    /// Names in the registry
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    how: How,
    /// Start a service anew that runs with other settings than the registry has now
    #[arg(long)]
    recreate: bool,
}

/// Switch to a service: what runs on its GPUs is stopped first, and seen to be, before it starts.
///
/// Services that are pinned, leased or more important stay; where they leave too little memory, the
/// switch fails before anything is stopped.
#[derive(Debug, Args)]
pub(in crate::cli) struct SwitchArguments {
    /// Its name in the registry
    name: String,
    #[command(flatten)]
    how: How,
}

/// Have the services of a phase run; only what is in their way is stopped.
#[derive(Debug, Args)]
pub(in crate::cli) struct PhaseArguments {
    /// A number that `pipeline_phases` of services name
    #[arg(value_parser = phase_number)]
    phase: u32,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    /// Stop services of the same or a higher priority too, where there is no other way
    #[arg(long)]
    preempt: bool,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    place: Where,
}

/// Runs `lem service ensure`.
pub(super) fn ensure(arguments: &EnsureArguments) -> ExitCode {
    bring(&arguments.how, Verb::Ensure, |machine| {
        Ok(Wish {
            verb: Verb::Ensure,
            names: machine.chosen(&arguments.names)?,
            phase: None,
            preempt: arguments.how.preempt,
            recreate: arguments.recreate,
        })
    })
}

/// Runs `lem switch`.
pub(in crate::cli) fn switch(arguments: &SwitchArguments) -> ExitCode {
    bring(&arguments.how, Verb::Switch, |_| {
        Ok(Wish {
            verb: Verb::Switch,
            names: vec![arguments.name.clone()],
            phase: None,
            preempt: arguments.how.preempt,
            recreate: false,
        })
    })
}

/// Runs `lem phase`.
pub(in crate::cli) fn phase(arguments: &PhaseArguments) -> ExitCode {
    bring(&arguments.how, Verb::Phase, |machine| {
        Ok(Wish {
            verb: Verb::Phase,
            names: names(&machine.registry.in_phase(arguments.phase)?),
            phase: Some(arguments.phase),
            preempt: arguments.how.preempt,
            recreate: false,
        })
    })
}

fn bring(
    how: &How,
    verb: Verb,
    wish: impl FnOnce(&Machine) -> Result<Wish, ServiceError>,
) -> ExitCode {
    let manner = &how.manner;
    block_on(async |cancel: &Cancel| {
        let purpose = if manner.dry_run { Purpose::Looking } else { Purpose::Acting };
        let opened = machine(how.place.registry.as_deref(), purpose, cancel).await;
        let opened = opened.map(|machine| machine.asking(manner.asking.asks(None)));
        let wished = opened.and_then(|machine| Ok((wish(&machine)?, machine)));
        let (wish, machine) = told(manner.json, verb, wished)?;
        show::warnings(&machine.registry.warnings);
        let operation = Uuid::new_v4();
        let patience = manner.patience(&machine, &wish.names);
        let order = Order { machine: &machine, wish, patience, operation };
        if manner.dry_run {
            let plan = told(manner.json, verb, perform::foresee(&order).await)?;
            if manner.json {
                render::json(&json!({ "dry_run": true, "steps": plan.steps }));
            } else {
                show::plan(&plan, &machine.registry);
            }
            return Ok(exit::DONE);
        }
        let timeline = show::Timeline::new();
        let (report, done) = perform::fulfil(&order, &mut |event| timeline.show(&event)).await;
        let failure = done.as_ref().err();
        if manner.json {
            let mut document = serde_json::to_value(&report).unwrap_or_default();
            if let Some(document) = document.as_object_mut() {
                document.insert("verb".into(), order.wish.verb.word().into());
                document.insert("services".into(), order.wish.names.clone().into());
                document
                    .insert("exit_code".into(), failure.map_or(exit::DONE, Failure::code).into());
                document.insert("error".into(), failure.map(ToString::to_string).into());
            }
            render::json(&document);
        } else if done.is_ok() {
            show::Timeline::close(&order.wish.names, Duration::from_secs_f64(report.seconds));
        }
        done.map(|()| exit::DONE)
    })
}

fn phase_number(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "a phase is a number, one of the `pipeline_phases` of a service")
}

fn names(services: &[&Service]) -> Vec<String> {
    services.iter().map(|service| service.name.clone()).collect()
}
