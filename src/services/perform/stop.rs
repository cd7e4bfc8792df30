//! One stop: memory asked back, the service ended, its end seen.

use std::time::Duration;

use crate::cancel::Cancel;
use crate::services::error::ServiceError;
use crate::services::event::{Event, Tell};
use crate::services::instance::Instance;
use crate::services::leave::Leave;
use crate::services::machine::Machine;
use crate::services::note::{self, Doing};
use crate::services::service::Service;
use crate::services::stopped::Stopped;
use crate::services::{container, evict_api, health, native};

/// How long an API has to free memory that the end of the service frees anyway.
const EVICTING: Duration = Duration::from_secs(10);
/// How long an endpoint may answer on once its server is gone: a proxy that closes.
const SILENT: Duration = Duration::from_secs(5);

/// Stops a service that runs. The caller has leave, and has decided that it may go.
///
/// It is stopped when its container or its processes are gone and its endpoint is silent.
pub(crate) async fn stop(
    machine: &Machine,
    service: &Service,
    instance: &Instance,
    why: &str,
    leave: &Leave,
    tell: Tell<'_>,
) -> Result<Stopped, ServiceError> {
    let folder = machine.places.service(service);
    let name = &service.name;
    tell(Event::Stopping { service: name.clone(), why: why.to_owned() });
    // A state folder that is full is no reason to let it hold its memory.
    if let Err(error) = note::change(&folder, |note| note.doing = Some(Doing::Stopping)) {
        tell(Event::Warning { text: error.to_string() });
    }
    let cancel = machine.cancel.last_word();
    if service.evict.is_some() {
        let memory = async || machine.held(service, instance).await;
        match evict_api::evict(service, memory, EVICTING, &cancel).await {
            Ok(freed) => tell(Event::Evicted {
                service: name.clone(),
                before: freed.before,
                after: freed.after,
            }),
            Err(error) => {
                tell(Event::NotEvicted { service: name.clone(), why: error.to_string() });
            }
        }
    }
    let stopped = end(service, instance, leave, &machine.cancel).await;
    let stopped = match stopped {
        Ok(stopped) => {
            health::silence::wait_until_silent(service, SILENT, &cancel).await.map(|()| stopped)
        }
        Err(error) => Err(error),
    };
    // One that was told to end and has not may still do so, however well it answers until then.
    if stopped.is_ok() {
        let _ = note::change(&folder, |note| *note = note::Note::default());
    }
    let stopped = stopped?;
    tell(Event::Stopped {
        service: name.clone(),
        took: stopped.took,
        escalated: stopped.escalated,
    });
    Ok(stopped)
}

/// Ends what runs of a service, in its own way.
pub(super) async fn end(
    service: &Service,
    instance: &Instance,
    leave: &Leave,
    cancel: &Cancel,
) -> Result<Stopped, ServiceError> {
    match instance {
        Instance::Container(container) => container::stop(container, service, leave, cancel).await,
        Instance::Native(native) => native::stop(native, service, cancel).await,
    }
}
