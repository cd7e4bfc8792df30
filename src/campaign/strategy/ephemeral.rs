//! A fresh container for every run: `docker compose run --rm`.

use std::time::{Duration, Instant};

use super::containers::Containers;
use crate::campaign::attempt::{Attempt, Lifeline};
use crate::campaign::error::CampaignError;
use crate::campaign::keeper::Keeper;
use crate::campaign::world::Entry;
use crate::cancel::{self, Cancel};
use crate::engine::compose::Command;
use crate::engine::container::{CAMPAIGN, OWNER, RUN};
use crate::engine::invocation::Invocation;
use crate::engine::process::capture;
use crate::engine::reply::Container;

/// What the engine may take to stop a container, beyond its grace.
const STOPPING: Duration = Duration::from_secs(15);

/// Runs in containers of their own.
#[derive(Debug)]
pub(crate) struct Ephemeral {
    pub containers: Containers,
}

/// How long a container is removed, again and again.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a removal that is under way is waited for.
const GOING: Duration = Duration::from_secs(5);

impl Ephemeral {
    /// `docker compose run --rm … SERVICE COMMAND`.
    pub(crate) fn invocation(
        &self,
        attempt: &Attempt,
        lifeline: Lifeline,
    ) -> Result<Invocation, CampaignError> {
        let world = self.containers.world(attempt)?;
        let environment = Containers::environment(attempt, world);
        let labels = [
            format!("{OWNER}={}", self.containers.owner),
            format!("{CAMPAIGN}={}", attempt.instance),
            format!("{RUN}={}", attempt.run),
        ];
        let mut words = world.keeper.words(attempt, lifeline);
        let entrypoint = match &world.entry {
            // `run` keeps the entrypoint, so the words are its arguments.
            Entry::Through(_) => None,
            Entry::Instead => words.splice(..words.len().min(1), []).next(),
        };
        let command = Command { service: &world.service, environment: &environment, words };
        Ok(self.containers.project.run(
            &attempt.container,
            &labels,
            entrypoint.as_deref(),
            &command,
        ))
    }

    /// Asks a run that nobody keeps to end, and ends it after its grace: its container's first
    /// process hears the TERM, and passes it on.
    pub(crate) async fn stop(&self, attempt: &Attempt, cancel: &Cancel) {
        if attempt.keeper != Keeper::Nobody {
            return;
        }
        let stop = self.containers.docker.stop_within(attempt.grace.as_secs(), &attempt.container);
        let (_raise, never) = cancel::pair();
        // However it goes, the container is removed afterwards.
        tokio::select! {
            _ = capture(&stop, attempt.grace + STOPPING, &never) => {}
            () = cancel.insisted() => {}
        }
    }

    /// Removes the run's container until it is absent twice: a request that was under way when the
    /// client ended still makes one.
    pub(crate) async fn make_sure_gone(&self, attempt: &Attempt) -> Result<(), CampaignError> {
        let began = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        let mut absent = 0;
        while absent < 2 {
            tick.tick().await;
            let left = self.containers.list(&format!("{RUN}={}", attempt.run)).await?;
            let ids: Vec<&str> = left.iter().map(|container| container.id.as_str()).collect();
            // An engine that was killed may never get to the end of a removal. Nothing runs in it.
            let going = left.iter().all(Container::is_being_removed);
            if ids.is_empty() || (going && began.elapsed() > GOING) {
                absent += 1;
                continue;
            }
            absent = 0;
            self.containers.remove(&ids).await?;
            if began.elapsed() > LIMIT {
                return Err(CampaignError::LeftBehind {
                    what: attempt.container.clone(),
                    command: self.containers.docker.remove(&[&attempt.container]).to_string(),
                });
            }
        }
        Ok(())
    }
}
