//! What is run where no command is given: for each kind and target a docker command line, and how
//! long the engine may be at it when everybody has died who asked for it. Pure.
//!
//! 2026-11-21: `config` has none. What is changed, and in which file, only who changes it knows.

use std::time::Duration;

use super::error::OperationError;
use crate::coordination::kind::Kind;
use crate::coordination::resource::{Level, Resource};
use crate::engine::compose::Project;
use crate::engine::container::Docker;
use crate::engine::invocation::Invocation;
use crate::engine::operations::{Others, StopGrace};

/// What is known of a target before something is done to it.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) kind: Kind,
    pub(super) resource: &'a Resource,
    pub(super) project: Option<&'a Project>,
    pub(super) others: Others,
    /// For [`Kind::Scale`].
    pub(super) replicas: Option<u32>,
    /// How long its containers may take to stop.
    pub(super) graces: &'a [StopGrace],
}

/// Longer than the engine takes to create or start a container.
const STARTING: Duration = Duration::from_secs(30);
/// Longer than it takes to see that one has ended.
const SEEING: Duration = Duration::from_secs(5);

impl Asked<'_> {
    /// Refuses what no engine could make more of. How it is with containers, one may know.
    pub(super) fn may_have_a_line(&self) -> Result<(), OperationError> {
        if self.kind == Kind::Health && self.resource.at(Level::Engine).is_some() {
            return Ok(());
        }
        self.line(&Docker("docker".into())).map(drop)
    }

    /// The command line.
    pub(super) fn line(&self, docker: &Docker) -> Result<Invocation, OperationError> {
        let service: Vec<&str> = self.resource.at(Level::Service).into_iter().collect();
        match (self.resource.level(), self.project) {
            (Level::Service | Level::Project, Some(project)) => self.of_project(project, &service),
            (Level::Container, _) => self.of_container(docker),
            (Level::Project, None) => Err(self.none(
                "no container of that project is there: run this where its Compose file is, or \
                 name that: `-f FILE --project`",
            )),
            _ => Err(self.none("say what to run: `-- COMMAND`")),
        }
    }

    fn of_project(
        &self,
        project: &Project,
        services: &[&str],
    ) -> Result<Invocation, OperationError> {
        Ok(match self.kind {
            Kind::Read => project.logs(services),
            Kind::Restart => project.restart_all(services, self.others),
            Kind::Stop => project.stop_all(services),
            Kind::Start => project.start_all(services),
            Kind::Deploy => project.deploy(services, self.others),
            Kind::Scale => match (services, self.replicas) {
                ([service], Some(replicas)) => project.scale(service, replicas),
                ([_], None) => return Err(self.none("say how many: `--replicas N`")),
                _ => return Err(self.none("name one service of it")),
            },
            Kind::Config => {
                return Err(self.none(
                    "say what changes it: `-- COMMAND`; `lem op deploy` puts a changed Compose \
                     file into effect",
                ));
            }
            Kind::Health => return Err(self.none("say what asks it: `-- COMMAND`")),
        })
    }

    fn of_container(&self, docker: &Docker) -> Result<Invocation, OperationError> {
        let name = self.resource.own_name();
        Ok(match self.kind {
            Kind::Read => docker.recent_logs(name),
            Kind::Restart => match self.graces.first() {
                Some(StopGrace::Seconds(grace)) => docker.restart(*grace, name),
                // The client would give it 10 seconds.
                Some(StopGrace::Endless) => {
                    return Err(self.none("it is never killed: say how it ends: `-- COMMAND`"));
                }
                None => docker.restart(10, name),
            },
            Kind::Stop => docker.stop(&[name]),
            Kind::Start => docker.start(name),
            Kind::Deploy | Kind::Scale | Kind::Config | Kind::Health => {
                return Err(self.none("it is of no Compose project; say what to run: `-- COMMAND`"));
            }
        })
    }

    /// How long the engine may be at it by itself, at most `limit`.
    pub(super) fn bound(&self, limit: Duration) -> Duration {
        let grace = |grace: &StopGrace| match grace {
            StopGrace::Seconds(seconds) => Duration::from_secs(*seconds),
            StopGrace::Endless => limit,
        };
        let stop = self.graces.iter().map(grace).max().unwrap_or(Duration::from_secs(10)) + SEEING;
        let bound = match self.kind {
            Kind::Read | Kind::Health | Kind::Config => Duration::ZERO,
            Kind::Stop => stop,
            Kind::Start => STARTING,
            Kind::Restart => stop + STARTING,
            // One call after the other, and the client that would make the next one is dead.
            Kind::Deploy | Kind::Scale => stop.max(STARTING),
        };
        bound.min(limit)
    }

    fn none(&self, hint: &'static str) -> OperationError {
        let what = self.resource.short();
        OperationError::NoStandardCommand { kind: self.kind, what, hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(kind: Kind, resource: &'a Resource, graces: &'a [StopGrace]) -> Asked<'a> {
        let (project, others, replicas) = (None, Others::Included, None);
        Asked { kind, resource, project, others, replicas, graces }
    }

    #[test]
    fn the_engine_may_be_at_it_as_long_as_the_slowest_container_has() {
        use StopGrace::{Endless, Seconds};
        let api = Resource::container("E", "api");
        let bound = |kind, graces: &[StopGrace]| {
            asked(kind, &api, graces).bound(Duration::from_secs(300)).as_secs()
        };
        assert_eq!(bound(Kind::Stop, &[Seconds(1), Seconds(90)]), 95);
        assert_eq!(bound(Kind::Restart, &[Seconds(20)]), 55);
        assert_eq!((bound(Kind::Stop, &[Endless]), bound(Kind::Stop, &[])), (300, 15));
        assert_eq!((bound(Kind::Deploy, &[Seconds(1)]), bound(Kind::Read, &[])), (30, 0));
    }

    #[test]
    fn what_is_only_a_name_needs_a_command_and_a_container_can_be_asked_how_it_is() {
        let (name, api) = (Resource::name("api"), Resource::container("E", "api"));
        for kind in [Kind::Read, Kind::Restart, Kind::Health] {
            let refused = asked(kind, &name, &[]).may_have_a_line().unwrap_err();
            assert!(matches!(refused, OperationError::NoStandardCommand { .. }), "{kind}");
            asked(kind, &api, &[]).may_have_a_line().unwrap();
        }
        asked(Kind::Config, &api, &[]).may_have_a_line().unwrap_err();
    }

    #[test]
    fn a_container_of_no_project_is_restarted_with_its_own_grace_and_can_t_be_deployed() {
        let docker = Docker("docker".into());
        let api = Resource::container("E", "api");
        let line = |kind| asked(kind, &api, &[StopGrace::Seconds(3)]).line(&docker);
        assert_eq!(line(Kind::Restart).unwrap().to_string(), "docker restart --time 3 api");
        assert!(line(Kind::Deploy).unwrap_err().to_string().contains("`deploy` means for api"));
    }
}
