//! What a wish has to have for itself, and who has it now.

use std::collections::BTreeSet;

use super::{Order, remains};
use crate::mebibytes::Mebibytes;
use crate::services::error::ServiceError;
use crate::services::look::Seen;
use crate::services::permit::{self, Claim};
use crate::services::plan::{Plan, Step};
use crate::services::service::Service;

impl Order<'_> {
    /// Whether somebody starts or stops one of the services at this moment.
    pub(super) fn is_being_worked_on(&self, plan: &Plan) -> bool {
        plan.steps.iter().any(|step| {
            let service = self.machine.registry.services.get(step.service());
            service.is_some_and(|service| self.is_claimed(service))
        })
    }

    fn is_claimed(&self, service: &Service) -> bool {
        permit::holder(&self.machine.claim(service)).is_some()
    }

    /// Whether what does not fit now may fit in a moment: somebody is at work on a service that is
    /// wanted or holds memory, or memory is on its way back.
    pub(super) fn may_change(
        &self,
        error: &ServiceError,
        seen: &Seen,
    ) -> Result<bool, ServiceError> {
        let registry = &self.machine.registry;
        let wanted = registry.start_order(self.wish.names.iter().map(String::as_str))?;
        let holds = |service: &&Service| {
            let mut shares =
                seen.sight(&service.name).into_iter().flat_map(|it| it.shares.values());
            shares.any(|share| share.holds() > Mebibytes(0))
        };
        let mut concerned = registry.services.values().filter(holds).chain(wanted);
        Ok(concerned.any(|service| self.is_claimed(service))
            || remains::are_in_the_way(error, &seen.cards))
    }

    /// Everything that is wanted or touched, and the GPUs of what is started or may have to be
    /// started again. Somebody may have a GPU for itself, so it does not matter what is taken there.
    pub(super) fn claims(&self, seen: &Seen, plan: &Plan) -> Result<BTreeSet<Claim>, ServiceError> {
        let restored = if self.restores() { plan.previous.as_slice() } else { &[] };
        let mut claims = BTreeSet::new();
        for step in &plan.steps {
            let service = self.machine.registry.get(step.service())?;
            claims.insert(self.machine.claim(service));
            if matches!(step, Step::Start { .. }) || restored.contains(&service.name) {
                claims.extend(seen.gpus_of(service).iter().map(|gpu| self.machine.claim_gpu(gpu)));
            }
        }
        Ok(claims)
    }

    /// The services that are wanted, and their GPUs.
    pub(super) fn claims_of_wanted(&self, seen: &Seen) -> Result<BTreeSet<Claim>, ServiceError> {
        let mut claims = BTreeSet::new();
        for service in
            self.machine.registry.start_order(self.wish.names.iter().map(String::as_str))?
        {
            claims.insert(self.machine.claim(service));
            claims.extend(seen.gpus_of(service).iter().map(|gpu| self.machine.claim_gpu(gpu)));
        }
        Ok(claims)
    }
}
