//! What a name means, and what follows for others from what is done to it.

use super::names::ProjectNames;
use crate::coordination::kind::Kind;
use crate::coordination::part::Part;
use crate::coordination::resource::{Level, Resource};
use crate::engine::compose::Project;

/// What a name means.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Target {
    pub(in crate::cli) resource: Resource,
    /// Its Compose project, if it is of one, with its name.
    pub(in crate::cli) project: Option<Project>,
    names: Option<ProjectNames>,
    /// Its name as that of a stranger: so it was called by who met it before it was there.
    pub(in crate::cli) as_stranger: Option<Resource>,
}

impl Target {
    /// One of which nothing more is known.
    pub(super) fn bare(resource: Resource) -> Self {
        Self { resource, project: None, names: None, as_stranger: None }
    }

    /// A place of a Compose project.
    pub(super) fn of(resource: Resource, project: &Project, names: &ProjectNames) -> Self {
        let (project, names) = (Some(project.clone()), Some(names.clone()));
        Self { resource, project, names, as_stranger: None }
    }

    /// With the name that it had for who met it before it was there. Only the name of a container
    /// is one: that of a service means something else in each project.
    pub(super) fn called(self, name: &str) -> Self {
        let is_a_container = match self.resource.level() {
            Level::Container => true,
            Level::Service => self.resource.own_name() != name && !name.contains('/'),
            _ => false,
        };
        let as_stranger = is_a_container.then(|| Resource::name(name));
        Self { as_stranger, ..self }
    }

    /// What is done to others when this is done to it.
    pub(in crate::cli) fn implied(&self, kind: Kind) -> Vec<Part> {
        let engine = self.resource.at(Level::Engine);
        let service = self.resource.at(Level::Service);
        match (&self.names, engine, service) {
            (Some(names), Some(engine), Some(service)) => names.implied(engine, service, kind),
            _ => Vec::new(),
        }
    }

    /// Whether it is something of an engine.
    pub(in crate::cli) fn is_of_an_engine(&self) -> bool {
        self.resource.at(Level::Engine).is_some()
    }
}
