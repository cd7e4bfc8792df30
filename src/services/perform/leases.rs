//! Services that are used: had running, and leased in the same breath.
//!
//! A lease is an operation that shares the services, and has their GPUs for itself where it is
//! exclusive. It ends with its holder, however that dies.

use std::time::Instant;

use super::claims::{add, add_gpus};
use super::{Order, Report, left_of};
use crate::coordination::part::Part;
use crate::services::claim;
use crate::services::error::ServiceError;
use crate::services::event::Tell;
use crate::services::leave::Leave;
use crate::services::look::Seen;
use crate::services::plan::Sight;

/// How much a lease forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exclusive {
    /// That the services are stopped to make room.
    No,
    /// Also that anything else of a registry is started on their GPUs.
    Yes,
}

/// Has the services of the wish run, and leases them.
pub(crate) async fn take(
    order: &Order<'_>,
    exclusive: Exclusive,
    tell: Tell<'_>,
) -> (Report, Result<Leave, ServiceError>) {
    let begun = Instant::now();
    let mut report = Report {
        operation: order.operation,
        steps: Vec::new(),
        restored: Vec::new(),
        seconds: 0.0,
    };
    let leased = order.leased(exclusive, begun, &mut report, tell).await;
    report.seconds = begun.elapsed().as_secs_f64();
    (report, leased)
}

impl Order<'_> {
    async fn leased(
        &self,
        exclusive: Exclusive,
        begun: Instant,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<Leave, ServiceError> {
        let (machine, names) = (self.machine, &self.wish.names);
        let what = format!("use {}", names.join(" "));
        loop {
            let had = self.fulfil(report, tell).await?;
            let seen = Seen::look(machine, Some(names), &[]).await?;
            let parts = self.parts_of_lease(exclusive, &seen)?;
            let leave = match had {
                // From the start to the use nobody gets in between.
                Some(mut leave) if leave.covers(&parts) => {
                    match leave.become_one_of(parts, &what, machine).await {
                        Ok(()) => leave,
                        Err(error) => {
                            let failed = Err(error);
                            leave.end(&failed, tell).await;
                            return failed;
                        }
                    }
                }
                had => {
                    if let Some(leave) = had {
                        leave.end(&Ok(()), tell).await;
                    }
                    let patience = left_of(self.patience, begun);
                    machine.leave(parts, &what, patience, &seen, tell).await?
                }
            };
            let seen = Seen::look(machine, Some(names), names).await?;
            if names.iter().all(|name| seen.sight(name).is_some_and(Sight::runs_well)) {
                return Ok(leave);
            }
            // Somebody stopped one of them in between, or it ended.
            leave.give_back(tell).await;
        }
    }

    fn parts_of_lease(&self, exclusive: Exclusive, seen: &Seen) -> Result<Vec<Part>, ServiceError> {
        let mut parts = Vec::new();
        for name in &self.wish.names {
            let service = self.machine.registry.get(name)?;
            if let Some(resource) = seen.resources().get(name) {
                add(&mut parts, claim::used(resource));
            }
            if exclusive == Exclusive::Yes {
                add_gpus(&mut parts, seen, service);
            }
        }
        Ok(parts)
    }
}
