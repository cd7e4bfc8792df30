//! What makes no sense of several services together.

use std::collections::BTreeMap;

use super::check::{Refusal, endpoint};
use super::order::start_order;
use super::source::Source;
use crate::services::error::ServiceError;
use crate::services::service::{Kind, Service};
use crate::yaml::keys::nearest;

/// Checks the services; `containers` are the names that the Compose file gives containers of
/// Compose services.
pub(super) fn check(
    services: &BTreeMap<String, Service>,
    sources: &BTreeMap<String, Source>,
    containers: &BTreeMap<String, String>,
) -> Result<(), ServiceError> {
    let refuse = |name: &str, key: &'static str, reason: String| match sources.get(name) {
        Some(source) => Err(source.refused(name, Refusal { key, reason })),
        None => Ok(()),
    };
    let mut taken: BTreeMap<(&'static str, String), &str> = BTreeMap::new();
    for (name, service) in services {
        for (key, what) in takes(service, containers) {
            if let Some(other) = taken.insert((what.0, what.1.clone()), name) {
                let place = sources.get(other).map(Source::place).unwrap_or_default();
                let reason = format!("{} `{}` is taken by `{other}` ({place})", what.0, what.1);
                return refuse(name, key, reason);
            }
        }
    }
    let known: Vec<&str> = services.keys().map(String::as_str).collect();
    for (name, service) in services {
        if let Some(other) = service.depends_on.iter().find(|other| !services.contains_key(*other))
        {
            let hint = match nearest(other, &known) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("services: {}", known.join(", ")),
            };
            return refuse(name, "depends_on", format!("there is no service `{other}`; {hint}"));
        }
    }
    match start_order(services, known) {
        Ok(_) => Ok(()),
        Err(names) => Err(ServiceError::Cycle { names }),
    }
}

/// What no two services can have, with the key that says it.
fn takes(
    service: &Service,
    containers: &BTreeMap<String, String>,
) -> Vec<(&'static str, (&'static str, String))> {
    let mut takes = Vec::new();
    match &service.kind {
        Kind::Compose(compose) => {
            takes.push(("service", ("the Compose service", compose.service.clone())));
            if let Some(container) = containers.get(&compose.service) {
                takes.push(("service", ("the container", container.clone())));
            }
        }
        Kind::Container { name } => {
            takes.push(("container_name", ("the container", name.clone())));
        }
        Kind::Native(native) => {
            let file = native.pid_file.as_ref().map(|path| path.display().to_string());
            takes.extend(file.map(|path| ("pid_file", ("the file", path))));
        }
    }
    if let Some((host, port)) = service.health.probe.as_ref().and_then(endpoint) {
        takes.push(("health.url", ("the address", format!("{host}:{port}"))));
    }
    takes
}
