//! How everything is now: from docker, `/proc`, the GPUs and the services themselves, asked at
//! once and remembered by nobody.

mod ask;
mod glance;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::glance::Glance;
use super::container::{self, Looked};
use super::error::ServiceError;
use super::health::pulse::Pulse;
use super::holder::{Holder, Others};
use super::instance::Instance;
use super::machine::Machine;
use super::memory::card::{self, Cards, Sight};
use super::memory::eviction::{Ask, Bar};
use super::memory::measured::{self, Lives, Measured, Member};
use super::note;
use super::plan::{self, View};
use super::registry::{Budget, Registry};
use super::service::{GpuChoice, Service};
use super::state::{Doing, Life, Signs, State, Voice};
use super::word;
use crate::coordination::operation::Step;
use crate::coordination::resource::Resource;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::gpu::error::GpuError;
use crate::gpu::processes::identity;
use crate::gpu::reading::Reading;
use crate::mebibytes::Mebibytes;

/// Everything at one moment.
#[derive(Debug)]
pub(crate) struct Seen {
    services: BTreeMap<String, Glance>,
    sights: BTreeMap<String, plan::Sight>,
    pub cards: Cards,
    /// Why nothing is known of the GPUs, where something should be.
    pub trouble: Option<ServiceError>,
    measured: Measured,
    members: Vec<Member>,
    /// Used of each GPU, by whomever.
    used: BTreeMap<String, u64>,
    /// What could not be seen, and what follows from that.
    pub warnings: Vec<String>,
    /// The services as the ledger has them.
    resources: BTreeMap<String, Resource>,
    /// What others do.
    others: Others,
}

/// What a service that starts has to wait for.
#[derive(Debug)]
pub(crate) struct Room {
    pub sight: Sight,
    pub ask: Ask,
    /// Who has a share of the same GPUs meanwhile.
    pub staying: Vec<Member>,
}

impl Seen {
    /// Looks at these services, or at all, and asks those of `asked` how they are.
    pub(crate) async fn look(
        machine: &Machine,
        only: Option<&[String]>,
        asked: &[String],
    ) -> Result<Self, ServiceError> {
        let looked_at = |service: &&Service| only.is_none_or(|only| only.contains(&service.name));
        let services: Vec<&Service> =
            machine.registry.services.values().filter(looked_at).collect();
        let mut warnings = Vec::new();
        let (lives, reading) =
            tokio::join!(contained(machine, &services), read_gpus(machine, &services));
        let (engine, lives) = match lives {
            Ok((engine, lives)) => (engine, lives),
            Err(EngineError::Cancelled) => return Err(EngineError::Cancelled.into()),
            Err(error) => {
                let said = format!("services in containers can't be seen: {error}");
                // The registry has Compose services, and they were asked about before.
                if !machine.registry.warnings.contains(&said) {
                    warnings.push(said);
                }
                (None, BTreeMap::new())
            }
        };
        let others = match machine.others().await {
            Ok(others) => others,
            // Who is not seen may lease what would be stopped.
            Err(error) if machine.acts() => return Err(error.into()),
            Err(error) => {
                warnings.push(format!("who works on services can't be seen: {error}"));
                Others::default()
            }
        };
        let (mut glances, mut resources) = (BTreeMap::new(), BTreeMap::new());
        for service in &services {
            let life = lives.get(&service.name).and_then(Looked::life);
            resources.insert(service.name.clone(), machine.resource(service, life));
        }
        let is_done = |step: &Step| {
            let mut looked = lives.iter();
            looked.any(|(name, looked)| word::shows(looked, step, &resources[name]))
        };
        for service in &services {
            let mut glance = match (service.is_native(), lives.get(&service.name)) {
                (true, _) => glance::of_native(service, machine),
                (false, Some(looked)) => glance::of_container(engine, looked),
                (false, None) => Glance::nothing(Life::Unseen),
            };
            let resource = &resources[&service.name];
            glance.leases = others.leases(resource);
            glance.holder = others.holder(resource, is_done);
            glance.noted(note::read(&machine.places.service(service)), service);
            glances.insert(service.name.clone(), glance);
        }
        ask::ask(machine, &services, asked, &mut glances).await;
        let seen = Self::of(machine, glances, reading.as_ref(), warnings)?;
        Ok(Self { resources, others, ..seen })
    }

    fn of(
        machine: &Machine,
        services: BTreeMap<String, Glance>,
        reading: Result<&Reading, &GpuError>,
        mut warnings: Vec<String>,
    ) -> Result<Self, ServiceError> {
        let registry = &machine.registry;
        let choices = || registry.services.values().map(|service| &service.gpus);
        let (cards, trouble) = match Cards::of(reading, &registry.budget, choices()) {
            Ok(cards) => (cards, None),
            Err(error) => {
                warnings.push(format!("the GPUs can't be seen: {error}"));
                let blind = Cards::of(Err(&GpuError::NoGpu), &Budget::Unsaid, choices())?;
                (blind, Some(error))
            }
        };
        if let (Sight::Nothing, Err(error), None) = (cards.sight, reading, &trouble)
            && registry.services.values().any(|service| service.need > Mebibytes(0))
        {
            warnings.push(format!(
                "{error}: nobody checks whether there is enough GPU memory; `vram_total` in the \
                 registry says how much there is"
            ));
        }
        let mut members = Vec::new();
        for (name, glance) in &services {
            let Some(instance) = &glance.instance else { continue };
            members.push(member(&cards, registry.get(name)?, instance));
        }
        let measured = measured::measured(reading.ok(), &members, identity);
        let sights = services.iter().map(|(name, glance)| {
            let service = registry.services.get(name);
            let folder = service.map(|service| machine.places.service(service));
            let held = measured.services.get(name);
            let sight = plan::Sight {
                life: glance.life,
                healthy: glance.is_healthy(),
                stale: glance.stale,
                overdue: service.is_some_and(|service| glance.is_overdue(service)),
                half_stopped: glance.note.doing == Some(note::Doing::Stopping),
                leased: !glance.leases.is_empty(),
                busy: held.is_some_and(|held| held.computes),
                last_used: folder.and_then(|folder| note::last_used(&folder)),
                shares: held.map(|held| held.shares.clone()).unwrap_or_default(),
            };
            (name.clone(), sight)
        });
        let sights = sights.collect();
        let used = reading.ok().map(used_of).unwrap_or_default();
        let (resources, others) = (BTreeMap::new(), Others::default());
        Ok(Self {
            services,
            sights,
            cards,
            trouble,
            measured,
            members,
            used,
            warnings,
            resources,
            others,
        })
    }

    /// What a plan needs of it.
    pub(crate) fn view<'a>(&'a self, registry: &'a Registry) -> View<'a> {
        let others = &self.measured.others;
        View { registry, sights: &self.sights, cards: &self.cards, others }
    }

    /// The services as the ledger has them, by their names.
    pub(crate) fn resources(&self) -> &BTreeMap<String, Resource> {
        &self.resources
    }

    /// What others do.
    pub(crate) fn others_at_work(&self) -> &Others {
        &self.others
    }

    /// One service; none, if it was not looked at.
    pub(crate) fn glance(&self, name: &str) -> Option<&Glance> {
        self.services.get(name)
    }

    /// Why nobody knows how a service is.
    pub(crate) fn unseen(&self, service: &Service) -> ServiceError {
        let name = service.name.clone();
        match self.glance(&name).and_then(|glance| glance.detail.clone()) {
            Some(why) => ServiceError::Unusable { name, state: "unknown", why },
            None => ServiceError::EngineAway { name },
        }
    }

    /// What a plan knows of one service.
    pub(crate) fn sight(&self, name: &str) -> Option<&plan::Sight> {
        self.sights.get(name)
    }

    /// What runs of a service.
    pub(crate) fn instance(&self, name: &str) -> Option<&Instance> {
        self.services.get(name)?.instance.as_ref()
    }

    /// What docker or `/proc` says of a service.
    pub(crate) fn life(&self, name: &str) -> Life {
        self.services.get(name).map_or(Life::Unseen, |glance| glance.life)
    }

    /// Who leases a service.
    pub(crate) fn leases(&self, name: &str) -> Vec<String> {
        let leases = self.services.get(name).map(|glance| glance.leases.as_slice());
        leases.unwrap_or_default().iter().map(Holder::to_string).collect()
    }

    /// Who holds GPU memory and is no service of the registry.
    pub(crate) fn others(&self) -> &[measured::Other] {
        &self.measured.others
    }

    /// What a service uses of each of its GPUs, in MiB, by the GPU's index; none, where nobody
    /// measures.
    pub(crate) fn held(&self, service: &Service) -> Option<BTreeMap<String, u64>> {
        if self.cards.sight != Sight::Measured {
            return None;
        }
        let shares = self.measured.services.get(&service.name).map(|held| &held.shares);
        let held = self.cards.all.iter().filter_map(|card| {
            let share = shares?.get(&card.key)?;
            Some((card.shown.clone(), share.measured.0))
        });
        Some(held.collect())
    }

    /// What is used of the GPUs of a service, by whomever, in MiB, by the GPU's index.
    pub(crate) fn used(&self, service: &Service) -> BTreeMap<String, u64> {
        let cards = self.cards.chosen_for(service).unwrap_or_default();
        let used = |key: &str| self.used.get(key).copied();
        cards.iter().filter_map(|card| Some((card.shown.clone(), used(&card.key)?))).collect()
    }

    /// The GPUs that a service uses, as claims name them.
    pub(crate) fn gpus_of(&self, service: &Service) -> Vec<String> {
        let cards = self.cards.chosen(&service.name, &service.gpus).unwrap_or_default();
        cards.iter().map(|card| card.key.clone()).collect()
    }

    /// The room that a service waits for before it starts, where `stopped` runs no more and
    /// `started` does; none, where it needs none.
    pub(crate) fn room_for(
        &self,
        service: &Service,
        headroom: Mebibytes,
        stopped: &[String],
        started: &[(&Service, &Instance)],
    ) -> Result<Option<Room>, ServiceError> {
        if service.need == Mebibytes(0) {
            return Ok(None);
        }
        let stays = |member: &&Member| !stopped.contains(&member.name);
        let new = started.iter().map(|(service, instance)| member(&self.cards, service, instance));
        let chosen = self.cards.chosen_for(service)?;
        Ok(Some(Room {
            sight: self.cards.sight,
            ask: Ask {
                name: service.name.clone(),
                need: service.need,
                headroom,
                gpus: chosen.into_iter().map(|card| card.key.clone()).collect(),
                priority: service.priority,
                bar: Bar::LowerOnly,
                wanted: BTreeSet::new(),
            },
            staying: self.members.iter().filter(stays).cloned().chain(new).collect(),
        }))
    }

    /// The word for how a service is.
    pub(crate) fn state(&self, service: &Service) -> State {
        let Some(glance) = self.services.get(&service.name) else { return State::Unknown };
        let doing = match (&glance.holder, glance.note.doing) {
            (Some(_), Some(note::Doing::Starting)) => Doing::Starting,
            (Some(_), Some(note::Doing::Stopping)) => Doing::Stopping,
            _ => Doing::Nothing,
        };
        let voice = match (&glance.pulse, glance.checked) {
            (None, None) => Voice::None,
            (Some(Pulse::Unprobed), None) if glance.is_proven => Voice::None,
            _ if glance.is_healthy() => Voice::Healthy,
            _ => Voice::NotYet,
        };
        let busy = self.sights.get(&service.name).is_some_and(|sight| sight.busy || sight.leased);
        State::of(Signs {
            life: glance.life,
            voice,
            doing,
            used: busy,
            // One that answers and was never asked by `ready` may do its work.
            overdue: glance.is_late(service).unwrap_or(true)
                && (glance.in_vain || glance.pulse != Some(Pulse::Healthy)),
            failed: glance.note.failed.is_some(),
        })
    }
}

pub(super) fn member(cards: &Cards, service: &Service, instance: &Instance) -> Member {
    // What is wrong with the GPUs of one that runs is no reason not to see the others.
    let gpus = cards.chosen_for(service).unwrap_or_default();
    Member {
        name: service.name.clone(),
        need: service.need,
        gpus: gpus.into_iter().map(|card| card.key.clone()).collect(),
        lives: match instance {
            Instance::Container(container) => Lives::Container(container.id.clone()),
            Instance::Native(native) => {
                Lives::Processes(native.pids().unwrap_or_default().into_iter().collect())
            }
        },
    }
}

async fn contained<'m>(
    machine: &'m Machine,
    services: &[&Service],
) -> Result<(Option<&'m Engine>, BTreeMap<String, Looked>), EngineError> {
    if services.iter().all(|service| service.is_native()) {
        return Ok((None, BTreeMap::new()));
    }
    let engine = machine.connection.engine(&machine.cancel).await?;
    let lives = container::look(engine, services.iter().copied(), &machine.cancel).await?;
    Ok((Some(engine), lives))
}

/// A look at the GPUs, where one of the services uses any.
async fn read_gpus(machine: &Machine, services: &[&Service]) -> Result<Reading, GpuError> {
    let none = GpuChoice::Named(Vec::new());
    if services.iter().all(|service| service.gpus == none) {
        return Err(GpuError::NoGpu);
    }
    machine.lookout.look().await
}

/// Used of each GPU, in MiB, by its key.
pub(super) fn used_of(reading: &Reading) -> BTreeMap<String, u64> {
    let used = reading.gpus.iter().filter_map(|gpu| Some((card::key(gpu), gpu.memory?.used.0)));
    used.collect()
}
