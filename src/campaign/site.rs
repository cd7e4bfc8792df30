//! The place of a campaign in containers: engine, project, services and images, as they are now.
//!
//! Everything here only asks; nothing on the machine changes.

pub(crate) mod files;
mod keepers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::container_build;
use super::error::CampaignError;
use super::keeper::tools::Known;
use super::plan::{Experiment, Plan, Run};
use super::settings::{Foreign, Settings};
use super::world::{Host, World};
use crate::cancel::Cancel;
use crate::engine::compose::{ComposeProgram, Project};
use crate::engine::container::{COMPOSE_PROJECT, Docker};
use crate::engine::devices::Gpus;
use crate::engine::error::EngineError;
use crate::engine::files::real_path;
use crate::engine::invocation::Invocation;
use crate::engine::place::{Endpoint, Here, Place};
use crate::engine::process::{ask, capture};
use crate::engine::reply::{self, Container, Image};
use crate::engine::resolved::{self, Condition, Resolved};
use crate::engine::{self, ASKING, Engine};
use files::ComposeFiles;

/// What lem found out before it asks whether to start.
#[derive(Debug)]
pub(crate) struct Site {
    pub engine: Engine,
    /// The project, named, without the override.
    pub project: Project,
    /// The value of [`crate::engine::container::OWNER`]: the project's name.
    pub owner: String,
    /// The service of each experiment, in the plan's order.
    pub service_of: Vec<String>,
    /// The services of the runs that are done this time.
    used: BTreeSet<String>,
    /// What the runs' services depend on, without those services.
    pub dependencies: Vec<(String, Condition)>,
    /// The containers of the project before the campaign.
    pub containers: Vec<Container>,
    /// The networks of the project before the campaign, by id.
    pub networks: Vec<String>,
    /// Where the engine is.
    pub place: Place,
    /// What the images bring whose services do without the inner lem.
    tools: Known,
    /// The Compose files, as they were read.
    pub files: ComposeFiles,
    resolved: Resolved,
    host: Host,
    images: BTreeMap<String, Option<Image>>,
}

/// An image that has to be made before the campaign can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingImage {
    pub image: String,
    /// The service that builds it, or one that uses it.
    pub service: String,
    pub how: Making,
}

/// How a missing image is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Making {
    Build,
    Pull,
}

/// Looks at the machine for everything that `runs` of the plan need.
pub(crate) async fn survey(
    plan: &Plan,
    runs: &[Run],
    services: &BTreeMap<String, String>,
    settings: &Settings,
    results: &Path,
    cancel: &Cancel,
) -> Result<Site, CampaignError> {
    let docker = which::which("docker").map_err(|_| EngineError::DockerMissing)?;
    let unnamed = |compose| {
        engine::files::project(
            compose,
            settings.compose_file.as_slice(),
            settings.project_name.as_deref(),
            &settings.base,
        )
    };
    // Both at once: the answer of the plugin is nearly always the one that counts.
    let guess = unnamed(ComposeProgram::Plugin { docker: docker.clone() });
    let statuses = guess.as_ref().map(ComposeFiles::about_to_be_read).unwrap_or_default();
    let asked = async {
        match &guess {
            Ok(project) => Some(config(project, cancel).await),
            Err(_) => None,
        }
    };
    let endpoint = Docker(docker.clone()).endpoint();
    let (engine, config_reply, inner, endpoint) = tokio::join!(
        Engine::connect(cancel),
        asked,
        container_build::find(cancel),
        ask(&endpoint, cancel)
    );
    let engine = engine?;
    let endpoint = endpoint.map_or(Endpoint::Unknown, |text| Endpoint::read(&text));
    let place = Place::of(&engine.about, &endpoint, &Here::look(&engine.about));
    let mut project = guess?;
    let text = match config_reply {
        Some(reply) if engine.compose == project.compose => reply?,
        _ => {
            project = unnamed(engine.compose.clone())?;
            config(&project, cancel).await?
        }
    };
    let resolved = resolved::parse(&text)?.with_real_paths();
    let owner = project.name.get_or_insert_with(|| resolved.name.clone()).clone();
    let service_of = plan
        .experiments
        .iter()
        .map(|experiment| service_of(experiment, services, &resolved))
        .collect::<Result<Vec<_>, _>>()?;
    let used: BTreeSet<&str> = runs.iter().map(|run| service_of[run.experiment].as_str()).collect();
    let dependencies = dependencies(&resolved, &used);
    let wanted = used.iter().any(|name| resolved.services[*name].lem.lets_inner_lem_in());
    let host = Host {
        inner: keepers::inner(inner, wanted, &engine.about, place, &endpoint)?,
        results: real_path(results)?,
        configs: settings
            .configs_dir
            .is_dir()
            .then(|| real_path(&settings.configs_dir))
            .transpose()?,
        pass: passed(&settings.pass_environment),
    };
    let needed: BTreeSet<String> = used
        .iter()
        .copied()
        .chain(dependencies.iter().map(|(name, _)| name.as_str()))
        .map(|service| resolved.image_of(service))
        .collect();
    let (listing, networks) =
        (engine.docker.list(&format!("{COMPOSE_PROJECT}={owner}")), engine.docker.networks(&owner));
    let (images, listing, networks) = tokio::join!(
        images(&engine, needed, cancel),
        ask(&listing, cancel),
        ask(&networks, cancel)
    );
    let containers = reply::containers(&listing?).map_err(EngineError::from)?;
    let all = used.iter().copied().chain(dependencies.iter().map(|(name, _)| name.as_str()));
    let all = all.map(str::to_owned).collect();
    let files = ComposeFiles::read(&project, statuses, &all, &text)?;
    let mut site = Site {
        place,
        tools: Known::new(),
        files,
        networks: networks?.lines().map(str::to_owned).collect(),
        containers,
        images: images?,
        engine,
        project,
        owner,
        used: used.into_iter().map(str::to_owned).collect(),
        service_of,
        dependencies,
        resolved,
        host,
    };
    site.look_at_tools(cancel).await?;
    Ok(site)
}

impl Site {
    /// The services in which runs take place this time, sorted.
    pub(crate) fn services(&self) -> Vec<&str> {
        self.used.iter().map(String::as_str).collect()
    }

    /// Those services and what they depend on.
    pub(crate) fn everything(&self) -> Vec<&str> {
        let dependencies = self.dependencies.iter().map(|(name, _)| name.as_str());
        self.services().into_iter().chain(dependencies).collect()
    }

    /// What each service's containers look like from inside.
    pub(crate) fn worlds(&self) -> Result<Vec<World>, CampaignError> {
        self.services()
            .into_iter()
            .map(|name| {
                let image = self.images.get(&self.resolved.image_of(name)).and_then(Option::as_ref);
                let tools = self.tools.get(&self.resolved.image_of(name)).copied();
                Ok(World::of(name, &self.resolved.services[name], image, tools, &self.host)?)
            })
            .collect()
    }

    /// The GPUs of each service in which runs take place.
    pub(crate) fn gpus(&self) -> BTreeMap<String, Gpus> {
        let gpus = |name: &str| self.resolved.services.get(name).map(resolved::Service::gpus);
        let services = self.services().into_iter();
        services.filter_map(|name| Some((name.to_owned(), gpus(name)?))).collect()
    }

    /// Whether the service must be healthy before a run in it.
    pub(crate) fn has_healthcheck(&self, service: &str) -> bool {
        self.resolved.services.get(service).is_some_and(resolved::Service::has_healthcheck)
    }

    /// Images that have to be built or pulled, one entry for each.
    pub(crate) fn missing_images(&self) -> Vec<MissingImage> {
        let mut missing: Vec<MissingImage> = Vec::new();
        for name in
            self.services().into_iter().chain(self.dependencies.iter().map(|d| d.0.as_str()))
        {
            let image = self.resolved.image_of(name);
            let absent = self.images.get(&image).is_some_and(Option::is_none);
            if absent && !missing.iter().any(|m| m.image == image) {
                let (how, service) = match self.resolved.builder_of(&image) {
                    Some(builder) => (Making::Build, builder),
                    None => (Making::Pull, name),
                };
                missing.push(MissingImage { image, service: service.to_owned(), how });
            }
        }
        missing
    }

    /// The command line that makes a missing image.
    pub(crate) fn making(&self, missing: &MissingImage) -> Invocation {
        match missing.how {
            Making::Build => self.project.build(&missing.service),
            Making::Pull => self.project.pull(&missing.service),
        }
    }

    /// Looks again at which containers and networks the project has.
    pub(crate) async fn look_again(&mut self, cancel: &Cancel) -> Result<(), CampaignError> {
        let listing = self.engine.docker.list(&format!("{COMPOSE_PROJECT}={}", self.owner));
        let networks = self.engine.docker.networks(&self.owner);
        let (listing, networks) = tokio::join!(ask(&listing, cancel), ask(&networks, cancel));
        self.containers = reply::containers(&listing?).map_err(EngineError::from)?;
        self.networks = networks?.lines().map(str::to_owned).collect();
        Ok(())
    }

    /// The GPUs of everything that is started, by its Compose files.
    pub(crate) fn all_gpus(&self) -> Vec<Gpus> {
        let everything = self.everything().into_iter();
        let services = everything.filter_map(|name| self.resolved.services.get(name));
        services.map(resolved::Service::gpus).collect()
    }

    /// Looks at the images again, after some were made.
    pub(crate) async fn look_at_images(&mut self, cancel: &Cancel) -> Result<(), CampaignError> {
        let names = self.images.keys().cloned().collect();
        self.images = images(&self.engine, names, cancel).await?;
        self.look_at_tools(cancel).await
    }

    /// Refuses to take over a container of a run's service that somebody else started.
    pub(crate) fn check_foreign(&self, foreign: Foreign) -> Result<(), CampaignError> {
        let services = self.services();
        let taken = self.containers.iter().find(|container| {
            services.contains(&container.service.as_str())
                && !container.one_off
                && !container.belongs_to(&self.owner)
        });
        // Compose's `exec` may enter it, whatever becomes of the service's own container.
        let stray = self.containers.iter().find(|container| {
            services.contains(&container.service.as_str())
                && container.one_off
                && container.state == "running"
                && !container.belongs_to(&self.owner)
        });
        if let Some(stray) = stray {
            return Err(CampaignError::OneOff {
                service: stray.service.clone(),
                container: stray.name.clone(),
            });
        }
        match (taken, foreign) {
            (Some(container), Foreign::Refuse) => Err(CampaignError::Foreign {
                service: container.service.clone(),
                container: container.name.clone(),
            }),
            _ => Ok(()),
        }
    }
}

async fn config(project: &Project, cancel: &Cancel) -> Result<String, CampaignError> {
    let files: Vec<String> = project.files.iter().map(|f| format!("`{}`", f.display())).collect();
    match ask(&project.config(), cancel).await {
        Err(EngineError::Failed { complaint, .. }) => {
            Err(CampaignError::ComposeFileBroken { files: files.join(", "), complaint })
        }
        other => Ok(other?),
    }
}

/// The images by name; `None` for those that the engine lacks.
async fn images(
    engine: &Engine,
    names: BTreeSet<String>,
    cancel: &Cancel,
) -> Result<BTreeMap<String, Option<Image>>, EngineError> {
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = inspect(engine, &all, cancel).await?;
    if found.len() == all.len() {
        return Ok(names.into_iter().zip(found.into_iter().map(Some)).collect());
    }
    // One is missing, and the answer doesn't say which.
    let mut images = BTreeMap::new();
    for name in names {
        let image = inspect(engine, &[&name], cancel).await?.pop();
        images.insert(name, image);
    }
    Ok(images)
}

async fn inspect(
    engine: &Engine,
    names: &[&str],
    cancel: &Cancel,
) -> Result<Vec<Image>, EngineError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let reply = capture(&engine.docker.images(names), ASKING, cancel).await?;
    Ok(reply::images(&reply.stdout)?)
}

/// The Compose service in which an experiment runs.
pub(crate) fn service_of(
    experiment: &Experiment,
    services: &BTreeMap<String, String>,
    resolved: &Resolved,
) -> Result<String, CampaignError> {
    let known: Vec<String> = resolved.services.keys().cloned().collect();
    let service = match (&experiment.backend, known.as_slice()) {
        (Some(backend), _) => services.get(backend).unwrap_or(backend).clone(),
        (None, [only]) => only.clone(),
        (None, _) => {
            return Err(CampaignError::NoBackend {
                experiment: experiment.name.clone(),
                known: known.join(", "),
            });
        }
    };
    if resolved.services.contains_key(&service) {
        return Ok(service);
    }
    Err(CampaignError::NoService { experiment: experiment.name.clone(), service, known })
}

/// What the used services depend on, directly or not; the strictest condition where several ask.
pub(crate) fn dependencies(resolved: &Resolved, used: &BTreeSet<&str>) -> Vec<(String, Condition)> {
    let mut found: BTreeMap<String, Condition> = BTreeMap::new();
    let mut open: Vec<String> = used.iter().map(|s| (*s).to_owned()).collect();
    while let Some(name) = open.pop() {
        let Some(service) = resolved.services.get(&name) else { continue };
        for (dependency, condition) in service.dependencies() {
            let known = found.get(dependency).copied();
            if known.is_none_or(|known| known < condition) {
                found.insert(dependency.to_owned(), condition);
            }
            if known.is_none() {
                open.push(dependency.to_owned());
            }
        }
    }
    found.into_iter().filter(|(name, _)| !used.contains(name.as_str())).collect()
}

/// The names that are set here: a name without a value would be dropped by Compose anyway.
fn passed(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| std::env::var_os(name).is_some()).cloned().collect()
}
