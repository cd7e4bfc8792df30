//! This machine, as the services of one registry need it: engine, GPUs, folders.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::connection::Connection;
use super::error::ServiceError;
use super::holder::Others;
use super::instance::Instance;
use super::look::{Seen, member, used_of};
use super::memory::card::{Cards, Sight};
use super::memory::measured::{self, Held};
use super::place::{Places, Purpose};
use super::registry::{self, Budget, Registry};
use super::service::{Kind, Service};
use crate::cancel::{Cancel, Raise};
use crate::coordination::agent::{self, Agent, name_of};
use crate::coordination::asking;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Place;
use crate::coordination::operation::{OperationId, Priority};
use crate::coordination::resource::Resource;
use crate::engine::life::Life;
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
    /// For somebody else who wants the end of what is done.
    pub raise: Arc<Raise>,
    pub asks: Asks,
    ledger: Place,
    /// The engine's id, where one is known.
    engine: Option<String>,
    agent: OnceCell<Arc<Agent>>,
    purpose: Purpose,
}

/// How a command asks for its operations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asks {
    /// Who asks, where somebody says so.
    pub agent: Option<String>,
    pub priority: Priority,
    pub reason: Option<String>,
    /// What the services are used for.
    pub command: Option<String>,
}

impl Machine {
    /// Reads the registry, and asks the engine who it is where a service needs one.
    ///
    /// An engine that is away is no error here: native services live without.
    pub(crate) async fn open(
        named: Option<&Path>,
        ledger: Place,
        purpose: Purpose,
        cancel: &Cancel,
    ) -> Result<Self, ServiceError> {
        let (raise, cancel) = cancel.with_own();
        let cancel = &cancel;
        let connection = Connection::default();
        let registry = registry::load(named, &connection, cancel).await?;
        let contained = registry.services.values().any(|service| !service.is_native());
        let engine = if contained { connection.engine(cancel).await.ok() } else { None };
        let engine = engine.map(|engine| engine.id.clone());
        let places = Places::of(&registry.place, engine.as_deref(), purpose)?;
        let (lookout, cancel, agent) = (Lookout::default(), cancel.clone(), OnceCell::new());
        let asks = Asks::default();
        Ok(Self {
            registry,
            connection,
            lookout,
            places,
            cancel,
            raise,
            asks,
            ledger,
            engine,
            agent,
            purpose,
        })
    }

    /// The same, asking in this way.
    pub(crate) fn asking(self, asks: Asks) -> Self {
        Self { asks, ..self }
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

    /// A service as the ledger has it. `life` is that of its container, whose labels say whether
    /// it is of a Compose service, by whatever name it was found.
    pub(crate) fn resource(&self, service: &Service, life: Option<&Life>) -> Resource {
        // Where the engine is away, nothing is done to its containers.
        let engine = self.engine.as_deref().unwrap_or("unknown");
        match (&service.kind, life.and_then(|life| life.service.as_ref())) {
            (Kind::Native(_), _) => {
                Resource::native(&self.places.registry().to_string_lossy(), &service.name)
            }
            (Kind::Compose(compose), _) => {
                let project = compose.project.name.as_deref().unwrap_or_default();
                Resource::service(engine, project, &compose.service)
            }
            (Kind::Container { .. }, Some((project, service))) => {
                Resource::service(engine, project, service)
            }
            (Kind::Container { name }, None) => Resource::container(engine, name),
        }
    }

    /// Whether something is done after a look.
    pub(crate) fn acts(&self) -> bool {
        self.purpose == Purpose::Acting
    }

    /// This command as one that acts; it becomes one when it first needs to.
    pub(crate) async fn agent(&self) -> Result<&Arc<Agent>, CoordinationError> {
        let open = || Agent::open(self.asks.agent.as_deref(), &self.ledger);
        self.agent.get_or_try_init(open).await
    }

    /// Finds out whether this command is part of an operation.
    pub(crate) async fn join(&self) -> Result<(), CoordinationError> {
        if std::env::var_os(agent::OPERATION).is_some() {
            self.agent().await?;
        }
        Ok(())
    }

    /// The operation that this command is part of, once it has joined it or acts.
    pub(crate) fn parent(&self) -> Option<OperationId> {
        self.agent.get().and_then(|agent| agent.parent())
    }

    /// The name of who acts.
    pub(crate) fn agent_name(&self) -> String {
        name_of(self.asks.agent.as_deref())
    }

    /// What others do now. Takes no claim, and makes no ledger.
    pub(crate) async fn others(&self) -> Result<Others, CoordinationError> {
        if let Some(agent) = self.agent.get() {
            return agent.call(|ledger, _| ledger.snapshot()).await.map(|it| Others::new(Some(it)));
        }
        Ok(Others::new(asking::look(self.ledger.clone()).await?))
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
