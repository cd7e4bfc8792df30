//! What can be known of a start before anything is stopped for it.

use std::collections::BTreeSet;

use crate::http::port;
use crate::services::container;
use crate::services::error::ServiceError;
use crate::services::health::silence::{self, Taken};
use crate::services::instance::Instance;
use crate::services::look::Seen;
use crate::services::machine::Machine;
use crate::services::native;
use crate::services::plan::{Plan, Step};
use crate::services::service::{Kind, Service};

/// Whether everything that the plan starts can be started once what it stops is gone. A plan that
/// stops nothing finds out by itself.
///
/// # Errors
/// The start that can't be, and why.
pub(super) async fn all<'p>(
    machine: &Machine,
    seen: &Seen,
    plan: &'p Plan,
) -> Result<(), (&'p Step, ServiceError)> {
    let stops = |step: &&Step| matches!(step, Step::Stop { .. });
    let going: Vec<&str> = plan.steps.iter().filter(stops).map(Step::service).collect();
    if going.is_empty() {
        return Ok(());
    }
    for step in plan.steps.iter().filter(|step| matches!(step, Step::Start { .. })) {
        one(machine, seen, step, &going).await.map_err(|error| (step, error))?;
    }
    Ok(())
}

async fn one(
    machine: &Machine,
    seen: &Seen,
    step: &Step,
    going: &[&str],
) -> Result<(), ServiceError> {
    let service = machine.registry.get(step.service())?;
    match &service.kind {
        Kind::Native(program) => native::possible(program)
            .map_err(|source| ServiceError::NotStarted { name: service.name.clone(), source })?,
        Kind::Compose(_) | Kind::Container { .. } => {
            let engine = machine.connection.engine(&machine.cancel).await?;
            // One that is there is stopped, not removed.
            if !going.contains(&service.name.as_str()) {
                container::possible(engine, service, &machine.cancel).await?;
            }
        }
    }
    let Err(taken) = silence::is_silent(service).await else { return Ok(()) };
    if goes(machine, seen, &taken, going).await {
        return Ok(());
    }
    let taken = taken.with_container(&machine.connection, &machine.cancel).await;
    Err(taken.before_start(service))
}

/// Whether who listens there is one of those that are stopped.
async fn goes(machine: &Machine, seen: &Seen, taken: &Taken, going: &[&str]) -> bool {
    let services = going.iter().filter_map(|name| machine.registry.get(name).ok());
    let services: Vec<&Service> = services.collect();
    if services.iter().any(|service| ports(service).contains(&taken.port)) {
        return true;
    }
    let owners = taken.owners().await;
    let mut published = None;
    for instance in services.iter().filter_map(|service| seen.instance(&service.name)) {
        let is_its = match instance {
            Instance::Native(native) => {
                let pids = native.pids().unwrap_or_default();
                owners.iter().any(|owner| pids.contains(&owner.pid))
            }
            Instance::Container(container) => {
                if published.is_none() {
                    let (connection, cancel) = (&machine.connection, &machine.cancel);
                    published = Some(taken.containers(connection, cancel).await);
                }
                published.iter().flatten().any(|name| *name == container.name)
                    || owners.iter().any(|owner| owner.container.as_ref() == Some(&container.id))
            }
        };
        if is_its {
            return true;
        }
    }
    false
}

/// The ports at which a service answers.
fn ports(service: &Service) -> BTreeSet<u16> {
    let probes = [&service.health.probe, &service.health.ready].into_iter().flatten();
    probes.filter_map(|probe| port::of(&probe.url)).collect()
}
