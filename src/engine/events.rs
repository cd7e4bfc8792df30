//! The engine's event stream of one owner, kept while a campaign runs.
//!
//! It tells what no exit code can: whether the kernel killed something for memory, and whether a
//! held container is still the one it was. Opened before the first container; reopened from where
//! it broke off, since an engine that restarts ends it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::container::Docker;
use super::error::EngineError;
use super::process::Stream;
use super::reply::{self, Event};

/// What has happened so far, and the stream that says so.
#[derive(Debug)]
pub(crate) struct Events {
    docker: Docker,
    owner: String,
    seen: Arc<Mutex<Seen>>,
    stream: Mutex<Option<Stream>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The newest events; a mark counts those that were forgotten too.
    events: VecDeque<Event>,
    forgotten: usize,
    since: String,
    broken: bool,
    /// How often the stream broke.
    breaks: u64,
}

/// More than the containers of a campaign can have between two looks.
const REMEMBERED: usize = 4096;

impl Events {
    /// Opens the stream. Events from now on are seen even if the client is slow to connect.
    pub(crate) fn open(docker: &Docker, owner: &str) -> Result<Self, EngineError> {
        let events = Self::unopened(docker, owner);
        events.connect()?;
        Ok(events)
    }

    /// A stream that nobody has started: nothing is seen.
    pub(crate) fn unopened(docker: &Docker, owner: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        let seen = Arc::new(Mutex::new(Seen { since, ..Seen::default() }));
        Self { docker: docker.clone(), owner: owner.to_owned(), seen, stream: Mutex::new(None) }
    }

    fn connect(&self) -> Result<(), EngineError> {
        let since = self.lock().since.clone();
        let seen = Arc::clone(&self.seen);
        let stream = Stream::start(&self.docker.events(&self.owner, &since), move |line| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            match line.map(reply::event) {
                Some(Ok(event)) => seen.add(event),
                Some(Err(_)) => {}
                None => {
                    seen.broken = true;
                    seen.breaks += 1;
                }
            }
        })?;
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A mark: events after it are those that happen from now on.
    pub(crate) fn mark(&self) -> usize {
        self.reconnect_if_broken();
        let seen = self.lock();
        seen.forgotten + seen.events.len()
    }

    /// Whether `action` happened to the container (by id or name) after the mark.
    pub(crate) fn happened(&self, mark: usize, container: &str, action: &str) -> bool {
        let seen = self.lock();
        let new = seen.events.iter().skip(mark.saturating_sub(seen.forgotten));
        let mut found = new.filter(|event| event.action == action);
        found.any(|event| event.container == container || event.name == container)
    }

    /// The exit code with which the container (by id or name) ended after the mark.
    pub(crate) fn exit_code(&self, mark: usize, container: &str) -> Option<i32> {
        let seen = self.lock();
        let mut new = seen.events.iter().skip(mark.saturating_sub(seen.forgotten));
        let is_end = |event: &&Event| {
            event.action == "die" && (event.container == container || event.name == container)
        };
        new.find(is_end)?.exit_code
    }

    /// Waits until a command beside the container's own ended in it with `code` after the mark; false
    /// at the deadline.
    pub(crate) async fn wait_for_exec(
        &self,
        mark: usize,
        container: &str,
        code: i32,
        limit: Duration,
    ) -> bool {
        let has_ended = || {
            let seen = self.lock();
            let mut new = seen.events.iter().skip(mark.saturating_sub(seen.forgotten));
            new.any(|event| {
                event.action == "exec_die"
                    && event.container == container
                    && event.exit_code == Some(code)
            })
        };
        let polling = async {
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            while !has_ended() {
                tick.tick().await;
            }
        };
        tokio::time::timeout(limit, polling).await.is_ok()
    }

    /// Whether the second action happened to the container after the first, both after the mark.
    pub(crate) fn followed(&self, mark: usize, container: &str, actions: [&str; 2]) -> bool {
        let seen = self.lock();
        let mut new = seen
            .events
            .iter()
            .skip(mark.saturating_sub(seen.forgotten))
            .filter(|event| event.container == container || event.name == container);
        let mut next = |action: &str| new.any(|event| event.action == action);
        next(actions[0]) && next(actions[1])
    }

    /// Waits until `action` happened to the container after the mark; false at the deadline.
    pub(crate) async fn wait(
        &self,
        mark: usize,
        container: &str,
        action: &str,
        limit: Duration,
    ) -> bool {
        let polling = async {
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            while !self.happened(mark, container, action) {
                tick.tick().await;
            }
        };
        tokio::time::timeout(limit, polling).await.is_ok()
    }

    /// How often the stream broke so far. Where the number is another one than before, something
    /// may have happened that nobody saw.
    pub(crate) fn breaks(&self) -> u64 {
        self.lock().breaks
    }

    fn reconnect_if_broken(&self) {
        let broken = std::mem::take(&mut self.lock().broken);
        if broken && self.connect().is_err() {
            self.lock().broken = true;
        }
    }
}

impl Seen {
    fn add(&mut self, event: Event) {
        self.since.clone_from(&event.time);
        // A healthcheck that is content: nobody asks for it, and a night has thousands.
        if event.action == "exec_die" && event.exit_code == Some(0) {
            return;
        }
        self.events.push_back(event);
        if self.events.len() > REMEMBERED {
            self.events.pop_front();
            self.forgotten += 1;
        }
    }
}
