//! What a wish has to have for itself, and who has it now.

use super::{Order, remains};
use crate::coordination::kind::Kind;
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::Resource;
use crate::mebibytes::Mebibytes;
use crate::services::claim;
use crate::services::error::ServiceError;
use crate::services::look::Seen;
use crate::services::plan::{Plan, Step};
use crate::services::service::Service;

impl Order<'_> {
    /// Whether somebody starts or stops one of the services at this moment.
    pub(super) fn is_being_worked_on(&self, plan: &Plan, seen: &Seen) -> bool {
        plan.steps.iter().any(|step| self.is_claimed(step.service(), seen))
    }

    fn is_claimed(&self, service: &str, seen: &Seen) -> bool {
        let claimed = seen.glance(service).is_some_and(|glance| glance.holder.is_some());
        claimed && !self.is_ours(service, seen)
    }

    /// Whether the operation that this command is part of works on the service.
    fn is_ours(&self, service: &str, seen: &Seen) -> bool {
        let resource = seen.resources().get(service);
        resource.is_some_and(|it| seen.others_at_work().is_done_by(self.machine.parent(), it))
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
        Ok(concerned.any(|service| self.is_claimed(&service.name, seen))
            || remains::are_in_the_way(error, &seen.cards))
    }

    /// Everything that is wanted or touched, and the GPUs of what is started or may have to be
    /// started again. Somebody may have a GPU for itself, so it does not matter what is taken there.
    pub(super) fn claims(&self, seen: &Seen, plan: &Plan) -> Result<Vec<Part>, ServiceError> {
        let restored = if self.restores() { plan.previous.as_slice() } else { &[] };
        let mut parts = Vec::new();
        for step in &plan.steps {
            let service = self.machine.registry.get(step.service())?;
            let Some(resource) = seen.resources().get(&service.name) else { continue };
            match step {
                Step::Stop { .. } => add(&mut parts, claim::changed(resource, Kind::Stop)),
                Step::Start { .. } => add(&mut parts, claim::changed(resource, Kind::Start)),
                Step::Reuse { .. } | Step::Await { .. } if self.is_ours(&service.name, seen) => {}
                Step::Reuse { .. } | Step::Await { .. } => add(&mut parts, claim::kept(resource)),
            }
            if matches!(step, Step::Start { .. }) || restored.contains(&service.name) {
                add_gpus(&mut parts, seen, service);
            }
        }
        // What a switch is there for stands for it, not what makes room.
        parts.sort_by_key(|part| part.act != Act::Kind(Kind::Start));
        Ok(parts)
    }

    /// The services that are wanted, and their GPUs.
    pub(super) fn claims_of_wanted(&self, seen: &Seen) -> Result<Vec<Part>, ServiceError> {
        let mut parts = Vec::new();
        let names = self.wish.names.iter().map(String::as_str);
        for service in self.machine.registry.start_order(names)? {
            let Some(resource) = seen.resources().get(&service.name) else { continue };
            add(&mut parts, claim::changed(resource, Kind::Start));
            add_gpus(&mut parts, seen, service);
        }
        Ok(parts)
    }
}

/// The GPUs of a service, for nobody else.
pub(super) fn add_gpus(parts: &mut Vec<Part>, seen: &Seen, service: &Service) {
    for gpu in seen.gpus_of(service) {
        add(parts, claim::had(&Resource::gpu(&gpu)));
    }
}

/// Adds a part that is not there yet.
pub(super) fn add(parts: &mut Vec<Part>, part: Part) {
    if !parts.contains(&part) {
        parts.push(part);
    }
}
