//! What the engine says of its containers now. It is asked for a moment only: an engine that hangs
//! must not keep anybody from seeing what is being done.

use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::coordination::ledger::Known;
use crate::coordination::resource::{Level, Resource};
use crate::engine::condition::{self, Condition};
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::process::capture;
use crate::engine::reply::{self, Container};

/// How long the engine has to answer in all.
pub(super) const LIMIT: Duration = Duration::from_secs(2);

/// The engine at one moment.
#[derive(Debug)]
pub(super) struct Observation {
    /// Its id; or why it is not known.
    pub engine: Result<String, EngineError>,
    pub containers: Vec<(Container, Condition)>,
    pub at: Instant,
}

impl Observation {
    /// The containers of something that is known; none where this engine can't say.
    pub(super) fn of(&self, resource: &Resource) -> Option<Vec<&(Container, Condition)>> {
        let engine = self.engine.as_ref().ok()?;
        let of_this_engine = resource.at(Level::Engine) == Some(engine);
        let is_one = matches!(resource.level(), Level::Service | Level::Container);
        (of_this_engine && is_one)
            .then(|| self.containers.iter().filter(|(it, _)| is(it, resource)).collect())
    }
}

/// Whether a container is one of what is known.
fn is(container: &Container, resource: &Resource) -> bool {
    match resource.level() {
        Level::Service => {
            resource.at(Level::Project) == Some(&container.project)
                && resource.own_name() == container.service
                && !container.one_off
        }
        Level::Container => resource.own_name() == container.name,
        _ => false,
    }
}

/// Asks the engine about what is known; none where nothing of an engine is known.
pub(super) async fn observe(known: &[Known], cancel: &Cancel) -> Option<Observation> {
    if !known.iter().any(|it| it.resource.at(Level::Engine).is_some()) {
        return None;
    }
    let begun = Instant::now();
    let left = || LIMIT.saturating_sub(begun.elapsed());
    let mut containers = Vec::new();
    let engine = ask(known, &left, &mut containers, cancel).await;
    Some(Observation { engine, containers, at: Instant::now() })
}

async fn ask(
    known: &[Known],
    left: &(dyn Fn() -> Duration + Sync),
    found: &mut Vec<(Container, Condition)>,
    cancel: &Cancel,
) -> Result<String, EngineError> {
    let docker = Docker(which::which("docker").map_err(|_| EngineError::DockerMissing)?);
    let (who, list) = (docker.engine_id(), docker.every());
    let (id, all) =
        tokio::try_join!(capture(&who, left(), cancel), capture(&list, left(), cancel))?;
    let (id, all) = (id.success(&who)?.trim().to_owned(), all.success(&list)?);
    let containers = reply::containers(&all)?;
    let known: Vec<&Resource> = known.iter().map(|it| &it.resource).collect();
    let of_interest = |it: &&Container| known.iter().any(|resource| is(it, resource));
    let ids: Vec<&str> = containers.iter().filter(of_interest).map(|it| &*it.id).collect();
    if !ids.is_empty() {
        // Exits 1 where one was removed meanwhile.
        let answer = capture(&docker.conditions(&ids), left(), cancel).await?;
        for condition in condition::conditions(&answer.stdout)? {
            let own = containers.iter().find(|it| it.id == condition.id);
            found.extend(own.map(|own| (own.clone(), condition.clone())));
        }
    }
    Ok(id)
}
