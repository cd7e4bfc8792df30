//! Memory freed by a service that runs on.

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::is_cut_off;
use crate::services::error::ServiceError;
use crate::services::event::{Event, Tell};
use crate::services::evict_api;
use crate::services::journal::{self, Act, Entry, Outcome, Verb};
use crate::services::look::Seen;
use crate::services::machine::Machine;
use crate::services::permit::{Patience, Permit};

/// The wish that services free their memory.
#[derive(Debug)]
pub(crate) struct Release<'a> {
    pub machine: &'a Machine,
    /// Leases don't count.
    pub force: bool,
    pub patience: Patience,
    pub operation: Uuid,
}

/// What a service freed.
#[derive(Debug, Serialize)]
pub(crate) struct Released {
    pub service: String,
    /// Held on all its GPUs; absent where nobody knows.
    pub before_mib: Option<u64>,
    pub after_mib: Option<u64>,
    pub seconds: f64,
}

/// Has one service free its memory.
pub(crate) async fn release(
    release: &Release<'_>,
    name: &str,
    tell: Tell<'_>,
) -> Result<Released, ServiceError> {
    let machine = release.machine;
    let service = machine.registry.get(name)?;
    if service.evict.is_none() {
        return Err(ServiceError::NothingToEvict { name: name.to_owned() });
    }
    let claims = [machine.claim(service)].into();
    let what = format!("evict {name}");
    let _permit = Permit::take(&claims, &what, release.patience, &machine.cancel, |it, holder| {
        tell(Event::Waiting { what: it.to_string(), holder: holder.to_string() });
    })
    .await?;
    let seen = Seen::look(machine, Some(&[name.to_owned()]), &[]).await?;
    let instance = seen.instance(name);
    let instance = instance.ok_or_else(|| ServiceError::NotRunning { name: name.to_owned() })?;
    let holders = seen.leases(name);
    if !holders.is_empty() && !release.force {
        return Err(ServiceError::Leased { name: name.to_owned(), holders });
    }
    let begun = Instant::now();
    let memory = async || machine.held(service, instance).await;
    let freed = evict_api::evict(service, memory, evict_api::LIMIT, &machine.cancel).await;
    let seconds = begun.elapsed().as_secs_f64();
    let outcome = match &freed {
        Ok(_) => Outcome::Done,
        Err(error) if is_cut_off(error) => Outcome::Interrupted,
        Err(_) => Outcome::Failed,
    };
    let entry = Entry {
        operation: release.operation,
        at: Timestamp::now(),
        agent: journal::agent(),
        verb: Verb::Evict,
        act: Act::Evict,
        asked: true,
        service: name.to_owned(),
        registry: machine.registry.place.clone(),
        from: seen.state(service).word().to_owned(),
        to: seen.state(service).word().to_owned(),
        outcome,
        error: freed.as_ref().err().map(ToString::to_string),
        attempts: 1,
        pauses: Vec::new(),
        escalated: false,
        seconds,
        mib_before: seen.used(service),
        mib_after: machine.used(service, &seen).await,
    };
    let _ = journal::append(&machine.places.journal(), &entry);
    let freed = freed?;
    tell(Event::Evicted { service: name.to_owned(), before: freed.before, after: freed.after });
    let (before_mib, after_mib) = (freed.before.map(|it| it.0), freed.after.map(|it| it.0));
    Ok(Released { service: name.to_owned(), before_mib, after_mib, seconds })
}
