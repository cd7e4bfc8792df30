//! Bringing services up, and waiting until they are as a campaign needs them.
//!
//! `up` answers 0 for containers that crash at once, and `up --wait` calls a service without a
//! healthcheck healthy: lem looks itself, with a limit for each look and a deadline for all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::containers::{Containers, Serving};
use crate::campaign::error::CampaignError;
use crate::cancel::Cancel;
use crate::engine::ASKING;
use crate::engine::container::COMPOSE_PROJECT;
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;
use crate::engine::process::{ask, capture};
use crate::engine::reply::{self, Container, Health, State};
use crate::engine::resolved::Condition;

/// What a service must be before the runs can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Running,
    Healthy,
    /// Ended with exit code 0.
    Done,
}

impl Need {
    /// What a dependency's condition asks; a service with a healthcheck is waited for.
    pub(crate) fn of(condition: Condition, has_healthcheck: bool) -> Self {
        match (condition, has_healthcheck) {
            (Condition::Completed, _) => Self::Done,
            (Condition::Healthy, _) | (_, true) => Self::Healthy,
            (Condition::Started, false) => Self::Running,
        }
    }

    /// Whether a state is it, may still become it, or never will.
    fn judge(self, state: &State) -> Progress {
        let over = |why: &str| Progress::Never(why.to_owned());
        match (self, state.status.as_str(), state.health) {
            (Self::Done, "exited", _) if state.exit_code == 0 => Progress::There,
            (Self::Done, "created" | "running", _) => Progress::Waiting("still running"),
            (_, "exited" | "dead", _) => over(&format!("it exited with {}", state.exit_code)),
            (_, "paused", _) => over("it is paused"),
            (_, "restarting", _) => over("it crashes and is restarted"),
            (_, "created" | "removing", _) => Progress::Waiting("not running yet"),
            (Self::Healthy, _, Health::Unhealthy) => over("its healthcheck fails"),
            (Self::Healthy, _, Health::Starting) => Progress::Waiting("not healthy yet"),
            _ => Progress::There,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    There,
    Waiting(&'static str),
    Never(String),
}

/// Starts what the runs' services depend on and waits until it is as they ask.
pub(crate) async fn start_dependencies(
    containers: &mut Containers,
    cancel: &Cancel,
) -> Result<(), CampaignError> {
    let mark = containers.events.mark();
    let Some(up) = containers.first(&[]).into_iter().next() else { return Ok(()) };
    bring_up(containers, &up, cancel).await?;
    let needs: Vec<(String, Need)> = containers
        .dependencies
        .iter()
        .map(|(name, condition)| {
            let checked = containers.healthchecks.get(name).copied().unwrap_or(false);
            (name.clone(), Need::of(*condition, checked))
        })
        .collect();
    let found = wait(containers, &needs, cancel).await?;
    // One whose end was wanted has ended.
    let runs = needs.iter().zip(found).filter(|((_, need), _)| *need != Need::Done);
    containers.serving =
        runs.map(|(_, it)| Serving { service: it.service, id: it.id, mark }).collect();
    Ok(())
}

/// The same in the middle of a campaign, while nobody else uses them.
pub(crate) async fn restart_dependencies(
    containers: &mut Containers,
    cancel: &Cancel,
) -> Result<(), CampaignError> {
    let names: Vec<String> = containers.dependencies.iter().map(|it| it.0.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    let tenure = Arc::clone(&containers.tenure);
    tenure.restarts(&names, cancel).await?;
    let started = start_dependencies(containers, cancel).await;
    tenure.measures().await;
    started
}

/// Runs an `up`; what it says when it fails is about a service, not about lem.
pub(crate) async fn bring_up(
    containers: &Containers,
    up: &Invocation,
    cancel: &Cancel,
) -> Result<(), CampaignError> {
    let reply = capture(up, containers.health_timeout, cancel).await?;
    match reply.success(up) {
        Ok(_) => Ok(()),
        Err(EngineError::Failed { complaint, .. }) => {
            let service = up.arguments.last().cloned().unwrap_or_default();
            Err(CampaignError::NotReady { service, reason: complaint, log: String::new() })
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits for every need, and says which container each service has.
pub(crate) async fn wait(
    containers: &Containers,
    needs: &[(String, Need)],
    cancel: &Cancel,
) -> Result<Vec<Container>, CampaignError> {
    let deadline = Instant::now() + containers.health_timeout;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tick.tick().await;
        let listed = list(containers, cancel).await?;
        let found = needs
            .iter()
            .map(|(service, _)| only(service, &listed))
            .collect::<Result<Vec<_>, _>>()?;
        // A listing says what runs; only health and exit codes need a second look.
        let open: Vec<(&str, Need, &Container)> = needs
            .iter()
            .zip(&found)
            .filter(|((_, need), c)| *need != Need::Running || c.state != "running")
            .map(|((service, need), container)| (service.as_str(), *need, *container))
            .collect();
        let Some((service, waiting)) = unready(containers, &open, cancel).await? else {
            return Ok(found.into_iter().cloned().collect());
        };
        if Instant::now() > deadline {
            let reason =
                format!("{waiting} after {}", crate::duration::human(containers.health_timeout));
            let container = found.iter().find(|c| c.service == service);
            let log = match container {
                Some(container) => log_of(containers, container, cancel).await,
                None => String::new(),
            };
            return Err(CampaignError::NotReady { service, reason, log });
        }
    }
}

/// The first service that is not as needed, with what it is instead.
async fn unready(
    containers: &Containers,
    open: &[(&str, Need, &Container)],
    cancel: &Cancel,
) -> Result<Option<(String, &'static str)>, CampaignError> {
    if open.is_empty() {
        return Ok(None);
    }
    let ids: Vec<&str> = open.iter().map(|(_, _, container)| container.id.as_str()).collect();
    let text = ask(&containers.docker.inspect(&ids), cancel).await?;
    let states = reply::states(&text).map_err(EngineError::from)?;
    for (service, need, container) in open {
        let service = (*service).to_owned();
        let Some(state) = states.iter().find(|state| state.id == container.id) else {
            return Ok(Some((service, "not there yet")));
        };
        match need.judge(state) {
            Progress::There => {}
            Progress::Waiting(what) => return Ok(Some((service, what))),
            Progress::Never(reason) => {
                let log = log_of(containers, container, cancel).await;
                return Err(CampaignError::NotReady { service, reason, log });
            }
        }
    }
    Ok(None)
}

async fn list(containers: &Containers, cancel: &Cancel) -> Result<Vec<Container>, EngineError> {
    let label = format!("{COMPOSE_PROJECT}={}", containers.owner);
    Ok(reply::containers(&ask(&containers.docker.list(&label), cancel).await?)?)
}

/// The service's own container; a second one of the same service is where an exec could go astray.
fn only<'a>(service: &str, listed: &'a [Container]) -> Result<&'a Container, CampaignError> {
    let mut own = listed.iter().filter(|c| c.service == service && !c.one_off);
    let Some(container) = own.next() else {
        return Err(CampaignError::NotReady {
            service: service.to_owned(),
            reason: "it has no container".to_owned(),
            log: String::new(),
        });
    };
    let stray = listed
        .iter()
        .find(|c| c.service == service && c.one_off && c.state == "running")
        .or(own.next());
    match stray {
        None => Ok(container),
        Some(stray) => Err(CampaignError::OneOff {
            service: service.to_owned(),
            container: stray.name.clone(),
        }),
    }
}

async fn log_of(containers: &Containers, container: &Container, cancel: &Cancel) -> String {
    let logs = containers.docker.logs(20, &container.id);
    match capture(&logs, ASKING, cancel).await {
        Ok(reply) => format!("{}{}", reply.stdout, reply.stderr),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(status: &str, health: Health, exit_code: i64) -> State {
        State { id: String::new(), status: status.into(), health, exit_code }
    }

    #[test]
    fn a_container_that_ended_is_ready_only_where_its_end_was_wanted() {
        let done = state("exited", Health::None, 0);
        assert_eq!(Need::Done.judge(&done), Progress::There);
        assert!(matches!(Need::Running.judge(&done), Progress::Never(_)));
        assert!(matches!(Need::Done.judge(&state("exited", Health::None, 1)), Progress::Never(_)));
    }

    #[test]
    fn health_is_waited_for_where_there_is_a_healthcheck() {
        assert_eq!(Need::of(Condition::Started, true), Need::Healthy);
        assert_eq!(Need::of(Condition::Started, false), Need::Running);
        let starting = state("running", Health::Starting, 0);
        assert!(matches!(Need::Healthy.judge(&starting), Progress::Waiting(_)));
        assert_eq!(Need::Running.judge(&starting), Progress::There);
        let sick = state("running", Health::Unhealthy, 0);
        assert!(matches!(Need::Healthy.judge(&sick), Progress::Never(_)));
    }
}
