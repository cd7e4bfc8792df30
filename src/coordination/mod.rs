//! Several agents, one set of containers: people, CI jobs and programs whose operations don't get
//! into each other's way. Names only, no docker.
//!
//! A [`operation::Wish`] has [`part::Part`]s, each of a [`resource::Resource`]. [`admission`]
//! decides, purely, whether it begins, waits or is refused: by the matrix ([`conflict`]), by what
//! needs what ([`dependency`]) and by [`claim`]s. The [`ledger`] keeps what is decided, and a
//! [`permit::Permit`] is leave to act until it is dropped.

pub(crate) mod admission;
pub(crate) mod agent;
pub(crate) mod asking;
#[cfg(feature = "bench")]
pub mod bench;
pub(crate) mod claim;
pub(crate) mod conflict;
pub(crate) mod dependency;
pub(crate) mod ear;
pub(crate) mod error;
pub(crate) mod forecast;
pub(crate) mod holders;
pub(crate) mod kind;
pub(crate) mod ledger;
pub(crate) mod liveness;
pub(crate) mod nesting;
pub(crate) mod operation;
pub(crate) mod owner;
pub(crate) mod part;
pub(crate) mod permit;
#[cfg(test)]
mod proof;
pub(crate) mod recovery;
pub(crate) mod resource;
pub(crate) mod severity;
pub(crate) mod trust;
