//! Starting a container, or having Compose make and start it.

use std::time::{Duration, Instant};

use super::look::{Looked, look};
use super::{Instance, ask};
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::engine::compose::Existing;
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;
use crate::engine::life::{Life, Status};
use crate::engine::process::{Exit, capture_holding};
use crate::engine::reply;
use crate::services::error::ServiceError;
use crate::services::leave::Leave;
use crate::services::service::{ComposeService, Kind, Service};
use crate::services::word::Word;

/// Of the call alone; the image is here, so that what takes time comes afterwards.
const STARTING: Duration = Duration::from_secs(120);
/// How long a container that is being removed is waited for.
const GOING: Duration = Duration::from_secs(30);

/// Starts the service's container. `found` is what was there a moment ago; what the caller has leave
/// for is claimed for as long as docker's client is at it.
pub(crate) async fn start(
    engine: &Engine,
    service: &Service,
    found: &Looked,
    existing: Existing,
    leave: &Leave,
    cancel: &Cancel,
) -> Result<Instance, ServiceError> {
    let found = settled(engine, service, found.clone(), cancel).await?;
    match (&service.kind, found.life()) {
        (Kind::Compose(compose), life) => {
            if let (Some(life), Existing::BroughtUpToDate) = (life, existing)
                && super::stale(service, life, cancel).await? == Some(true)
            {
                // Compose would make it anew too, but not where it starts its dependencies.
                let remove = engine.docker.remove_stopped(&life.id);
                leave.say(Word::Remove, service, ask(&remove, cancel)).await??;
            }
            up(engine, service, compose, existing, leave, cancel).await?;
        }
        (Kind::Container { name }, None) => {
            let (name, container) = (service.name.clone(), name.clone());
            return Err(ServiceError::NoContainer { name, container });
        }
        (Kind::Container { .. }, Some(life)) => {
            run(&engine.docker.start(&life.id), service, engine, leave, cancel).await?;
        }
        // Only what lives in a container comes here.
        (Kind::Native(_), _) => {}
    }
    let now = look(engine, std::iter::once(service), cancel).await?;
    match now.get(&service.name) {
        Some(Looked::Present(life)) => Ok(Instance::new(engine.docker.clone(), life)),
        Some(Looked::Several(several)) => Err(several_containers(service, *several)),
        _ => Err(died(service, "its container is gone as soon as it was started")),
    }
}

/// That a service has more containers than lem keeps.
fn several_containers(service: &Service, several: usize) -> ServiceError {
    ServiceError::Unusable {
        name: service.name.clone(),
        state: "unknown",
        why: format!("it has {several} containers that run, and lem keeps one"),
    }
}

fn died(service: &Service, how: &str) -> ServiceError {
    ServiceError::Died { name: service.name.clone(), how: how.to_owned(), tail: Vec::new() }
}

/// What is there once nothing is being removed any more.
async fn settled(
    engine: &Engine,
    service: &Service,
    mut found: Looked,
    cancel: &Cancel,
) -> Result<Looked, ServiceError> {
    let begun = Instant::now();
    loop {
        match &found {
            Looked::Several(several) => return Err(several_containers(service, *several)),
            Looked::Present(Life { status: Status::Removing, .. }) if begun.elapsed() < GOING => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let mut now = look(engine, std::iter::once(service), cancel).await?;
                found = now.remove(&service.name).unwrap_or(Looked::Absent);
            }
            Looked::Present(Life { status: Status::Removing, .. }) => {
                return Err(ServiceError::Unusable {
                    name: service.name.clone(),
                    state: "unknown",
                    why: "its container is being removed, and that does not end".to_owned(),
                });
            }
            Looked::Present(Life { status: Status::Paused, name, .. }) => {
                return Err(ServiceError::Unusable {
                    name: service.name.clone(),
                    state: "error",
                    why: format!("its container is paused: `docker unpause {name}`"),
                });
            }
            Looked::Absent | Looked::Present(_) => return Ok(found),
        }
    }
}

async fn up(
    engine: &Engine,
    service: &Service,
    compose: &ComposeService,
    existing: Existing,
    leave: &Leave,
    cancel: &Cancel,
) -> Result<(), ServiceError> {
    // With its dependencies, as they are: one that runs is somebody's.
    let existing = match existing {
        Existing::BroughtUpToDate | Existing::UsedAsItIs => Existing::UsedAsItIs,
        Existing::Recreated => Existing::Recreated,
    };
    let mut line = compose.project.up(&[&compose.service], existing);
    // What is pulled here would count as the time that the model takes.
    let at = line.arguments.iter().position(|word| word == "--no-build").map_or(0, |at| at + 1);
    line.arguments.splice(at..at, ["--pull".to_owned(), "never".to_owned()]);
    run(&line, service, engine, leave, cancel).await
}

async fn run(
    line: &Invocation,
    service: &Service,
    engine: &Engine,
    leave: &Leave,
    cancel: &Cancel,
) -> Result<(), ServiceError> {
    let calling = capture_holding(leave.lock(), line, STARTING, cancel);
    let reply = leave.say(Word::Start, service, calling).await??;
    if reply.exit == Exit::Code(0) {
        return Ok(());
    }
    let complaint = reply.stderr.clone();
    match refused(engine, service, &complaint, cancel).await {
        Some(refusal) => Err(refusal),
        None => Err(reply.success(line).err().unwrap_or(EngineError::Cancelled).into()),
    }
}

/// What of a failed start stays so, however often it is tried.
async fn refused(
    engine: &Engine,
    service: &Service,
    complaint: &str,
    cancel: &Cancel,
) -> Option<ServiceError> {
    let name = || service.name.clone();
    if complaint.contains("is already in use by container") {
        let container = quoted(complaint, "The container name ");
        let every = ask(&engine.docker.every(), cancel).await.ok()?;
        let every = reply::containers(&every).ok()?;
        let container = container.trim_start_matches('/').to_owned();
        let owner = every.iter().find(|it| it.name == container);
        let owner = match owner.map(|it| it.project.as_str()) {
            Some("") | None => "nobody's project".to_owned(),
            Some(project) => format!("project `{project}`"),
        };
        return Some(ServiceError::Foreign { name: name(), container, owner });
    }
    if complaint.contains("port is already allocated")
        || complaint.contains("address already in use")
    {
        let url = service.health.probe.as_ref().map(|probe| probe.url.clone());
        let url = url.unwrap_or_else(|| "a port that it publishes".to_owned());
        let last = complaint.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
        return Some(ServiceError::EndpointTaken { name: name(), url, by: last });
    }
    let missing = ["No such image", "pull access denied", "image not found", "manifest unknown"];
    if missing.iter().any(|words| complaint.contains(words)) {
        let mut words = complaint.split_whitespace().skip_while(|word| *word != "image:");
        let image = words.nth(1).unwrap_or("of its Compose file");
        let image = image.trim_end_matches([':', ',', '.']).to_owned();
        return Some(ServiceError::NoImage { name: name(), image });
    }
    None
}

fn quoted(text: &str, before: &str) -> String {
    let rest = text.split_once(before).map(|(_, rest)| rest).unwrap_or_default();
    rest.split('"').nth(1).unwrap_or("?").to_owned()
}
