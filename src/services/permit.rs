//! Leave to act on services and GPUs, one operation at a time.
//!
//! 2026-11-21: kernel locks stand in for the coordinator until there is one; whoever acts names
//! its claims here and nowhere else. Claims are taken in their own order, GPUs before services, by
//! everybody; so two that need several never wait for each other. The kernel gives them back
//! however their holder dies. What only looks takes none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::RngExt;

use super::error::ServiceError;
use crate::cancel::Cancel;
use crate::lock::{self, Holder, Lock, LockError};

/// What is claimed. The order is that of taking.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// A GPU: whoever has it decides what starts there.
    Gpu { name: String, lock: PathBuf },
    /// A service: whoever has it starts or stops it.
    Service { name: String, lock: PathBuf },
}

impl Claim {
    fn lock(&self) -> &PathBuf {
        let (Self::Gpu { lock, .. } | Self::Service { lock, .. }) = self;
        lock
    }

    /// What a docker client has that an earlier holder left at its work.
    fn client(&self) -> Option<PathBuf> {
        match self {
            Self::Gpu { .. } => None,
            Self::Service { lock, .. } => Some(lock.with_file_name(CLIENT)),
        }
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gpu { name, .. } => write!(f, "GPU {name}"),
            Self::Service { name, .. } => write!(f, "service `{name}`"),
        }
    }
}

/// How long to wait for what somebody else has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    For(Duration),
}

/// Leave to act. Dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct Permit {
    _locks: Vec<Lock>,
}

/// Beside a service's own lock: that of a docker client that starts it.
const CLIENT: &str = "client.lock";
/// Between two looks at a lock that somebody has.
const LOOK: Duration = Duration::from_millis(50);

impl Permit {
    /// Takes every claim, or says who has the first one that it did not get.
    ///
    /// `waiting` hears once of each holder that is waited for.
    pub(crate) async fn take(
        claims: &BTreeSet<Claim>,
        what: &str,
        patience: Patience,
        cancel: &Cancel,
        mut waiting: impl FnMut(&Claim, &Holder),
    ) -> Result<Self, ServiceError> {
        let begun = Instant::now();
        let holder = Holder::this(what);
        let mut locks = Vec::new();
        for claim in claims {
            let paths = std::iter::once(claim.lock().clone()).chain(claim.client());
            let mut own = Vec::new();
            for path in paths {
                own.push(one(claim, &path, &holder, begun, patience, cancel, &mut waiting).await?);
            }
            // Only its end was of interest.
            own.truncate(1);
            locks.append(&mut own);
        }
        Ok(Self { _locks: locks })
    }
}

async fn one(
    claim: &Claim,
    path: &Path,
    holder: &Holder,
    begun: Instant,
    patience: Patience,
    cancel: &Cancel,
    waiting: &mut impl FnMut(&Claim, &Holder),
) -> Result<Lock, ServiceError> {
    let mut told: Option<Holder> = None;
    loop {
        match lock::take(path, holder) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Unusable { path, source }) => {
                return Err(ServiceError::State { path, source });
            }
            Err(LockError::Held { holder }) => {
                let patient = matches!(patience, Patience::For(limit) if begun.elapsed() < limit);
                if !patient {
                    return Err(ServiceError::Busy { what: claim.to_string(), holder });
                }
                if told.as_ref() != Some(&holder) {
                    waiting(claim, &holder);
                    told = Some(holder);
                }
            }
        }
        // Nobody who looks in step with another one gets it less often than that one.
        let pause = LOOK.mul_f64(rand::rng().random_range(0.5..1.5));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            signal = cancel.raised() => return Err(ServiceError::Cancelled { signal }),
        }
    }
}

/// The lock of a docker client that starts the service with this folder, for which the caller has
/// the permit. A client outlives a lem that is killed, and starts what nobody wants any more.
pub(crate) fn client(service: &Path, what: &str) -> Result<Lock, ServiceError> {
    let holder = Holder::this(format!("the docker client of {what}"));
    lock::take(&service.join(CLIENT), &holder).map_err(|error| match error {
        LockError::Unusable { path, source } => ServiceError::State { path, source },
        LockError::Held { holder } => ServiceError::Busy { what: what.to_owned(), holder },
    })
}

/// Who acts on something now, if anybody does.
pub(crate) fn holder(claim: &Claim) -> Option<Holder> {
    lock::holder(claim.lock())
}
