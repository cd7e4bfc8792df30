//! The Compose services of a registry: what Compose says of them, and the keys below their `x-lem`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::check::Refusal;
use super::x_lem;
use crate::cancel::Cancel;
use crate::engine::compose::{ComposeProgram, Project};
use crate::engine::devices::Gpus;
use crate::engine::error::EngineError;
use crate::engine::files::{self, FilesError};
use crate::engine::lem_keys;
use crate::engine::process::ask;
use crate::engine::resolved::{self, Resolved};
use crate::services::connection::Connection;
use crate::services::error::ServiceError;
use crate::services::service::{GpuChoice, Kind, Service};
use crate::yaml::{self, keys};

/// The Compose project of a registry.
#[derive(Debug)]
pub(super) struct Composed {
    /// Named, if Compose was asked.
    pub project: Project,
    /// What Compose made of the files; none where there is nobody to ask.
    pub resolved: Option<Resolved>,
    /// Why there is nobody to ask.
    pub why_unasked: Option<EngineError>,
}

/// The project as far as its files are concerned.
pub(super) fn unasked(
    named: &[PathBuf],
    name: Option<&str>,
    base: &Path,
) -> Result<Project, FilesError> {
    files::project(ComposeProgram::Plugin { docker: "docker".into() }, named, name, base)
}

/// Asks Compose what the files of the project say.
pub(super) async fn ask_compose(
    mut project: Project,
    connection: &Connection,
    cancel: &Cancel,
) -> Result<Composed, ServiceError> {
    if let Some(error) = x_lem::typo(&project.files) {
        return Err(error);
    }
    let engine = match connection.engine(cancel).await {
        Ok(engine) => engine,
        Err(EngineError::Cancelled) => return Err(EngineError::Cancelled.into()),
        Err(error) => {
            project.name = None;
            return Ok(Composed { project, resolved: None, why_unasked: Some(error) });
        }
    };
    project.compose = engine.compose.clone();
    let text = match ask(&project.config(), cancel).await {
        Err(EngineError::Failed { complaint, .. }) => {
            let files = project.files.iter().map(|file| format!("`{}`", file.display()));
            let files = files.collect::<Vec<_>>().join(", ");
            return Err(ServiceError::ComposeFileBroken { files, complaint });
        }
        other => other?,
    };
    let resolved = resolved::parse(&text)?;
    project.name.get_or_insert_with(|| resolved.name.clone());
    Ok(Composed { project, resolved: Some(resolved), why_unasked: None })
}

/// Whether services of these files may have keys of ours. What another file brings in is not read
/// here: where there is one, they may.
pub(super) fn may_have_services(files: &[PathBuf]) -> bool {
    files.iter().any(|file| match yaml::read::<Value>(file) {
        Ok(all) => {
            let services = all.get("services").and_then(Value::as_object).into_iter().flatten();
            let mut services = services.map(|(_, service)| service);
            all.get("include").is_some()
                || services.any(|it| it.get("extends").is_some() || !written(it).is_empty())
        }
        Err(_) => true,
    })
}

fn written(service: &Value) -> Map<String, Value> {
    service.get("x-lem").map(lem_keys::of_service).unwrap_or_default()
}

impl Composed {
    /// The keys below `x-lem`, by Compose service; as they are written, where Compose can't be asked.
    pub(super) fn gpu_services(&self) -> BTreeMap<String, Value> {
        if let Some(resolved) = &self.resolved {
            let all = resolved.services.iter();
            let keys = all.map(|(name, service)| (name.clone(), service.gpu_service()));
            return keys
                .filter(|(_, keys)| keys.as_object().is_some_and(|it| !it.is_empty()))
                .collect();
        }
        let mut found: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for all in self.project.files.iter().filter_map(|file| yaml::read::<Value>(file).ok()) {
            for (name, service) in
                all.get("services").and_then(Value::as_object).into_iter().flatten()
            {
                let keys = written(service);
                if !keys.is_empty() {
                    found.entry(name.clone()).or_default().extend(keys);
                }
            }
        }
        found.into_iter().map(|(name, keys)| (name, Value::Object(keys))).collect()
    }

    /// The GPUs that the file gives a service.
    pub(super) fn gpus(&self, service: &str) -> Option<GpuChoice> {
        match self.resolved.as_ref()?.services.get(service)?.gpus() {
            Gpus::All => Some(GpuChoice::All),
            Gpus::Named(names) => Some(GpuChoice::Named(names)),
            Gpus::Unsaid | Gpus::None => None,
        }
    }

    /// Of the Compose services `among` those that `service` needs, by way of others or not.
    pub(super) fn dependencies(&self, service: &str, among: &BTreeSet<&str>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let (mut open, mut seen) = (vec![service.to_owned()], BTreeSet::new());
        while let Some(name) = open.pop() {
            let resolved = self.resolved.as_ref().and_then(|all| all.services.get(&name));
            for (other, _) in resolved.into_iter().flat_map(resolved::Service::dependencies) {
                if among.contains(other) {
                    found.insert(other.to_owned());
                } else if seen.insert(other.to_owned()) {
                    open.push(other.to_owned());
                }
            }
        }
        found
    }
}

/// A project without files, for registries that have no Compose services.
pub(super) fn nowhere() -> Project {
    Project {
        compose: ComposeProgram::Plugin { docker: "docker".into() },
        name: None,
        files: Vec::new(),
        env_files: Vec::new(),
        profiles: Vec::new(),
        directory: "/".into(),
    }
}

/// Whether the Compose file has the service.
pub(super) fn exists(service: &Service, composed: Option<&Composed>) -> Result<(), Refusal> {
    let Kind::Compose(compose) = &service.kind else { return Ok(()) };
    let Some(resolved) = composed.and_then(|it| it.resolved.as_ref()) else { return Ok(()) };
    if resolved.services.contains_key(&compose.service) {
        return Ok(());
    }
    let known: Vec<&str> = resolved.services.keys().map(String::as_str).collect();
    let hint = match keys::nearest(&compose.service, &known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("its services: {}", known.join(", ")),
    };
    let files = compose.project.files.iter().map(|file| file.display().to_string());
    let files = files.collect::<Vec<_>>().join(", ");
    let reason = format!("{files} has no service `{}`; {hint}", compose.service);
    Err(Refusal { key: "service", reason })
}

/// What a Compose service waits for is a dependency here too, if it is a service here.
pub(super) fn depend_as_in_compose(
    services: &mut BTreeMap<String, Service>,
    composed: Option<&Composed>,
) {
    let Some(composed) = composed else { return };
    let names: BTreeMap<String, String> = services
        .values()
        .filter_map(|service| match &service.kind {
            Kind::Compose(compose) => Some((compose.service.clone(), service.name.clone())),
            Kind::Container { .. } | Kind::Native(_) => None,
        })
        .collect();
    let among: BTreeSet<&str> = names.keys().map(String::as_str).collect();
    for (own, name) in &names {
        let needs = composed.dependencies(own, &among);
        let needs = needs.iter().filter_map(|need| names.get(need)).cloned();
        if let Some(service) = services.get_mut(name) {
            service.depends_on.extend(needs);
        }
    }
}

/// The names that the Compose file gives containers, by Compose service.
pub(super) fn containers(composed: Option<&Composed>) -> BTreeMap<String, String> {
    let resolved = composed.and_then(|it| it.resolved.as_ref());
    let services = resolved.into_iter().flat_map(|resolved| &resolved.services);
    services
        .filter_map(|(name, service)| Some((name.clone(), service.container_name.clone()?)))
        .collect()
}
