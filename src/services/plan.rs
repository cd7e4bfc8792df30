//! What has to be done for services to be there, and why: decided before anything is done. Pure.

mod way;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::error::ServiceError;
use super::journal::Verb;
use super::memory::card::Cards;
use super::memory::eviction::{self, Ask, Bar, Candidate};
use super::memory::fit::Share;
use super::memory::measured::Other;
use super::registry::Registry;
use super::service::{Sequence, Service};
use super::state::Life;
use crate::mebibytes::Mebibytes;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub verb: Verb,
    /// The services that are wanted, without those that they depend on.
    pub names: Vec<String>,
    /// The phase that wants them.
    pub phase: Option<u32>,
    /// Whether services as important, or more, may be stopped for them.
    pub preempt: bool,
    /// Whether one that runs with old settings is started anew.
    pub recreate: bool,
}

/// How a service is, as far as a plan depends on it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sight {
    pub life: Life,
    /// Whether its endpoint is content; asked of those that are wanted.
    pub healthy: bool,
    /// Whether it runs with other settings than it would be started with.
    pub stale: bool,
    /// Whether a stop of it began, and nobody is at it any more.
    pub half_stopped: bool,
    /// Whether it will not become healthy any more.
    pub overdue: bool,
    pub leased: bool,
    pub busy: bool,
    pub last_used: Option<Timestamp>,
    /// What it has of each GPU, by the GPU's key.
    pub shares: BTreeMap<String, Share>,
}

/// All that a plan depends on.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub registry: &'a Registry,
    pub sights: &'a BTreeMap<String, Sight>,
    pub cards: &'a Cards,
    /// Who holds memory and is no service of the registry.
    pub others: &'a [Other],
}

/// One step. They are done in this order, each only if the one before it succeeded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(crate) enum Step {
    /// It runs and is healthy.
    Reuse {
        service: String,
        stale: bool,
    },
    /// It runs and is not healthy yet.
    Await {
        service: String,
    },
    Stop {
        service: String,
        why: String,
        frees_mib: BTreeMap<String, u64>,
    },
    Start {
        service: String,
        needs_mib: BTreeMap<String, u64>,
        spare_mib: u64,
    },
}

impl Step {
    /// The service that it is about.
    pub(crate) fn service(&self) -> &str {
        match self {
            Self::Reuse { service, .. }
            | Self::Await { service }
            | Self::Stop { service, .. }
            | Self::Start { service, .. } => service,
        }
    }
}

/// Every step, and what is not certain about them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    /// The services that run and are stopped for a switch; brought back where that is wanted.
    #[serde(skip)]
    pub previous: Vec<String>,
}

impl Plan {
    /// Whether nothing has to be done.
    pub(crate) fn is_idle(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Reuse { .. }))
    }
}

/// Decides.
pub(crate) fn plan(wish: &Wish, view: &View<'_>) -> Result<Plan, ServiceError> {
    let runs = view.sights.iter().filter(|(_, sight)| sight.runs());
    let mut draft = Draft {
        wish,
        view,
        wanted: BTreeSet::new(),
        running: runs.map(|(name, _)| name.clone()).collect(),
        coming: Vec::new(),
        stops: Vec::new(),
    };
    let order = draft.order()?;
    if wish.verb == Verb::Switch {
        for name in &wish.names {
            draft.stop_previous(view.registry.get(name)?)?;
        }
    }
    let mut then = Vec::new();
    for service in &order {
        then.push(draft.bring(service)?);
    }
    let previous = draft.stops.iter().map(|stop| stop.service().to_owned());
    let previous = previous.filter(|name| !draft.wanted.contains(name)).collect();
    let steps = draft.stops.into_iter().chain(then).collect();
    Ok(Plan { steps, previous })
}

struct Draft<'a> {
    wish: &'a Wish,
    view: &'a View<'a>,
    /// What must run in the end.
    wanted: BTreeSet<String>,
    /// What runs, but for what the steps so far stop.
    running: BTreeSet<String>,
    /// What the steps so far start.
    coming: Vec<Candidate>,
    stops: Vec<Step>,
}

impl<'a> Draft<'a> {
    /// What must run in the end, each after what it needs. What is stopped because something that
    /// it needs is started anew, runs again afterwards.
    fn order(&mut self) -> Result<Vec<&'a Service>, ServiceError> {
        let registry = self.view.registry;
        let mut names: Vec<&'a str> = self.wish.names.iter().map(String::as_str).collect();
        loop {
            let order = registry.start_order(names.iter().copied())?;
            for service in &order {
                self.clear_the_way(service)?;
            }
            self.wanted = order.iter().map(|service| service.name.clone()).collect();
            let stopped = self.stops.iter().map(Step::service);
            let more = stopped.filter(|it| !self.wanted.contains(*it));
            let more: Vec<&Service> = more.map(|it| registry.get(it)).collect::<Result<_, _>>()?;
            if more.is_empty() {
                return Ok(order);
            }
            names.extend(more.into_iter().map(|service| service.name.as_str()));
        }
    }

    /// Stops what runs on the GPUs of a service that is switched to, as far as that may be stopped;
    /// what may not has to leave enough room.
    fn stop_previous(&mut self, service: &Service) -> Result<(), ServiceError> {
        if service.sequence == Sequence::SideBySide {
            return Ok(());
        }
        // Whatever it declares: a registry that says no `vram` has services that share GPUs too.
        let chosen = self.view.cards.chosen(&service.name, &service.gpus)?;
        let gpus = chosen.into_iter().map(|card| card.key.clone()).collect();
        let previous = self.running.iter().filter(|other| self.shares_a_gpu(&gpus, other));
        let previous: Vec<String> = previous.cloned().collect();
        for other in previous {
            let dependants = self.running_dependants(&other);
            let may = |it: &String| self.may_go_for(service, it);
            if !self.running.contains(&other) || !may(&other) || !dependants.iter().all(may) {
                continue;
            }
            for dependant in dependants {
                self.stop(&dependant, &format!("it needs `{other}`"));
            }
            self.stop(&other, &format!("`{}` takes its place", service.name));
        }
        Ok(())
    }

    /// Makes room for a service, where it does not run.
    fn bring(&mut self, service: &Service) -> Result<Step, ServiceError> {
        let name = service.name.clone();
        if self.running.contains(&name) {
            let sight = self.view.sights.get(&name);
            let stale = sight.is_some_and(|sight| sight.stale);
            let healthy = sight.is_some_and(|sight| sight.healthy);
            let reused = healthy.then(|| Step::Reuse { service: name.clone(), stale });
            return Ok(reused.unwrap_or(Step::Await { service: name }));
        }
        let ask = self.ask(service)?;
        let all: Vec<Candidate> =
            self.candidates(service).into_iter().chain(self.coming.iter().cloned()).collect();
        for victim in eviction::choose(&ask, &self.view.cards.all, &all, self.view.others)? {
            let why = if self.is_of_another_phase(&victim.name) {
                format!("{}, and not of this phase", frees(&victim.reason))
            } else {
                victim.reason
            };
            self.stop(&victim.name, &why);
        }
        let known = self.view.cards.all.iter().filter(|card| ask.gpus.contains(&card.key));
        let known = known.filter(|card| card.memory.is_some() && ask.need > Mebibytes(0));
        let needs_mib: BTreeMap<String, u64> =
            known.map(|card| (card.shown.clone(), ask.need.0)).collect();
        let spare_mib = if needs_mib.is_empty() { 0 } else { ask.headroom.0 };
        let share = Share { declared: ask.need, measured: Mebibytes(0) };
        self.coming.push(Candidate {
            name: name.clone(),
            priority: service.priority,
            pinned: false,
            leased: false,
            busy: false,
            leaving: false,
            last_used: None,
            shares: ask.gpus.iter().map(|gpu| (gpu.clone(), share)).collect(),
            dependants: BTreeSet::new(),
        });
        Ok(Step::Start { service: name, needs_mib, spare_mib })
    }

    fn ask(&self, service: &Service) -> Result<Ask, ServiceError> {
        Ok(Ask {
            name: service.name.clone(),
            need: service.need,
            headroom: self.view.registry.headroom.beside(service.need),
            gpus: self.gpus(service)?,
            priority: service.priority,
            bar: self.bar(),
            wanted: self.wanted.clone(),
        })
    }

    /// How important a service may be that is stopped for another.
    fn bar(&self) -> Bar {
        match self.wish.verb {
            _ if self.wish.preempt => Bar::Anybody,
            // Who says `switch` names what is to run; only what is more important than that stays.
            Verb::Switch => Bar::UpToEqual,
            _ => Bar::LowerOnly,
        }
    }

    fn gpus(&self, service: &Service) -> Result<BTreeSet<String>, ServiceError> {
        let chosen = self.view.cards.chosen_for(service)?;
        Ok(chosen.into_iter().map(|card| card.key.clone()).collect())
    }

    fn stop(&mut self, name: &str, why: &str) {
        if !self.running.remove(name) {
            return;
        }
        let shares = self.view.sights.get(name).map(|sight| &sight.shares);
        let cards = self.view.cards.all.iter();
        let frees = cards.filter_map(|card| {
            let held = shares?.get(&card.key)?.holds();
            (held.0 > 0).then(|| (card.shown.clone(), held.0))
        });
        let frees_mib = frees.collect();
        let (service, why) = (name.to_owned(), why.to_owned());
        self.stops.push(Step::Stop { service, why, frees_mib });
    }

    /// All that runs or ran until the steps so far.
    fn candidates(&self, asking: &Service) -> Vec<Candidate> {
        let runs = self.view.sights.iter().filter(|(_, sight)| sight.runs());
        let known =
            runs.filter_map(|(name, sight)| Some((self.view.registry.services.get(name)?, sight)));
        known
            .map(|(service, sight)| Candidate {
                name: service.name.clone(),
                // What another phase needs is in the way of this one, however important it is there.
                priority: if self.is_of_another_phase(&service.name) {
                    service.priority.min(asking.priority.saturating_sub(1))
                } else {
                    service.priority
                },
                pinned: service.pinned,
                leased: sight.leased,
                busy: sight.busy,
                leaving: !self.running.contains(&service.name),
                last_used: sight.last_used,
                shares: sight.shares.clone(),
                dependants: self.running_dependants(&service.name).into_iter().collect(),
            })
            .collect()
    }

    fn is_of_another_phase(&self, name: &str) -> bool {
        let service = self.view.registry.services.get(name);
        let phases = service.map(|service| &service.phases);
        self.wish.phase.is_some_and(|phase| {
            phases.is_some_and(|phases| !phases.is_empty() && !phases.contains(&phase))
        })
    }

    /// Whether a service that runs may be stopped for one that is switched to.
    fn may_go_for(&self, asking: &Service, name: &str) -> bool {
        let Some(service) = self.view.registry.services.get(name) else { return false };
        let leased = self.view.sights.get(name).is_some_and(|sight| sight.leased);
        let outranks = service.priority > asking.priority && !self.wish.preempt;
        !(self.wanted.contains(name) || service.pinned || leased || outranks)
    }

    /// The services that run and need this one, those that need others first.
    fn running_dependants(&self, name: &str) -> Vec<String> {
        let dependants = self.view.registry.dependants(name).into_iter();
        dependants.map(|it| it.name.clone()).filter(|it| self.running.contains(it)).collect()
    }

    /// Whether a service that runs uses one of these GPUs, by what the registry or the driver says.
    fn shares_a_gpu(&self, gpus: &BTreeSet<String>, other: &str) -> bool {
        let service = self.view.registry.services.get(other);
        let chosen = service.and_then(|service| self.view.cards.chosen(other, &service.gpus).ok());
        let shares = self.view.sights.get(other).map(|sight| &sight.shares);
        let mut holds = shares.into_iter().flatten().filter(|(_, share)| share.measured.0 > 0);
        chosen.into_iter().flatten().any(|card| gpus.contains(&card.key))
            || holds.any(|(gpu, _)| gpus.contains(gpu))
    }
}

/// What a victim's end frees, without its priority, which decided nothing.
fn frees(reason: &str) -> &str {
    reason.split(';').next().unwrap_or(reason)
}

impl Sight {
    /// Whether it can be used.
    pub(crate) fn runs_well(&self) -> bool {
        self.life == Life::Running && self.healthy
    }

    fn runs(&self) -> bool {
        !matches!(self.life, Life::Gone | Life::Unseen)
    }
}
