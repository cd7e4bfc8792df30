//! Memory freed by a service that runs on.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::coordination::permit::Patience;
use crate::services::claim;
use crate::services::error::ServiceError;
use crate::services::event::{Event, Tell};
use crate::services::evict_api;
use crate::services::instance::Instance;
use crate::services::journal::{self, Act, Entry, Outcome, Verb};
use crate::services::look::Seen;
use crate::services::machine::Machine;
use crate::services::service::Service;

/// The wish that services free their memory.
#[derive(Debug)]
pub(crate) struct Release<'a> {
    pub machine: &'a Machine,
    /// Leases don't count.
    pub force: bool,
    /// Only those that nobody has used for so long.
    pub idle: Option<Duration>,
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

/// Which of these services would free their memory now, and why the rest would not. Claims
/// nothing and changes nothing.
pub(crate) async fn foresee(
    release: &Release<'_>,
    names: &[String],
) -> Result<(Vec<String>, Vec<ServiceError>), ServiceError> {
    let seen = Seen::look(release.machine, Some(names), &[]).await?;
    let (mut would, mut refusals) = (Vec::new(), Vec::new());
    for name in names {
        match release.of(release.machine.registry.get(name)?, &seen) {
            Ok(Some(_)) => would.push(name.clone()),
            Ok(None) => {}
            Err(error) => refusals.push(error),
        }
    }
    Ok((would, refusals))
}

/// The services that run, can free their memory, and were not used for so long.
pub(crate) async fn idle_for(
    machine: &Machine,
    idle: Duration,
) -> Result<Vec<String>, ServiceError> {
    let seen = Seen::look(machine, None, &[]).await?;
    let services = machine.registry.services.values().filter(|service| service.evict.is_some());
    let idle = services.filter(|service| is_idle(&service.name, &seen, idle));
    Ok(idle.map(|service| service.name.clone()).collect())
}

fn is_idle(name: &str, seen: &Seen, idle: Duration) -> bool {
    let Some(sight) = seen.sight(name) else { return false };
    // One that was never asked for has been unused since it began to run.
    let used = sight.last_used.max(seen.glance(name).and_then(|glance| glance.since));
    let age = used.map(|used| Timestamp::now().duration_since(used).unsigned_abs());
    seen.instance(name).is_some()
        && !sight.busy
        && !sight.leased
        && age.is_none_or(|age| age >= idle)
}

impl Release<'_> {
    /// What runs of a service that is to free its memory; none, where it is used again and only the
    /// idle are meant.
    fn of<'s>(
        &self,
        service: &Service,
        seen: &'s Seen,
    ) -> Result<Option<&'s Instance>, ServiceError> {
        let name = service.name.clone();
        if service.evict.is_none() {
            return Err(ServiceError::NothingToEvict { name });
        }
        if self.idle.is_some_and(|idle| !is_idle(&name, seen, idle)) {
            return Ok(None);
        }
        let Some(instance) = seen.instance(&name) else {
            return Err(ServiceError::NotRunning { name });
        };
        let holders = seen.leases(&name);
        if !holders.is_empty() && !self.force {
            return Err(ServiceError::Leased { name, holders });
        }
        Ok(Some(instance))
    }
}

/// Has one service free its memory; none, where only the idle are meant and it is used again.
pub(crate) async fn release(
    release: &Release<'_>,
    name: &str,
    tell: Tell<'_>,
) -> Result<Option<Released>, ServiceError> {
    let machine = release.machine;
    let service = machine.registry.get(name)?;
    if service.evict.is_none() {
        return Err(ServiceError::NothingToEvict { name: name.to_owned() });
    }
    let only = [name.to_owned()];
    let seen = Seen::look(machine, Some(&only), &[]).await?;
    let resource = seen.resources().get(name).map(claim::had);
    let what = format!("evict {name}");
    let parts = resource.into_iter().collect();
    let leave = machine.leave(parts, &what, release.patience, &seen, tell).await?;
    let freed = leave.attend(machine, release.claimed(service, tell)).await;
    leave.end(&freed, tell).await;
    freed
}

impl Release<'_> {
    /// Has a service free its memory that is claimed.
    async fn claimed(
        &self,
        service: &Service,
        tell: Tell<'_>,
    ) -> Result<Option<Released>, ServiceError> {
        let (release, machine, name) = (self, self.machine, service.name.as_str());
        let seen = Seen::look(machine, Some(&[name.to_owned()]), &[]).await?;
        let Some(instance) = release.of(service, &seen)? else { return Ok(None) };
        let begun = Instant::now();
        let memory = async || machine.held(service, instance).await;
        let freed = evict_api::evict(service, memory, evict_api::LIMIT, &machine.cancel).await;
        let seconds = begun.elapsed().as_secs_f64();
        let outcome = match &freed {
            Ok(_) => Outcome::Done,
            Err(error) if error.is_cut_off() => Outcome::Interrupted,
            Err(_) => Outcome::Failed,
        };
        let entry = Entry {
            operation: release.operation,
            at: Timestamp::now(),
            agent: machine.agent_name(),
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
        Ok(Some(Released { service: name.to_owned(), before_mib, after_mib, seconds }))
    }
}
