//! The services of a Compose project: what they are called, what they need, and what Compose does
//! to others when it does something to one. Pure.
//!
//! 2026-11-21: tried with Compose 2.26. `start` and `up` start what a service needs, and what that
//! needs; `restart` restarts whatever is to be restarted with it (`depends_on: {…: {restart:
//! true}}`), and what is to be restarted with that. An `up` also makes anew what a service needs
//! whose settings have changed; a start claims enough to keep everybody away from that too.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::coordination::kind::Kind;
use crate::coordination::ledger::Known;
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::Resource;
use crate::engine::labelled::Labelled;
use crate::engine::resolved::Resolved;

/// A project, as far as names go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProjectNames {
    pub(super) name: String,
    pub(super) services: BTreeMap<String, ServiceNames>,
}

/// A service of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServiceNames {
    /// The containers that are known to be its own.
    pub(super) containers: Vec<String>,
    /// What it needs, and whether it is restarted with each.
    pub(super) needs: Vec<(String, bool)>,
    pub(super) ports: Vec<u16>,
}

impl ProjectNames {
    /// As its files have it.
    pub(super) fn of_files(resolved: &Resolved) -> Self {
        let services = resolved.services.iter().map(|(name, service)| {
            let needs = service.needs().map(|(need, restart)| (need.to_owned(), restart));
            let names = ServiceNames {
                containers: service.container_name.iter().cloned().collect(),
                needs: needs.collect(),
                ports: service.published(),
            };
            (name.clone(), names)
        });
        Self { name: resolved.name.clone(), services: services.collect() }
    }

    /// As its containers have it.
    pub(super) fn of_containers(project: &str, containers: &[Labelled]) -> Self {
        let mut services: BTreeMap<String, ServiceNames> = BTreeMap::new();
        for container in containers {
            let Some((_, service)) = container.service.as_ref().filter(|(of, _)| of == project)
            else {
                continue;
            };
            let names = services.entry(service.clone()).or_default();
            names.containers.push(container.name.clone());
            names.needs.clone_from(&container.needs);
            names.ports.extend(&container.ports);
        }
        Self { name: project.to_owned(), services }
    }

    /// The service of this name, or that a container of this name is of.
    pub(super) fn service_called(&self, name: &str) -> Option<&str> {
        if let Some((service, _)) = self.services.get_key_value(name) {
            return Some(service);
        }
        let is_numbered = |service: &str| {
            let rest = name.strip_prefix(&self.name)?.strip_prefix('-')?;
            let number = rest.strip_prefix(service)?.strip_prefix('-')?;
            (!number.is_empty() && number.chars().all(|c| c.is_ascii_digit())).then_some(())
        };
        let is_it = |(service, names): &(&String, &ServiceNames)| {
            names.containers.iter().any(|it| it == name) || is_numbered(service).is_some()
        };
        self.services.iter().find(is_it).map(|(service, _)| service.as_str())
    }

    /// For the ledger.
    pub(super) fn known(&self, engine: &str, source: &str) -> Vec<Known> {
        let resource = |service: &str| Resource::service(engine, &self.name, service);
        let known = |(service, names): (&String, &ServiceNames)| Known {
            resource: resource(service),
            names: names.containers.clone(),
            ports: names.ports.clone(),
            needs: Some(names.needs.iter().map(|(need, _)| resource(need)).collect()),
            source: source.to_owned(),
        };
        self.services.iter().map(known).collect()
    }

    /// What Compose does to others when it does this to a service.
    pub(super) fn implied(&self, engine: &str, service: &str, kind: Kind) -> Vec<Part> {
        let (others, kind) = match kind {
            Kind::Start | Kind::Deploy => (self.reached(service, Self::needed), Kind::Start),
            Kind::Restart => (self.reached(service, Self::restarted_with), Kind::Restart),
            Kind::Read | Kind::Config | Kind::Stop | Kind::Scale | Kind::Health => {
                return Vec::new();
            }
        };
        let part = |other: &str| {
            let resource = Resource::service(engine, &self.name, other);
            Part::implied(resource, Act::Kind(kind))
        };
        others.into_iter().map(part).collect()
    }

    fn needed<'a>(&'a self, service: &str) -> Vec<&'a str> {
        let names = self.services.get(service);
        names.into_iter().flat_map(|it| &it.needs).map(|(need, _)| need.as_str()).collect()
    }

    fn restarted_with<'a>(&'a self, service: &str) -> Vec<&'a str> {
        let is_restarted = |names: &ServiceNames| {
            names.needs.iter().any(|(need, restart)| need == service && *restart)
        };
        let those = self.services.iter().filter(|(_, names)| is_restarted(names));
        those.map(|(name, _)| name.as_str()).collect()
    }

    /// All that is reached from a service, step by step, without it.
    fn reached<'a>(
        &'a self,
        service: &'a str,
        next: impl Fn(&'a Self, &str) -> Vec<&'a str>,
    ) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut edge = vec![service];
        while let Some(at) = edge.pop() {
            edge.extend(next(self, at).into_iter().filter(|it| reached.insert(*it)));
        }
        reached.remove(service);
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> ProjectNames {
        let service = |needs: &[(&str, bool)]| ServiceNames {
            needs: needs.iter().map(|(need, restart)| ((*need).to_owned(), *restart)).collect(),
            ..ServiceNames::default()
        };
        let services = [
            ("db", service(&[])),
            ("api", service(&[("db", true)])),
            ("web", service(&[("api", true)])),
            ("worker", service(&[("db", false)])),
        ];
        let services = services.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        ProjectNames { name: "shop".to_owned(), services }
    }

    #[test]
    fn what_compose_does_to_others_is_claimed_with_what_it_is_asked_to_do() {
        let implied = |service, kind| {
            let parts = shop().implied("E", service, kind);
            parts.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(implied("web", Kind::Deploy), ["start shop/api", "start shop/db"]);
        assert_eq!(implied("db", Kind::Restart), ["restart shop/api", "restart shop/web"]);
        assert_eq!(implied("web", Kind::Restart), [""; 0]);
        assert_eq!(implied("web", Kind::Stop), [""; 0]);
    }

    #[test]
    fn a_container_leads_to_its_service_by_its_number_too() {
        let mut shop = shop();
        shop.services.entry("web".to_owned()).or_default().containers.push("front".to_owned());
        let called = |name: &str| shop.service_called(name).map(str::to_owned);
        assert_eq!(called("web").as_deref(), Some("web"));
        assert_eq!(called("front").as_deref(), Some("web"));
        assert_eq!(called("shop-worker-2").as_deref(), Some("worker"));
        assert_eq!((called("shop-worker-x"), called("shop-worker-")), (None, None));
    }
}
