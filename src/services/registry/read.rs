//! From files to a registry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::{self, Around, Refusal, plain};
use super::compose::{self, Composed};
use super::file::RegistryFile;
use super::keys::ServiceKeys;
use super::room::{Budget, Headroom};
use super::search::{self, Found};
use super::source::{Source, Text};
use super::{Registry, cross, x_lem};
use crate::cancel::Cancel;
use crate::engine::compose::Project;
use crate::engine::resolved;
use crate::services::connection::Connection;
use crate::services::error::ServiceError;
use crate::services::memory::recovery;
use crate::services::service::GpuChoice;
use crate::yaml::{keys, regular};

/// Reads and checks the registry: the one that is named, or the one that is found.
///
/// Docker is asked only where there are Compose services; where it can't be, these have no project
/// name, and the others are as usable as ever.
///
/// # Errors
/// There is no registry, or something in it makes no sense.
pub(crate) async fn load(
    named: Option<&Path>,
    connection: &Connection,
    cancel: &Cancel,
) -> Result<Registry, ServiceError> {
    let written = Written::read(search::find(named)?)?;
    let composed = match written.project()? {
        Some(project) => Some(compose::ask_compose(project, connection, cancel).await?),
        None => None,
    };
    written.registry(composed.as_ref())
}

/// The same of text that came from `path`; its Compose services are left as they are.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse(path: &Path, text: &str) -> Result<Registry, ServiceError> {
    Written::of(path.to_owned(), text, None)?.registry(None)
}

/// What the files say before Compose is asked.
struct Written {
    place: PathBuf,
    base: PathBuf,
    file: RegistryFile,
    text: Text,
    /// The Compose files, where they are the registry.
    compose: Option<Vec<PathBuf>>,
}

/// The keys of a service, and where they are.
type Entries = BTreeMap<String, (ServiceKeys, Source)>;

impl Written {
    fn read(found: Found) -> Result<Self, ServiceError> {
        let (place, compose) = match found {
            Found::File(path) => (path, None),
            Found::Compose(files) => (files.first().cloned().unwrap_or_default(), Some(files)),
        };
        let text = regular::of_file(&place)?;
        Self::of(place, &text, compose)
    }

    fn of(place: PathBuf, text: &str, compose: Option<Vec<PathBuf>>) -> Result<Self, ServiceError> {
        let base = place.parent().unwrap_or(Path::new("/")).to_owned();
        let file = match compose {
            None => keys::parse::<RegistryFile>(&place, text)?,
            Some(_) => RegistryFile::default(),
        };
        Ok(Self { file, base, text: Text::of(&place, text), compose, place })
    }

    /// The Compose project, where services live in one.
    fn project(&self) -> Result<Option<Project>, ServiceError> {
        let name = self.file.project.as_deref();
        if let Some(files) = &self.compose {
            return Ok(Some(compose::unasked(files, name, &self.base)?));
        }
        let named: Vec<PathBuf> = self
            .file
            .compose
            .iter()
            .flat_map(|files| &files.0)
            .map(|f| self.base.join(f))
            .collect();
        let project = compose::unasked(&named, name, &self.base);
        let has_service = self.file.services.values().any(|keys| keys.service.is_some());
        if has_service || !named.is_empty() {
            let project = project?;
            let needed = has_service || compose::may_have_services(&project.files);
            return Ok(needed.then_some(project));
        }
        // One that nobody named and no service needs counts if it is beside the registry.
        let beside = |project: &Project| {
            project.directory == self.base && compose::may_have_services(&project.files)
        };
        Ok(project.ok().filter(beside))
    }

    fn registry(self, composed: Option<&Composed>) -> Result<Registry, ServiceError> {
        let (mut warnings, mut remarks) = (Vec::new(), Vec::new());
        let (defaults, budget) = (self.defaults()?, self.budget()?);
        let entries = self.entries(composed, &mut warnings)?;
        if entries.is_empty() {
            return Err(ServiceError::SenselessFile {
                place: self.place.display().to_string(),
                key: "services".to_owned(),
                reason: "there is none".to_owned(),
            });
        }
        let (mut services, mut sources) = (BTreeMap::new(), BTreeMap::new());
        for (name, (keys, source)) in entries {
            let compose_name = keys.service.clone().unwrap_or_default();
            let resolved =
                composed.and_then(|it| it.resolved.as_ref()?.services.get(&compose_name));
            let around = Around {
                defaults: defaults.clone(),
                project: composed.map_or_else(compose::nowhere, |it| it.project.clone()),
                gpus: composed.and_then(|it| it.gpus(&compose_name)),
                grace: resolved.and_then(resolved::Service::stop_grace),
            };
            let says_vram = keys.vram.or(defaults.vram).is_some() || keys.vram_mb.is_some();
            let service = check::service(&name, keys, &around, &self.base)
                .map_err(|refusal| source.refused(&name, refusal))?;
            compose::exists(&service, composed)
                .map_err(|refusal| source.refused(&name, refusal))?;
            if let Some(policy) = resolved.and_then(resolved::Service::restarts_by_itself) {
                warnings.push(format!(
                    "service `{name}` has `restart: {policy}`: the engine starts it whenever the \
                     machine does, whatever its GPU is used for by then"
                ));
            }
            if !says_vram && !matches!(&service.gpus, GpuChoice::Named(gpus) if gpus.is_empty()) {
                remarks.push(format!(
                    "service `{name}` has no `vram`: no memory is checked or made free for it; \
                     `vram: 0GiB` or `gpus: none` if that is meant"
                ));
            }
            services.insert(name.clone(), service);
            sources.insert(name, source);
        }
        compose::depend_as_in_compose(&mut services, composed);
        cross::check(&services, &sources, &compose::containers(composed))?;
        if let Some(why) = composed.and_then(|it| it.why_unasked.as_ref()) {
            warnings.push(format!("services in containers can't be seen: {why}"));
        }
        Ok(Registry {
            headroom: self.file.headroom.unwrap_or(Headroom::Default),
            recovery: self.file.recovery_timeout.map_or(recovery::LIMIT, Duration::from),
            budget,
            place: self.place,
            services,
            warnings,
            remarks,
        })
    }

    /// The services of the file, and those that are `x-lem` of Compose services.
    fn entries(
        &self,
        composed: Option<&Composed>,
        warnings: &mut Vec<String>,
    ) -> Result<Entries, ServiceError> {
        let mut entries = Entries::new();
        for (name, keys) in &self.file.services {
            let above = vec!["services".to_owned(), name.clone()];
            let source = Source { text: self.text.clone(), above };
            entries.insert(name.clone(), (keys.clone(), source));
        }
        let Some(composed) = composed else { return Ok(entries) };
        let texts: Vec<Text> = composed
            .project
            .files
            .iter()
            .filter_map(|file| Some(Text::of(file, &regular::of_file(file).ok()?)))
            .collect();
        for (name, value) in composed.gpu_services() {
            let source = x_lem::source(&name, &texts, &self.text);
            let keys = match x_lem::keys(&name, &value, &source) {
                Ok(keys) => keys,
                // It may be for Compose to fill in.
                Err(error) if composed.resolved.is_none() => {
                    warnings.push(format!("service `{name}` is left out: {error}"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some((_, (_, other))) = entries
                .iter()
                .find(|(own, (keys, _))| **own == name || keys.service.as_ref() == Some(&name))
            {
                let reason = format!("it is described in {} too; keep one", other.place());
                return Err(source.refused(&name, Refusal { key: "", reason }));
            }
            entries.insert(name, (keys, source));
        }
        Ok(entries)
    }

    /// The keys of every service that does not say them itself.
    fn defaults(&self) -> Result<ServiceKeys, ServiceError> {
        let refused = |above: &str, refusal: Refusal| ServiceError::SenselessFile {
            place: self
                .text
                .place(&[above].into_iter().chain(refusal.key.split('.')).collect::<Vec<_>>()),
            key: format!("{above}.{}", refusal.key),
            reason: refusal.reason,
        };
        let defaults =
            plain(self.file.defaults.clone()).map_err(|refusal| refused("defaults", refusal))?;
        let health = defaults.health.as_ref();
        let of_one = [
            ("type", defaults.kind.is_some()),
            ("service", defaults.service.is_some()),
            ("container_name", defaults.container_name.is_some()),
            ("start_cmd", defaults.start_cmd.is_some()),
            ("stop_cmd", defaults.stop_cmd.is_some()),
            ("pid_file", defaults.pid_file.is_some()),
            ("daemon", defaults.daemon.is_some()),
            ("depends_on", defaults.depends_on.is_some()),
            ("health.url", health.is_some_and(|health| health.url.is_some())),
            ("ready", defaults.ready.is_some()),
            ("evict", defaults.evict.is_some()),
        ];
        if let Some((key, _)) = of_one.into_iter().find(|(_, said)| *said) {
            let reason = "it belongs to one service, not to all".to_owned();
            return Err(refused("defaults", Refusal { key, reason }));
        }
        let management = self.file.container_management.clone().unwrap_or_default();
        if management.enabled == Some(false) {
            let reason = "lem does nothing else; leave it out, and call lem where you want it";
            let refusal = Refusal { key: "enabled", reason: reason.to_owned() };
            return Err(refused("container_management", refusal));
        }
        Ok(defaults.or(management.defaults()))
    }

    fn budget(&self) -> Result<Budget, ServiceError> {
        match (&self.file.vram_total, &self.file.vram_total_mb) {
            (Some(_), Some(_)) => Err(ServiceError::SenselessFile {
                place: self.text.place(&["vram_total_mb"]),
                key: "vram_total_mb".to_owned(),
                reason: "`vram_total` says the same; keep one".to_owned(),
            }),
            (Some(budget), None) => Ok(budget.0.clone()),
            (None, Some(budget)) => Ok(budget.0.clone()),
            (None, None) => Ok(Budget::Unsaid),
        }
    }
}
