//! Services that are used: had running, and leased in the same breath.

use std::collections::BTreeSet;

use super::{Order, Report, fulfil};
use crate::lock::{Holder, LockError};
use crate::services::error::ServiceError;
use crate::services::event::{Event, Tell};
use crate::services::lease::{self, Lease};
use crate::services::look::Seen;
use crate::services::permit::{Claim, Permit};
use crate::services::plan::Sight;

/// How much a lease forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exclusive {
    /// That the services are stopped to make room.
    No,
    /// Also that anything else of a registry is started on their GPUs.
    Yes,
}

/// Services that run and are leased, until this is dropped.
#[derive(Debug)]
pub(crate) struct Leased {
    _leases: Vec<Lease>,
    _gpus: Option<Permit>,
}

/// Has the services of the wish run, and leases them for `what`.
pub(crate) async fn take(
    order: &Order<'_>,
    what: &str,
    exclusive: Exclusive,
    tell: Tell<'_>,
) -> (Report, Result<Leased, ServiceError>) {
    loop {
        let (report, done) = fulfil(order, tell).await;
        if let Err(error) = done {
            return (report, Err(error));
        }
        match once(order, what, exclusive, tell).await {
            // Somebody stopped one of them in between.
            Ok(None) => {}
            Ok(Some(leased)) => return (report, Ok(leased)),
            Err(error) => return (report, Err(error)),
        }
    }
}

async fn once(
    order: &Order<'_>,
    what: &str,
    exclusive: Exclusive,
    tell: Tell<'_>,
) -> Result<Option<Leased>, ServiceError> {
    let machine = order.machine;
    let (mut services, mut gpus) = (BTreeSet::new(), BTreeSet::new());
    let names = &order.wish.names;
    if exclusive == Exclusive::Yes {
        let seen = Seen::look(machine, Some(names), &[]).await?;
        for name in names {
            let of = seen.gpus_of(machine.registry.get(name)?);
            gpus.extend(of.iter().map(|gpu| machine.claim_gpu(gpu)));
        }
    }
    for name in names {
        services.insert(machine.claim(machine.registry.get(name)?));
    }
    let mut waiting = |claim: &Claim, holder: &Holder| {
        tell(Event::Waiting { what: claim.to_string(), holder: holder.to_string() });
    };
    let (patience, cancel) = (order.patience, &machine.cancel);
    let gpus = if gpus.is_empty() {
        None
    } else {
        Some(Permit::take(&gpus, what, patience, cancel, &mut waiting).await?)
    };
    let _permit = Permit::take(&services, what, patience, cancel, &mut waiting).await?;
    let seen = Seen::look(machine, Some(names), names).await?;
    let mut leases = Vec::new();
    for name in names {
        if !seen.sight(name).is_some_and(Sight::runs_well) {
            return Ok(None);
        }
        let folder = machine.places.service(machine.registry.get(name)?);
        let lease = lease::take(&folder, &Holder::this(what)).map_err(|error| match error {
            LockError::Unusable { path, source } => ServiceError::State { path, source },
            LockError::Held { holder } => ServiceError::Busy { what: "a lease".to_owned(), holder },
        })?;
        leases.push(lease);
    }
    Ok(Some(Leased { _leases: leases, _gpus: gpus }))
}
