//! Waiting until a service is healthy, whoever starts it. Claims nothing and changes nothing.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::start::until_healthy;
use crate::services::error::{Limit, ServiceError};
use crate::services::event::{Event, Tell};
use crate::services::instance::Instance;
use crate::services::look::{Glance, Seen};
use crate::services::machine::Machine;
use crate::services::note::{self, Became};
use crate::services::service::Service;
use crate::services::state::Life;

/// Between two looks at one that does not run.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until the service is healthy: for `limit`, or for as long as the registry gives one that
/// runs or is being started.
///
/// # Errors
/// [`ServiceError::NotRunning`], and all that a wait for health ends with.
pub(crate) async fn attend(
    machine: &Machine,
    service: &Service,
    limit: Option<Duration>,
    tell: Tell<'_>,
) -> Result<(), ServiceError> {
    let name = &service.name;
    let begun = Instant::now();
    let left = || limit.map(|limit| limit.saturating_sub(begun.elapsed()));
    let (mut last, mut told) = (None, false);
    loop {
        let seen = Seen::look(machine, Some(std::slice::from_ref(name)), &[]).await?;
        let Some(glance) = seen.glance(name) else { return Err(not_running(service)) };
        let is_started = glance.holder.is_some();
        match (glance.life, &glance.instance) {
            (Life::Running, Some(instance)) => {
                let within = within(service, glance, left());
                match until_healthy(&within, instance, &machine.cancel, tell).await {
                    // Who starts it may try again.
                    Err(error @ ServiceError::Died { .. }) => last = Some(error),
                    Err(ServiceError::Unhealthy {
                        name,
                        waited: _,
                        attempts,
                        last,
                        tail,
                        limit: Limit::Timeout,
                    }) if limit.is_some() => {
                        let (waited, limit) = (begun.elapsed(), Limit::Asked);
                        return Err(ServiceError::Unhealthy {
                            name,
                            waited,
                            attempts,
                            limit,
                            last,
                            tail,
                        });
                    }
                    other => return other,
                }
            }
            _ if is_started => {}
            (Life::Unseen, _) if limit.is_none() => return Err(seen.unseen(service)),
            _ if last.is_some() || limit.is_none() => {
                return Err(last.unwrap_or_else(|| not_running(service)));
            }
            _ => {}
        }
        if left().is_some_and(|left| left.is_zero()) {
            return Err(last.unwrap_or_else(|| late(service, begun.elapsed())));
        }
        if !std::mem::replace(&mut told, true) && last.is_none() {
            tell(Event::NotYet { service: name.clone(), says: "it does not run".to_owned() });
        }
        tokio::select! {
            signal = machine.cancel.raised() => return Err(ServiceError::Cancelled { signal }),
            () = tokio::time::sleep(left().unwrap_or(PAUSE).min(PAUSE)) => {}
        }
    }
}

/// Waits for a service that somebody else started, and notes what became of it. The caller keeps
/// others from stopping it.
pub(super) async fn noting(
    machine: &Machine,
    service: &Service,
    seen: &Seen,
    instance: &Instance,
    tell: Tell<'_>,
) -> Result<(), ServiceError> {
    let waited_for = seen.glance(&service.name).map(|glance| within(service, glance, None));
    let waited_for = waited_for.as_ref().unwrap_or(service);
    let ended = until_healthy(waited_for, instance, &machine.cancel, tell).await;
    let became = match &ended {
        Ok(()) => Became::Healthy,
        Err(ServiceError::Unhealthy { .. }) => Became::Overdue,
        Err(_) => return ended,
    };
    let noted = note::change(&machine.places.service(service), |note| {
        note.waited(&instance.id(), service.fingerprint(), became);
    });
    if let Err(error) = noted {
        tell(Event::Warning { text: error.to_string() });
    }
    ended
}

/// The service with the limits of this wait. Of its `warm_time` counts what is not over yet.
fn within(service: &Service, glance: &Glance, left: Option<Duration>) -> Service {
    let mut service = service.clone();
    let health = &mut service.health;
    let age = glance.since.map(|since| Timestamp::now().duration_since(since).unsigned_abs());
    health.warm_time = health.warm_time.saturating_sub(age.unwrap_or_default());
    if let Some(left) = left {
        health.warm_time = health.warm_time.min(left);
        health.timeout = left.saturating_sub(health.warm_time);
        (health.stall_timeout, health.max_attempts) = (None, None);
    }
    service
}

fn not_running(service: &Service) -> ServiceError {
    ServiceError::NotRunning { name: service.name.clone() }
}

fn late(service: &Service, waited: Duration) -> ServiceError {
    ServiceError::Unhealthy {
        name: service.name.clone(),
        waited,
        attempts: 0,
        limit: Limit::Asked,
        last: "it does not run".to_owned(),
        tail: Vec::new(),
    }
}
