//! What an operation does: the command that was given, or what stands for its kind.

use std::ffi::OsString;
use std::time::Duration;

use super::arguments::Arguments;
use super::error::OperationError;
use super::place::Site;
use super::standard::Asked;
use super::target::Target;
use crate::coordination::kind::Kind;
use crate::coordination::resource::Level;
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::invocation::{Invocation, quoted};
use crate::engine::operations::{Others, StopGrace, graces};

/// What is done.
#[derive(Debug)]
pub(super) enum Work {
    /// A command line; the second is how long the engine may be at it whoever dies, where that is
    /// known.
    Command { words: Vec<OsString>, bound: Option<Duration> },
    /// Its containers are asked how they are.
    Look { docker: Docker, containers: Vec<String> },
}

impl Work {
    /// What is to be done to a target. The engine is asked only where no command is given.
    pub(super) async fn of(
        arguments: &Arguments,
        site: &mut Site<'_>,
        target: &Target,
    ) -> Result<Self, OperationError> {
        if !arguments.command.is_empty() {
            return Ok(Self::Command { words: arguments.command.clone(), bound: None });
        }
        let asked = Asked {
            kind: arguments.kind,
            resource: &target.resource,
            project: target.project.as_ref(),
            others: if arguments.no_deps { Others::LeftAlone } else { Others::Included },
            replicas: arguments.replicas,
            graces: &[],
        };
        // Who has to say what to run hears so whether or not the engine answers.
        asked.may_have_a_line()?;
        let docker = site.connect().await?;
        let containers = containers(site, &docker, target).await?;
        if arguments.kind == Kind::Health && !containers.is_empty() {
            return Ok(Self::Look { docker, containers });
        }
        let graces = graces_of(site, &docker, &containers).await?;
        let asked = Asked { graces: &graces, ..asked };
        if arguments.kind == Kind::Health && target.project.is_some() {
            return Err(OperationError::NothingThere { what: target.resource.short() });
        }
        let line = asked.line(&docker)?;
        let bound = Some(asked.bound(arguments.timeout.0));
        Ok(Self::Command { words: words(&line), bound })
    }

    /// As others read it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Command { words, .. } => {
                let mut words = words.iter().map(|word| word.to_string_lossy());
                let program = words.next().unwrap_or_default();
                let file = program.rsplit('/').next().unwrap_or_default().to_owned();
                let words = words.map(|word| quoted(&word));
                std::iter::once(file).chain(words).collect::<Vec<_>>().join(" ")
            }
            Self::Look { .. } => "docker inspect".to_owned(),
        }
    }
}

fn words(line: &Invocation) -> Vec<OsString> {
    let arguments = line.arguments.iter().map(OsString::from);
    std::iter::once(line.program.clone().into_os_string()).chain(arguments).collect()
}

/// The containers of a target, by id or name.
async fn containers(
    site: &Site<'_>,
    docker: &Docker,
    target: &Target,
) -> Result<Vec<String>, OperationError> {
    let resource = &target.resource;
    match (resource.level(), resource.at(Level::Project)) {
        (Level::Container, _) => Ok(vec![resource.own_name().to_owned()]),
        (Level::Project | Level::Service, Some(project)) => {
            let line = docker.containers_of(project, resource.at(Level::Service));
            let listed = site.ask(&line).await?;
            Ok(listed.lines().map(str::to_owned).collect())
        }
        _ => Ok(Vec::new()),
    }
}

async fn graces_of(
    site: &Site<'_>,
    docker: &Docker,
    containers: &[String],
) -> Result<Vec<StopGrace>, OperationError> {
    if containers.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = containers.iter().map(String::as_str).collect();
    match site.ask(&docker.graces(&ids)).await {
        Ok(listed) => Ok(graces(&listed).map_err(EngineError::from)?),
        // One of them is gone: what is said to the engine next finds out.
        Err(EngineError::Failed { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
