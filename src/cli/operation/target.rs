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
    /// Whether somebody has said what it is; otherwise it is a name and nothing else.
    pub(in crate::cli) known: bool,
    /// Its Compose project, if it is of one, with its name.
    pub(in crate::cli) project: Option<Project>,
    names: Option<ProjectNames>,
}

impl Target {
    /// One of which nothing more is known.
    pub(super) fn bare(resource: Resource, known: bool) -> Self {
        Self { resource, known, project: None, names: None }
    }

    /// A place of a Compose project.
    pub(super) fn of(resource: Resource, project: &Project, names: &ProjectNames) -> Self {
        let (project, names) = (Some(project.clone()), Some(names.clone()));
        Self { resource, known: true, project, names }
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
