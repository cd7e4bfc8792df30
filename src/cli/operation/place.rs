//! What a name means here: a service of the Compose project, a container of the engine, something
//! that was registered, or a name that only those who use it know.
//!
//! 2026-11-21: where docker is not asked, or does not answer, a name that is known stays what it
//! was; so two agents never mean different things by one because the engine was away for one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::engine_here::EngineHere;
use super::error::OperationError;
use super::labels::{LABELS, is_of, known_by_labels, service_of};
use super::names::ProjectNames;
use super::remembered::{Remembered, stamp};
use super::target::Target;
use crate::cancel::Cancel;
use crate::coordination::agent::Agent;
use crate::coordination::ledger::Known;
use crate::coordination::resource::{Level, Resource};
use crate::engine::compose::Project;
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::files::{self, FilesError};
use crate::engine::invocation::Invocation;
use crate::engine::labelled::{self, Labelled};
use crate::engine::process::ask;
use crate::engine::resolved;
use crate::yaml::keys::nearest;

/// Which Compose project is meant.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
pub(in crate::cli) struct Where {
    /// The Compose file, instead of the one here or above; more than one: `-f a -f b`
    #[arg(short = 'f', long = "compose-file", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The Compose project
    #[arg(short = 'p', long = "project-name", value_name = "NAME")]
    pub(super) project_name: Option<String>,
}

/// What becomes of a name that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Strangers {
    /// It will do: those who use it agree on it.
    Welcome,
    /// It is an error.
    Refused,
}

/// Where names are looked up.
pub(in crate::cli) struct Site<'a> {
    place: &'a Where,
    agent: &'a Arc<Agent>,
    cancel: &'a Cancel,
    pub(super) engine: EngineHere,
    remembered: Remembered,
    /// What there is to say about a name; nothing that stops anybody.
    pub(in crate::cli) notes: Vec<String>,
}

impl<'a> Site<'a> {
    /// Names as they are meant in the current folder.
    pub(in crate::cli) async fn here(
        place: &'a Where,
        agent: &'a Arc<Agent>,
        cancel: &'a Cancel,
    ) -> Result<Self, OperationError> {
        let asking = agent.call(|ledger, _| Ok((ledger.id()?, ledger.folder().to_owned())));
        let (store, folder) = asking.await?;
        let remembered = Remembered::beside(&folder, store);
        let engine = EngineHere::look();
        Ok(Self { place, agent, cancel, engine, remembered, notes: Vec::new() })
    }

    /// The engine, which must answer now.
    pub(super) async fn connect(&mut self) -> Result<Docker, OperationError> {
        Ok(self.engine.connect(self.cancel).await?.docker.clone())
    }

    /// The answer to a short question.
    pub(super) async fn ask(&self, question: &Invocation) -> Result<String, EngineError> {
        ask(question, self.cancel).await
    }

    /// The whole Compose project of this folder.
    pub(in crate::cli) async fn whole_project(&mut self) -> Result<Target, OperationError> {
        let engine = self.engine.id(self.agent, self.cancel).await?;
        let Some((project, names)) = self.project(&engine).await? else {
            return Err(FilesError::NoComposeFile { folder: here()? }.into());
        };
        let resource = Resource::project(&engine, &names.name);
        Ok(Target::of(resource, &project, &names))
    }

    /// What a name means.
    ///
    /// 2026-11-21: a container has the name of the stranger that it was before it was there, too;
    /// so whoever met it then and whoever meets it now keep each other out.
    pub(in crate::cli) async fn find(
        &mut self,
        name: &str,
        strangers: Strangers,
    ) -> Result<Target, OperationError> {
        Ok(self.meant(name, strangers).await?.called(name))
    }

    async fn meant(&mut self, name: &str, strangers: Strangers) -> Result<Target, OperationError> {
        if let Some(name) = name.strip_prefix("name:").filter(|name| !name.is_empty()) {
            return Ok(Target::bare(Resource::name(name)));
        }
        let engine = match self.engine.id(self.agent, self.cancel).await {
            Ok(engine) => engine,
            Err(error) => return self.without_engine(name, strangers, error).await,
        };
        if name == "engine" {
            return Ok(Target::bare(Resource::engine(&engine)));
        }
        let here = self.project(&engine).await?;
        if let Some((project, names)) = here.as_ref() {
            let own = name.strip_prefix(&names.name).and_then(|rest| rest.strip_prefix('/'));
            if name.strip_prefix("project:") == Some(&names.name) {
                let resource = Resource::project(&engine, &names.name);
                return Ok(Target::of(resource, project, names));
            }
            if let Some(service) = names.service_called(own.unwrap_or(name)) {
                let resource = Resource::service(&engine, &names.name, service);
                return Ok(Target::of(resource, project, names));
            }
        }
        let registered = self.registered().await?;
        if let Some(known) = registered.iter().find(|it| it.resource == Resource::name(name)) {
            return Ok(Target::bare(known.resource.clone()));
        }
        let before = self.remembered.containers(&engine).unwrap_or_default();
        if let Some(found) = self.among(&engine, name, &before) {
            return Ok(found);
        }
        let containers = self.ask_for_containers(&engine).await?;
        if let Some(found) = self.among(&engine, name, &containers) {
            return Ok(found);
        }
        if let Some(project) = name.strip_prefix("project:").filter(|name| !name.is_empty()) {
            // One that has no container yet, and whose files are elsewhere.
            return Ok(Target::bare(Resource::project(&engine, project)));
        }
        let services = here.iter().flat_map(|(_, names)| names.services.keys());
        let mut known: Vec<&str> = services.map(String::as_str).collect();
        let elsewhere: Vec<String> = containers
            .iter()
            .filter(|it| service_of(it) == Some(name))
            .filter_map(|it| Some(format!("{}/{name}", it.service.as_ref()?.0)))
            .collect();
        if let Some(elsewhere) = elsewhere.first() {
            return self.stranger(name, strangers, Some(elsewhere), &known);
        }
        known.extend(containers.iter().map(|it| it.name.as_str()));
        known.extend(registered.iter().map(|it| it.resource.own_name()));
        self.stranger(name, strangers, nearest(name, &known), &known)
    }

    /// What a name means where no engine is known.
    async fn without_engine(
        &mut self,
        name: &str,
        strangers: Strangers,
        error: OperationError,
    ) -> Result<Target, OperationError> {
        let registered = self.registered().await?;
        if let Some(known) = registered.iter().find(|it| it.resource == Resource::name(name)) {
            return Ok(Target::bare(known.resource.clone()));
        }
        let is_of_the_engine = name == "engine" || name.starts_with("project:");
        let is_away = matches!(&error, OperationError::Engine(error) if is_away(error));
        if strangers == Strangers::Refused || is_of_the_engine || !is_away {
            return Err(error);
        }
        self.notes.push(format!("{error}: `{name}` is taken for a name and nothing else"));
        Ok(Target::bare(Resource::name(name)))
    }

    fn stranger(
        &mut self,
        name: &str,
        strangers: Strangers,
        like: Option<&str>,
        known: &[&str],
    ) -> Result<Target, OperationError> {
        if strangers == Strangers::Refused {
            let nearest = like.map(str::to_owned);
            let known = known.iter().take(12).map(|it| (*it).to_owned()).collect();
            return Err(OperationError::Unknown { name: name.to_owned(), nearest, known });
        }
        let like = like.map(|it| format!(" (there is `{it}`)"));
        self.notes.push(format!(
            "no container and no service is called `{name}`{}: it is kept apart by its name alone",
            like.unwrap_or_default()
        ));
        Ok(Target::bare(Resource::name(name)))
    }

    /// The Compose project of this folder, if there is one.
    async fn project(
        &mut self,
        engine: &str,
    ) -> Result<Option<(Project, ProjectNames)>, OperationError> {
        let Some(compose) = self.engine.compose() else { return Ok(None) };
        let name = self.place.project_name.as_deref();
        let found = files::project(compose, &self.place.files, name, &here()?);
        let project = match found {
            Err(FilesError::NoComposeFile { .. }) => return Ok(None),
            found => found?,
        };
        let names = match self.remembered.project(engine, &project) {
            Some(names) => names,
            None => match self.ask_for_project(engine, &project).await {
                Ok(names) => names,
                Err(error) if self.place.files.is_empty() => {
                    self.notes.push(format!("the Compose file here can't be used: {error}"));
                    match self.remembered.project_before(engine, &project) {
                        Some(names) => names,
                        None => return Ok(None),
                    }
                }
                Err(error) => return Err(error.into()),
            },
        };
        let name = Some(names.name.clone());
        Ok(Some((Project { name, ..project }, names)))
    }

    async fn ask_for_project(
        &mut self,
        engine: &str,
        project: &Project,
    ) -> Result<ProjectNames, EngineError> {
        let stamp = stamp(project);
        let resolved = resolved::parse(&ask(&project.config(), self.cancel).await?)?;
        let names = ProjectNames::of_files(&resolved);
        let source = project.files.first().map_or(String::new(), |it| it.display().to_string());
        self.learn(names.known(engine, &source)).await;
        self.remembered.keep_project(engine, project, stamp, &names);
        Ok(names)
    }

    /// Tells the ledger. What it can't be told now, it is told when the file is read again.
    async fn learn(&self, known: Vec<Known>) {
        let _ = self.agent.call(move |ledger, _| ledger.learn(&known)).await;
    }

    async fn registered(&self) -> Result<Vec<Known>, OperationError> {
        let known = self.agent.call(|ledger, _| ledger.known()).await?;
        Ok(known.into_iter().filter(|it| it.resource.level() == Level::Name).collect())
    }

    async fn ask_for_containers(&mut self, engine: &str) -> Result<Vec<Labelled>, OperationError> {
        let Some(docker) = self.engine.docker() else { return Ok(Vec::new()) };
        let listed = match ask(&docker.every_labelled(), self.cancel).await {
            Ok(listed) => listed,
            Err(error) if is_away(&error) => {
                self.notes.push(error.to_string());
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let containers = labelled::labelled(&listed).map_err(EngineError::from)?;
        let already = self.agent.call(|ledger, _| ledger.known()).await?;
        let is_said_by_files = |resource: &Resource| {
            already.iter().any(|it| it.resource == *resource && it.source != LABELS)
        };
        let mut known = known_by_labels(engine, &containers);
        known.retain(|it| !is_said_by_files(&it.resource) && !already.contains(it));
        self.learn(known).await;
        self.remembered.keep_containers(engine, &containers);
        Ok(containers)
    }

    /// A name among the containers of the engine: that of one, or `PROJECT/SERVICE`.
    ///
    /// 2026-11-21: never a service's own name, even where only one project has it: what it means
    /// would change with whatever else somebody starts.
    fn among(&self, engine: &str, name: &str, containers: &[Labelled]) -> Option<Target> {
        if let Some(project) = name.strip_prefix("project:") {
            let one = containers.iter().find(|it| is_of(it, project))?;
            let names = ProjectNames::of_containers(project, containers);
            let resource = Resource::project(engine, project);
            return Some(Target::of(resource, &self.project_of(project, one)?, &names));
        }
        let container = containers.iter().find(|it| it.name == name);
        if let Some(one @ Labelled { service: None, .. }) = container {
            return Some(Target::bare(Resource::container(engine, &one.name)));
        }
        let one = match (container, name.split_once('/')) {
            (Some(one), _) => one,
            (None, Some((project, service))) => containers
                .iter()
                .find(|it| is_of(it, project) && service_of(it) == Some(service))?,
            (None, None) => return None,
        };
        let (project, service) = one.service.as_ref()?;
        let names = ProjectNames::of_containers(project, containers);
        let resource = Resource::service(engine, project, service);
        Some(Target::of(resource, &self.project_of(project, one)?, &names))
    }

    /// A project as its containers say how to name it to Compose.
    fn project_of(&self, name: &str, one: &Labelled) -> Option<Project> {
        let are_there = one.files.iter().all(|file| file.is_file());
        let directory = Some(one.directory.clone()).filter(|it| it.is_dir());
        Some(Project {
            compose: self.engine.compose()?,
            name: Some(name.to_owned()),
            files: if are_there { one.files.clone() } else { Vec::new() },
            env_files: Vec::new(),
            profiles: Vec::new(),
            directory: directory.unwrap_or_else(|| Path::new("/").to_owned()),
        })
    }
}

/// Whether there is no engine to be had now, for whatever reason.
fn is_away(error: &EngineError) -> bool {
    use EngineError as E;
    error.is_outage()
        || matches!(error, E::DockerMissing | E::ComposeMissing { .. } | E::ComposeTooOld { .. })
}

fn here() -> Result<PathBuf, OperationError> {
    std::env::current_dir().map_err(|source| OperationError::NoFolder { source })
}
