//! Services that live in containers: found by their labels or their name, never by what lem
//! remembers of them.

mod look;
mod owner;
mod possible;
mod start;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::cancel::Cancel;
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::life::{self, Life, Status};
use crate::engine::process::{self, Stream, capture};

pub(crate) use look::{Looked, look, stale};
pub(crate) use possible::possible;
pub(crate) use start::start;
pub(crate) use stop::stop;

/// How long the end of a container that was reported by its exit code alone is looked up.
const LOOKING: Duration = Duration::from_secs(5);

/// A container that was started, for those who wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    docker: Docker,
    pub id: String,
    pub name: String,
    /// Another start makes it another one.
    started_at: Option<Timestamp>,
    /// Its end, as `docker wait` reports it; watched from the first question on.
    end: Arc<tokio::sync::OnceCell<Watched>>,
}

#[derive(Debug)]
struct Watched {
    _stream: Stream,
    /// The exit code; an empty text, if docker only stopped to wait.
    ended: watch::Receiver<Option<String>>,
}

impl Instance {
    /// The container of this id.
    pub(crate) fn new(docker: Docker, life: &Life) -> Self {
        let (id, name) = (life.id.clone(), life.name.clone());
        Self { docker, id, name, started_at: life.started_at, end: Arc::default() }
    }

    /// Waits for the container's end and says how it ended. May be dropped and called again.
    pub(crate) async fn ended(&self) -> String {
        let watched = self.end.get_or_try_init(|| async { self.watch() }).await;
        if let Ok(watched) = watched {
            let mut ended = watched.ended.clone();
            let _ = ended.wait_for(Option::is_some).await;
        }
        // A client that was cut off says nothing; what is asked now is true in any case.
        loop {
            match self.life().await {
                Ok(Some(life)) if life.status == Status::Running => {
                    if life.started_at != self.started_at {
                        return "it ended, and was started again".to_owned();
                    }
                }
                Ok(Some(life)) => return how(&life),
                Ok(None) => return "its container was removed".to_owned(),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    fn watch(&self) -> Result<Watched, EngineError> {
        let (sender, ended) = watch::channel(None);
        let stream = Stream::start(&self.docker.wait(&self.id), move |line| {
            sender.send_if_modified(|end| {
                let first = end.is_none();
                end.get_or_insert_with(|| line.unwrap_or_default().to_owned());
                first
            });
        })?;
        Ok(Watched { _stream: stream, ended })
    }

    /// How it is; none, if it was removed.
    pub(crate) async fn life(&self) -> Result<Option<Life>, EngineError> {
        // A question that is part of a wait ends with that wait.
        let (_raise, never) = crate::cancel::pair();
        let reply = capture(&self.docker.lives(&[&self.id]), LOOKING, &never).await?;
        if reply.found_it_gone() {
            return Ok(None);
        }
        let text = reply.success(&self.docker.lives(&[&self.id]))?;
        Ok(life::lives(&text)?.into_iter().next())
    }
}

/// How a container ended.
pub(crate) fn how(life: &Life) -> String {
    let memory = if life.oom_killed { ", killed for its memory" } else { "" };
    let restarting = match life.status {
        Status::Restarting => ", and the engine starts it again",
        Status::Paused => return "it was paused".to_owned(),
        _ => "",
    };
    if !life.error.is_empty() {
        return format!("{} (exit code {})", life.error, life.exit_code);
    }
    format!("exit code {}{memory}{restarting}", life.exit_code)
}

/// Asks docker something short, as part of an operation.
async fn ask(
    invocation: &crate::engine::invocation::Invocation,
    cancel: &Cancel,
) -> Result<String, EngineError> {
    process::ask(invocation, cancel).await
}
