//! What docker answers to the doctor's questions: each with a deadline, all at once.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::cancel::Cancel;
use crate::engine::about::{self, About, Client};
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;
use crate::engine::place::Endpoint;
use crate::engine::process::capture;

/// Longer than a healthy engine takes, and short enough to wait for one that never answers.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// The client.
pub(super) struct Asked {
    pub docker: Docker,
    pub client: Result<Client, EngineError>,
    /// Where the client looks for the engine.
    pub endpoint: Endpoint,
}

/// The engine.
pub(super) struct Answer {
    pub engine: Result<About, EngineError>,
    /// The engine's clock before this machine's, in seconds; negative behind it. And how far off
    /// that may be: the time that the answer took.
    pub clock: Option<(f64, f64)>,
}

/// The client, if there is one.
pub(super) fn docker() -> Option<Docker> {
    which::which("docker").ok().map(Docker)
}

/// Asks the client of itself.
pub(super) async fn client(docker: Docker, cancel: &Cancel) -> Asked {
    let (client, endpoint) = (docker.client(), docker.endpoint());
    let (client, endpoint) = tokio::join!(said(&client, cancel), said(&endpoint, cancel));
    let client = client.and_then(|text| Ok(about::client(&text)?));
    let endpoint = endpoint.map_or(Endpoint::Unknown, |text| Endpoint::read(&text));
    Asked { docker, client, endpoint }
}

async fn said(invocation: &Invocation, cancel: &Cancel) -> Result<String, EngineError> {
    capture(invocation, PATIENCE, cancel).await?.success(invocation)
}

/// Asks the engine.
pub(super) async fn engine(docker: &Docker, cancel: &Cancel) -> Answer {
    let failed = |error| Answer { engine: Err(error), clock: None };
    let (begun, asked_at) = (Instant::now(), Timestamp::now());
    // Newer clients end with 1 when the engine is down, and say why on standard output all the same.
    let reply = match capture(&docker.info(), PATIENCE, cancel).await {
        Ok(reply) => reply,
        Err(error) => return failed(error),
    };
    let took = begun.elapsed().as_secs_f64();
    let about = match about::engine(&reply.stdout) {
        Ok(about) => about,
        Err(_) if !reply.stderr.trim().is_empty() => {
            return failed(EngineError::Down { reason: reply.stderr.trim().to_owned() });
        }
        Err(unexpected) => return failed(unexpected.into()),
    };
    if let Some(reason) = about.error(&reply.stderr) {
        return failed(EngineError::Down { reason });
    }
    // The engine looked at its clock somewhere between the question and the answer.
    let clock = about.system_time.parse::<Timestamp>().ok().map(|there| {
        let ahead = there.duration_since(asked_at).as_secs_f64();
        (ahead - took / 2.0, took / 2.0)
    });
    Answer { engine: Ok(about), clock }
}
