//! What services and GPUs are claimed with, as parts of an operation of the ledger. Pure.
//!
//! 2026-11-21: what a command only reuses or waits for is a shared claim that follows from the
//! rest. So two commands that use one database don't wait for each other, and nobody stops it
//! under them; and such a claim is told from a lease, which keeps a service for as long as it
//! likes.

use crate::coordination::kind::Kind;
use crate::coordination::operation::Operation;
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::Resource;

/// It is started or stopped.
pub(crate) fn changed(service: &Resource, kind: Kind) -> Part {
    Part::new(service.clone(), Act::Kind(kind))
}

/// It stays as it is while something else is done.
pub(crate) fn kept(service: &Resource) -> Part {
    Part::implied(service.clone(), Act::Shared)
}

/// It is used while a command runs.
pub(crate) fn used(service: &Resource) -> Part {
    Part::new(service.clone(), Act::Shared)
}

/// Nobody else does anything with it: a GPU on which something starts, a service that frees its
/// memory.
pub(crate) fn had(resource: &Resource) -> Part {
    Part::new(resource.clone(), Act::Exclusive)
}

/// Whether who has some parts needs nothing more for others.
pub(crate) fn covers(have: &[Part], wanted: &[Part]) -> bool {
    wanted.iter().all(|wants| {
        have.iter().any(|has| has.resource == wants.resource && rank(has.act) >= rank(wants.act))
    })
}

/// The more, the more it keeps others from. A start and a stop keep them from the same.
fn rank(act: Act) -> u8 {
    match act {
        Act::Shared => 0,
        Act::Kind(_) => 1,
        Act::Exclusive => 2,
    }
}

/// Whether an operation leases a service.
pub(crate) fn leases(operation: &Operation, service: &Resource) -> bool {
    operation.parts.iter().any(|part| part.resource == *service && part.is_use())
}

/// Whether an operation does something to a service, or waits for it.
pub(crate) fn works_on(operation: &Operation, service: &Resource) -> bool {
    let works = |part: &Part| match part.act {
        Act::Kind(kind) => !kind.only_looks(),
        Act::Exclusive => true,
        Act::Shared => part.implied,
    };
    operation.parts.iter().any(|part| part.resource == *service && works(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_covers_a_stop_and_a_reuse_and_a_reuse_covers_neither() {
        let x = Resource::name("x");
        let (start, stop) = (changed(&x, Kind::Start), changed(&x, Kind::Stop));
        assert!(covers(std::slice::from_ref(&start), &[stop, kept(&x)]));
        assert!(!covers(&[kept(&x)], std::slice::from_ref(&start)));
        assert!(!covers(&[start], &[kept(&Resource::name("y"))]));
        assert!(covers(&[had(&x)], &[used(&x)]) && covers(&[], &[]));
    }
}
