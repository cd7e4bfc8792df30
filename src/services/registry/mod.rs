//! The registry: every service of this machine that uses its GPUs, as files say it.
//!
//! ```text
//! search ─► file, keys, forms ─► check ─► Service ─┐
//! compose (what Compose says, `x-lem`) ──┘         ├─► cross ─► Registry ─► order
//!                                        source ───┘
//! ```

mod check;
mod compose;
mod cross;
mod file;
mod forms;
mod keys;
mod order;
mod read;
mod room;
mod search;
mod source;
mod x_lem;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::file::RegistryFile;
pub(crate) use self::read::load;
#[cfg(any(test, fuzzing))]
pub(crate) use self::read::parse;
pub(crate) use self::room::{Budget, Headroom};
use super::error::ServiceError;
use super::service::Service;
use crate::yaml::keys::nearest;

/// The services of this machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Registry {
    /// The file: `services.yaml`, or a Compose file.
    pub place: PathBuf,
    pub services: BTreeMap<String, Service>,
    pub headroom: Headroom,
    /// How long memory may take to come back after a stop.
    pub recovery: Duration,
    pub budget: Budget,
    /// What may not be meant, a sentence each.
    pub warnings: Vec<String>,
    /// What may not be meant and is allowed, for whoever checks the registry.
    pub remarks: Vec<String>,
}

impl Registry {
    /// A service by its name.
    pub(crate) fn get(&self, name: &str) -> Result<&Service, ServiceError> {
        self.services.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.services.keys().map(String::as_str).collect();
            ServiceError::Unknown {
                name: name.to_owned(),
                nearest: nearest(name, &known).map(str::to_owned),
                known: known.into_iter().map(str::to_owned).collect(),
            }
        })
    }

    /// The services that a phase of the pipeline needs, those they depend on left out.
    pub(crate) fn in_phase(&self, phase: u32) -> Result<Vec<&Service>, ServiceError> {
        let found: Vec<&Service> =
            self.services.values().filter(|service| service.phases.contains(&phase)).collect();
        if found.is_empty() {
            let known: BTreeSet<u32> =
                self.services.values().flat_map(|service| &service.phases).copied().collect();
            return Err(ServiceError::NoPhase { phase, known: known.into_iter().collect() });
        }
        Ok(found)
    }

    /// The services that need `name`, by way of others or not, each before what it needs: the order
    /// of stopping them.
    pub(crate) fn dependants(&self, name: &str) -> Vec<&Service> {
        let names = order::dependants(&self.services, name);
        names.into_iter().filter_map(|name| self.services.get(name)).collect()
    }

    /// The named services and all that they need, each after what it needs.
    pub(crate) fn start_order<'r>(
        &'r self,
        names: impl IntoIterator<Item = &'r str>,
    ) -> Result<Vec<&'r Service>, ServiceError> {
        let order = order::start_order(&self.services, names)
            .map_err(|names| ServiceError::Cycle { names })?;
        order.into_iter().map(|name| self.get(name)).collect()
    }
}

#[cfg(test)]
mod tests;
