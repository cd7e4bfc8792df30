//! Whether nobody answers where a service should: before its start a sign that the place is free,
//! after its stop that it is gone.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::listeners::{self, Owner};
use crate::cancel::Cancel;
use crate::engine::process::ask;
use crate::engine::reply;
use crate::http::port;
use crate::services::connection::Connection;
use crate::services::error::ServiceError;
use crate::services::service::Service;

/// Of one look. Whoever accepts no connection in that time is somebody all the same.
const LOOK: Duration = Duration::from_millis(700);
/// Between two looks, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// Somebody listens at a service's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Without credentials.
    pub url: String,
    pub port: u16,
    /// Who, as far as `/proc` tells.
    pub by: Option<String>,
    /// Where exactly, if that was told in time.
    at: Option<SocketAddr>,
}

impl Taken {
    /// What that means for the start of a service.
    pub(crate) fn before_start(self, service: &Service) -> ServiceError {
        ServiceError::EndpointTaken { name: service.name.clone(), url: self.url, by: self.by }
    }
}

impl Taken {
    /// The processes that listen there, as far as they can be seen.
    pub(crate) async fn owners(&self) -> Vec<Owner> {
        let Some(at) = self.at else { return Vec::new() };
        tokio::task::spawn_blocking(move || listeners::owners(at)).await.unwrap_or_default()
    }

    /// The containers that publish the port.
    pub(crate) async fn containers(&self, connection: &Connection, cancel: &Cancel) -> Vec<String> {
        let Ok(engine) = connection.engine(cancel).await else { return Vec::new() };
        let text = ask(&engine.docker.publishing(self.port), cancel).await.unwrap_or_default();
        reply::names(&text).into_values().collect()
    }

    /// With the name of the container that the port leads to, if it is docker who listens.
    pub(crate) async fn with_container(mut self, connection: &Connection, cancel: &Cancel) -> Self {
        // Where the kernel alone leads packets to a container, no process listens.
        if self.by.as_ref().is_some_and(|by| !by.contains(listeners::DOCKER_PROXY)) {
            return self;
        }
        let names = self.containers(connection, cancel).await;
        if !names.is_empty() {
            self.by = Some(format!("container {}", names.join(", ")));
        }
        self
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "somebody listens at {}", self.url)?;
        self.by.as_ref().map_or(Ok(()), |by| write!(f, ": {by}"))
    }
}

/// Looks whether nobody listens at the service's endpoint. A service without one is silent.
///
/// # Errors
/// Who listens.
pub(crate) async fn is_silent(service: &Service) -> Result<(), Taken> {
    let health = &service.health;
    let mut urls: Vec<&str> =
        [&health.probe, &health.ready].into_iter().flatten().map(|it| it.url.as_str()).collect();
    urls.dedup_by_key(|url| port::of(url));
    for url in urls {
        look(url.to_owned()).await?;
    }
    Ok(())
}

/// Waits until nobody listens any more, as it must be after the end of a service.
///
/// # Errors
/// [`ServiceError::NotStopped`] with who still listens at the end of `limit`, or
/// [`ServiceError::Cancelled`].
pub(crate) async fn wait_until_silent(
    service: &Service,
    limit: Duration,
    cancel: &Cancel,
) -> Result<(), ServiceError> {
    let taken = tokio::select! {
        biased;
        signal = cancel.raised() => return Err(ServiceError::Cancelled { signal }),
        silent = silent_within(service, limit) => silent,
    };
    let name = || service.name.clone();
    taken.map_err(|taken| ServiceError::NotStopped { name: name(), why: taken.to_string() })
}

async fn silent_within(service: &Service, limit: Duration) -> Result<(), Taken> {
    let began = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let taken = match is_silent(service).await {
            Ok(()) => return Ok(()),
            Err(taken) => taken,
        };
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(taken);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn look(url: String) -> Result<(), Taken> {
    let shown = port::shown(&url);
    let taken = |port, by, at| Taken { url: shown.clone(), port, by, at };
    let number = port::of(&url).unwrap_or_default();
    let looking = tokio::task::spawn_blocking(move || {
        // A URL that is none was refused with the registry.
        let at = port::listener(&url, LOOK).ok().flatten();
        at.map(|at| (at, listeners::at(at)))
    });
    // A name server may take its time; that is no sign of silence.
    match tokio::time::timeout(LOOK + LOOK / 2, looking).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some((at, by)))) => Err(taken(at.port(), by, Some(at))),
        Ok(Err(_)) | Err(_) => Err(taken(number, None, None)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::cancel;
    use crate::http::tiny::{Server, hang};
    use crate::services::health::example;

    #[tokio::test]
    async fn f12_whatever_accepts_a_connection_is_not_silence() {
        let unfriendly = Server::always(500, "go away");
        let mute = Server::start(|stream, _| hang(stream));
        let unserved = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = unserved.local_addr().unwrap();
        for url in [unfriendly.url("/health"), mute.url("/"), format!("http://{at}/")] {
            let taken = is_silent(&example(&url)).await.unwrap_err();
            assert_eq!(taken.url, url);
            let by = taken.by.clone().unwrap_or_default();
            assert!(by.contains(&format!("pid {}", std::process::id())), "{taken}");
        }
        drop(unserved);
        assert_eq!(is_silent(&example(&format!("http://{at}/"))).await, Ok(()));
    }

    #[tokio::test]
    async fn f12_the_place_of_the_functional_probe_counts_too() {
        let other = Server::always(200, "");
        let mut service = example("http://127.0.0.1:1/");
        service.health.ready.clone_from(&example(&other.url("/")).health.probe);
        assert_eq!(is_silent(&service).await.unwrap_err().port, other.port());
        service.health.ready = None;
        service.health.probe = None;
        assert_eq!(is_silent(&service).await, Ok(()));
    }

    #[tokio::test]
    async fn f21_silence_is_waited_for() {
        let server = Server::always(200, "");
        let service = example(&server.url("/").replace("http://", "http://me:secret@"));
        let (raise, cancel) = cancel::pair();
        let soon = Duration::from_millis(100);
        let error = wait_until_silent(&service, soon, &cancel).await.unwrap_err().to_string();
        assert!(error.contains("somebody listens at http://127.0.0.1"), "{error}");
        assert!(error.contains("pid") && !error.contains("secret"), "{error}");
        let stop = tokio::task::spawn_blocking(move || drop(server));
        wait_until_silent(&service, Duration::from_secs(20), &cancel).await.unwrap();
        stop.await.unwrap();
        raise.raise(cancel::Signal::Interrupt);
        let cut = wait_until_silent(&service, Duration::from_secs(20), &cancel).await;
        assert!(matches!(cut, Err(ServiceError::Cancelled { .. })), "{cut:?}");
    }
}
