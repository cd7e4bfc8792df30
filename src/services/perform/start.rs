//! One start: tried until it is healthy, each try cleaned up after before the next.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::Timestamp;
use rand::RngExt;

use super::stop::end;
use crate::cancel::Cancel;
use crate::engine::compose::Existing;
use crate::services::error::ServiceError;
use crate::services::event::{Event, Tell};
use crate::services::health::{self, Heard, Owner};
use crate::services::instance::Instance;
use crate::services::leave::Leave;
use crate::services::look::{Room, Seen};
use crate::services::machine::Machine;
use crate::services::memory::recovery;
use crate::services::note::{self, Doing, Failed, Started};
use crate::services::service::{AfterGrace, Kind, Retry, Service};
use crate::services::state::Life;
use crate::services::{container, native};

/// A service that is healthy.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub instance: Instance,
    /// Tries that it took.
    pub attempts: u32,
    /// The waits between them.
    pub pauses: Vec<Duration>,
}

/// A start that failed for good. Nothing of it runs, unless the error says so.
#[derive(Debug)]
pub(crate) struct NotReady {
    pub error: ServiceError,
    pub attempts: u32,
    pub pauses: Vec<Duration>,
}

/// Starts a service that does not run. The caller has leave for it and its GPUs.
pub(crate) async fn start(
    machine: &Machine,
    service: &Service,
    room: Option<&Room>,
    leave: &Leave,
    tell: Tell<'_>,
) -> Result<Ready, NotReady> {
    let folder = machine.places.service(service);
    let noted = note::change(&folder, |note| {
        *note = note::Note { doing: Some(Doing::Starting), ..note::Note::default() };
    });
    let mut waits = waits(&service.retry);
    let (mut attempts, mut pauses) = (0, Vec::new());
    let failed = 'tries: {
        if let Err(error) = noted {
            break 'tries error;
        }
        loop {
            attempts += 1;
            let error = match once(machine, service, room, attempts, leave, tell).await {
                Ok(instance) => {
                    let _ = note::change(&folder, |note| {
                        note.doing = None;
                        if let Some(started) = &mut note.started {
                            started.healthy_at = Some(Timestamp::now());
                        }
                    });
                    return Ok(Ready { instance, attempts, pauses });
                }
                Err(error) => error,
            };
            let pause = if error.is_worth_a_retry() { waits.next() } else { None };
            let Some(pause) = pause else { break error };
            let why = error.to_string();
            tell(Event::Again { service: service.name.clone(), why, pause });
            tokio::select! {
                () = tokio::time::sleep(pause) => pauses.push(pause),
                signal = machine.cancel.raised() => break ServiceError::Cancelled { signal },
            }
        }
    };
    let why = failed.to_string();
    let cut_off = failed.is_cut_off();
    let _ = note::change(&folder, |note| {
        *note = note::Note::default();
        note.failed = (!cut_off).then(|| Failed { why, at: Timestamp::now() });
    });
    Err(NotReady { error: failed, attempts, pauses })
}

/// Notes that a service that does not run was not even tried to be started.
pub(super) fn refuse(machine: &Machine, service: &Service, seen: &Seen, error: &ServiceError) {
    if seen.life(&service.name) == Life::Gone && !error.is_cut_off() {
        let failed = Failed { why: error.to_string(), at: Timestamp::now() };
        // What is said of it counts, whether or not it can be noted.
        let _ = note::change(&machine.places.service(service), |note| note.failed = Some(failed));
    }
}

/// The waits before the second try, the third, and so on, each a little longer or shorter than its
/// turn so that two who failed together don't try together.
fn waits(retry: &Retry) -> impl Iterator<Item = Duration> + use<> {
    let jitter = retry.jitter.clamp(0.0, 1.0);
    ExponentialBuilder::new()
        .with_min_delay(retry.delay)
        .with_factor(retry.factor)
        .with_max_delay(retry.max_delay)
        .with_max_times(retry.attempts.saturating_sub(1) as usize)
        .build()
        .map(move |wait| wait.mul_f64(rand::rng().random_range(1.0 - jitter..=1.0 + jitter)))
}

async fn once(
    machine: &Machine,
    service: &Service,
    room: Option<&Room>,
    attempt: u32,
    leave: &Leave,
    tell: Tell<'_>,
) -> Result<Instance, ServiceError> {
    let name = &service.name;
    let begun = Instant::now();
    if let Err(taken) = health::silence::is_silent(service).await {
        let taken = taken.with_container(&machine.connection, &machine.cancel).await;
        return Err(taken.before_start(service));
    }
    if let Some(room) = room {
        let Room { sight, ask, staying } = room;
        let (lookout, cancel) = (&machine.lookout, &machine.cancel);
        let limit = machine.registry.recovery;
        let took = recovery::wait(lookout, *sight, ask, staying, limit, cancel).await?;
        if took > recovery::AT_ONCE {
            tell(Event::Recovered { service: name.clone(), took });
        }
    }
    if let Some(signal) = machine.cancel.now() {
        return Err(ServiceError::Cancelled { signal });
    }
    let attempts = service.retry.attempts;
    tell(Event::Starting { service: name.clone(), attempt, attempts });
    let started = launch(machine, service, leave).await;
    let instance = match started {
        Ok(instance) => instance,
        Err(error) => {
            // A docker client that was cut off may have asked for it all the same.
            sweep(machine, service, leave).await?;
            return Err(error);
        }
    };
    tell(Event::Started {
        service: name.clone(),
        took: begun.elapsed(),
        instance: instance.shown(),
    });
    let settings = service.fingerprint();
    let _ = note::change(&machine.places.service(service), |note| {
        let (at, instance) = (Timestamp::now(), instance.id());
        note.started =
            Some(Started { at, instance, settings, healthy_at: None, unhealthy_at: None });
    });
    match until_healthy(service, &instance, &machine.cancel, tell).await {
        Ok(()) => {
            if let Instance::Native(native) = &instance
                && let Err(error) = native.remember()
            {
                let text = format!("processes of service `{name}` can't be noted: {error}");
                tell(Event::Warning { text });
            }
            Ok(instance)
        }
        Err(error) => {
            clean_up(service, &instance, leave, machine).await?;
            Err(error)
        }
    }
}

/// Waits until a service that runs is healthy.
pub(crate) async fn until_healthy(
    service: &Service,
    instance: &impl Owner,
    cancel: &Cancel,
    tell: Tell<'_>,
) -> Result<(), ServiceError> {
    let name = &service.name;
    let healthy = health::wait::wait(service, instance, cancel, |heard| {
        let says = match heard {
            Heard::Warming { time } => {
                format!("warms up for {}", crate::duration::human(time))
            }
            Heard::NotYet { why } => why,
            Heard::Answers => "it answers; does it do its work?".to_owned(),
        };
        tell(Event::NotYet { service: name.clone(), says });
    })
    .await?;
    tell(Event::Healthy { service: name.clone(), took: healthy.waited, probes: healthy.attempts });
    Ok(())
}

async fn launch(
    machine: &Machine,
    service: &Service,
    leave: &Leave,
) -> Result<Instance, ServiceError> {
    if service.is_native() {
        let folder = machine.places.service(service);
        return Ok(Instance::Native(native::start(service, &folder)?));
    }
    let engine = machine.connection.engine(&machine.cancel).await?;
    let mut looked = container::look(engine, std::iter::once(service), &machine.cancel).await?;
    let found = looked.remove(&service.name).unwrap_or(container::Looked::Absent);
    let existing = Existing::BroughtUpToDate;
    let started =
        container::start(engine, service, &found, existing, leave, &machine.cancel).await?;
    Ok(Instance::Container(started))
}

/// Ends what a start that failed has left. What can't be ended is the greater trouble.
async fn clean_up(
    service: &Service,
    instance: &Instance,
    leave: &Leave,
    machine: &Machine,
) -> Result<(), ServiceError> {
    // It never served anybody, so nothing is lost by a kill.
    let mut service = service.clone();
    service.stop.after_grace = AfterGrace::Kill;
    end(&service, instance, leave, &machine.cancel).await.map(drop)
}

/// Ends what runs of a service whose start failed before anything of it was seen.
async fn sweep(machine: &Machine, service: &Service, leave: &Leave) -> Result<(), ServiceError> {
    let instance = match &service.kind {
        Kind::Native(_) => {
            use native::Looked;
            match native::look(&service.name, &machine.places.service(service))? {
                Looked::Running(instance) | Looked::Ended { left: Some(instance), .. } => {
                    Some(Instance::Native(instance))
                }
                Looked::NeverStarted | Looked::Ended { left: None, .. } => None,
            }
        }
        Kind::Compose(_) | Kind::Container { .. } => {
            let last = machine.cancel.last_word();
            let Ok(engine) = machine.connection.engine(&last).await else { return Ok(()) };
            let looked = container::look(engine, std::iter::once(service), &last).await?;
            let life = looked.get(&service.name).and_then(container::Looked::life);
            let alive = life.filter(|life| life.status.is_alive());
            alive.map(|life| {
                Instance::Container(container::Instance::new(engine.docker.clone(), life))
            })
        }
    };
    match instance {
        Some(instance) => clean_up(service, &instance, leave, machine).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ_a_little() {
        let retry = Retry {
            attempts: 6,
            delay: Duration::from_secs(2),
            factor: 2.0,
            max_delay: Duration::from_secs(10),
            jitter: 0.1,
        };
        let found: Vec<f64> = waits(&retry).map(|wait| wait.as_secs_f64()).collect();
        assert_eq!(found.len(), 5);
        for (found, turn) in found.iter().zip([2.0, 4.0, 8.0, 10.0, 10.0]) {
            assert!((found - turn).abs() <= turn * 0.1 + 1e-6, "{found} for {turn}");
        }
        assert_eq!(waits(&Retry { attempts: 1, ..retry }).count(), 0);
    }
}
