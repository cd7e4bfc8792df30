//! Which container is whose, and how it is.

use std::collections::BTreeMap;

use super::ask;
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::life::{self, Life, Status};
use crate::engine::process::capture;
use crate::engine::reply::{self, Container};
use crate::services::service::{Kind, Service};

/// What is there of a service that lives in a container.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there are few of them, for a moment")]
pub(crate) enum Looked {
    /// No container.
    Absent,
    Present(Life),
    /// Several, as `docker compose up --scale` makes them: lem keeps one.
    Several(usize),
}

impl Looked {
    /// The container, where there is just one.
    pub(crate) fn life(&self) -> Option<&Life> {
        match self {
            Self::Present(life) => Some(life),
            Self::Absent | Self::Several(_) => None,
        }
    }
}

/// Looks at every service of `services` that lives in a container, in two questions for all.
pub(crate) async fn look<'s>(
    engine: &Engine,
    services: impl Iterator<Item = &'s Service>,
    cancel: &Cancel,
) -> Result<BTreeMap<String, Looked>, EngineError> {
    let containers = reply::containers(&ask(&engine.docker.every(), cancel).await?)?;
    let theirs: Vec<(&Service, Vec<&Container>)> = services
        .filter(|service| !service.is_native())
        .map(|service| (service, containers.iter().filter(|it| is_of(it, service)).collect()))
        .collect();
    let ids: Vec<&str> = theirs
        .iter()
        .flat_map(|(_, own)| own.iter().map(|container| container.id.as_str()))
        .collect();
    let lives = if ids.is_empty() { Vec::new() } else { lives(engine, &ids, cancel).await? };
    let of = |own: &[&Container]| {
        let own: Vec<&Life> =
            lives.iter().filter(|life| own.iter().any(|it| it.id == life.id)).collect();
        pick(&own)
    };
    Ok(theirs.into_iter().map(|(service, own)| (service.name.clone(), of(&own))).collect())
}

async fn lives(engine: &Engine, ids: &[&str], cancel: &Cancel) -> Result<Vec<Life>, EngineError> {
    let question = engine.docker.lives(ids);
    let reply = capture(&question, crate::engine::ASKING, cancel).await?;
    // One that went meanwhile is a complaint about that one alone.
    let gone = reply.stderr.lines().any(|line| line.contains("No such"));
    let text = reply.stdout.clone();
    match reply.success(&question) {
        Err(error) if !gone || error.is_outage() => Err(error),
        Ok(_) | Err(_) => Ok(life::lives(&text)?),
    }
}

/// Of a service's containers the one that counts: the one that is alive, if one is.
pub(crate) fn pick(own: &[&Life]) -> Looked {
    let alive: Vec<&&Life> = own.iter().filter(|life| life.status.is_alive()).collect();
    match (alive.as_slice(), own) {
        ([one], _) => Looked::Present((**one).clone()),
        ([], []) => Looked::Absent,
        ([], [one]) => Looked::Present((*one).clone()),
        ([], several) => {
            let rank = |life: &&&Life| (life.status == Status::Removing, life.started_at);
            let newest = several.iter().max_by_key(|life| (!rank(life).0, rank(life).1));
            newest.map_or(Looked::Absent, |life| Looked::Present((*life).clone()))
        }
        (several, _) => Looked::Several(several.len()),
    }
}

fn is_of(container: &Container, service: &Service) -> bool {
    match &service.kind {
        Kind::Compose(compose) => {
            compose.project.name.as_deref() == Some(container.project.as_str())
                && container.service == compose.service
                && !container.one_off
        }
        Kind::Container { name } => container.name.split(',').any(|own| own == name),
        Kind::Native(_) => false,
    }
}

/// Whether the container was made with other settings than the Compose file has now; none, where
/// there is nothing to compare.
pub(crate) async fn stale(
    service: &Service,
    life: &Life,
    cancel: &Cancel,
) -> Result<Option<bool>, EngineError> {
    let Kind::Compose(compose) = &service.kind else { return Ok(None) };
    let Some(was) = &life.config_hash else { return Ok(None) };
    let text = ask(&compose.project.hash(&compose.service), cancel).await?;
    let words = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    let now =
        words.filter(|(name, _)| *name == compose.service).map(|(_, hash)| hash.trim()).next();
    Ok(now.map(|now| now != was))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(id: &str, status: Status, started: i64) -> Life {
        Life {
            id: id.to_owned(),
            name: id.to_owned(),
            status,
            health: None,
            started_at: jiff::Timestamp::from_second(started).ok(),
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            restarts: 0,
            restart_policy: "no".to_owned(),
            config_hash: None,
            service: None,
        }
    }

    #[test]
    fn the_container_that_lives_counts_and_else_the_newest() {
        let old = life("old", Status::Exited, 1);
        let new = life("new", Status::Exited, 2);
        let going = life("going", Status::Removing, 3);
        let alive = life("alive", Status::Running, 0);
        let id = |looked: Looked| looked.life().map(|life| life.id.clone());
        assert_eq!(pick(&[]), Looked::Absent);
        assert_eq!(id(pick(&[&old, &new, &going])).as_deref(), Some("new"));
        assert_eq!(id(pick(&[&going])).as_deref(), Some("going"));
        assert_eq!(id(pick(&[&old, &alive, &new])).as_deref(), Some("alive"));
        assert_eq!(pick(&[&alive, &life("b", Status::Paused, 1)]), Looked::Several(2));
    }
}
