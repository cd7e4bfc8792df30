//! What the labels of containers say of projects and services. Pure.

use super::names::ProjectNames;
use crate::coordination::ledger::Known;
use crate::coordination::resource::Resource;
use crate::engine::labelled::Labelled;

/// What is noted as the source of what labels say.
pub(super) const LABELS: &str = "labels of containers";

/// What the labels of containers say, for the ledger.
pub(super) fn known_by_labels(engine: &str, containers: &[Labelled]) -> Vec<Known> {
    let mut projects: Vec<&str> =
        containers.iter().filter_map(|it| Some(it.service.as_ref()?.0.as_str())).collect();
    projects.sort_unstable();
    projects.dedup();
    let of_projects = projects
        .into_iter()
        .flat_map(|project| ProjectNames::of_containers(project, containers).known(engine, LABELS));
    let alone = containers.iter().filter(|it| it.service.is_none()).map(|it| Known {
        resource: Resource::container(engine, &it.name),
        names: vec![it.name.clone()],
        ports: it.ports.clone(),
        needs: None,
        source: LABELS.to_owned(),
    });
    of_projects.chain(alone).collect()
}

/// Whether a container is of a project.
pub(super) fn is_of(container: &Labelled, project: &str) -> bool {
    container.service.as_ref().is_some_and(|(of, _)| of == project)
}

/// The service that a container is of.
pub(super) fn service_of(container: &Labelled) -> Option<&str> {
    container.service.as_ref().map(|(_, service)| service.as_str())
}
