//! This machine, as the services of one registry need it: engine, GPUs, folders.

use std::collections::BTreeMap;
use std::path::Path;

use super::connection::Connection;
use super::error::ServiceError;
use super::instance::Instance;
use super::look::{Seen, member, used_of};
use super::memory::card::{Cards, Sight};
use super::memory::measured::{self, Held};
use super::permit::Claim;
use super::place::{Places, Purpose};
use super::registry::{self, Budget, Registry};
use super::service::Service;
use crate::cancel::Cancel;
use crate::gpu::look::Lookout;
use crate::gpu::processes::identity;
use crate::mebibytes::Mebibytes;

/// What a verb works with.
#[derive(Debug)]
pub(crate) struct Machine {
    pub registry: Registry,
    pub connection: Connection,
    pub lookout: Lookout,
    pub places: Places,
    pub cancel: Cancel,
}

impl Machine {
    /// Reads the registry, and asks the engine who it is where a service needs one.
    ///
    /// An engine that is away is no error here: native services live without.
    pub(crate) async fn open(
        named: Option<&Path>,
        purpose: Purpose,
        cancel: &Cancel,
    ) -> Result<Self, ServiceError> {
        let connection = Connection::default();
        let registry = registry::load(named, &connection, cancel).await?;
        let contained = registry.services.values().any(|service| !service.is_native());
        let engine = if contained { connection.engine(cancel).await.ok() } else { None };
        let id = engine.map(|engine| engine.id.as_str());
        let places = Places::of(&registry.place, id, purpose)?;
        let (lookout, cancel) = (Lookout::default(), cancel.clone());
        Ok(Self { registry, connection, lookout, places, cancel })
    }

    /// The services of these names, each once; of no names, all.
    pub(crate) fn chosen(&self, names: &[String]) -> Result<Vec<String>, ServiceError> {
        if names.is_empty() {
            return Ok(self.registry.services.keys().cloned().collect());
        }
        let mut chosen: Vec<String> = Vec::new();
        for name in names {
            let service = self.registry.get(name)?;
            if !chosen.contains(&service.name) {
                chosen.push(service.name.clone());
            }
        }
        Ok(chosen)
    }

    /// The claim of who starts or stops a service.
    pub(crate) fn claim(&self, service: &Service) -> Claim {
        let lock = self.places.service(service).join("permit.lock");
        Claim::Service { name: service.name.clone(), lock }
    }

    /// The claim of who decides what runs on a GPU, by its UUID or, without one, its index.
    pub(crate) fn claim_gpu(&self, gpu: &str) -> Claim {
        Claim::Gpu { name: gpu.to_owned(), lock: self.places.gpu_lock(gpu) }
    }
}

impl Machine {
    /// What a service's processes hold of all GPUs now; none, where nobody measures.
    pub(crate) async fn held(&self, service: &Service, instance: &Instance) -> Option<Mebibytes> {
        let reading = self.lookout.look().await.ok()?;
        let cards = Cards::of(Ok(&reading), &Budget::Unsaid, []).ok()?;
        let members = [member(&cards, service, instance)];
        let measured = measured::measured(Some(&reading), &members, identity);
        measured.services.get(&service.name).map(Held::measured)
    }

    /// What is used now of the GPUs of a service, in MiB, by the GPU's index. `seen` says which
    /// these are.
    pub(crate) async fn used(&self, service: &Service, seen: &Seen) -> BTreeMap<String, u64> {
        let cards = seen.cards.chosen_for(service).unwrap_or_default();
        if cards.is_empty() || seen.cards.sight != Sight::Measured {
            return BTreeMap::new();
        }
        let Ok(reading) = self.lookout.look().await else { return BTreeMap::new() };
        let used = used_of(&reading);
        let of = |key: &str| used.get(key).copied();
        cards.iter().filter_map(|card| Some((card.shown.clone(), of(&card.key)?))).collect()
    }
}
