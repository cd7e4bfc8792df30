//! A fresh container for every run: `docker compose run --rm`.

use std::time::{Duration, Instant};

use super::containers::Containers;
use crate::campaign::attempt::{Attempt, Lifeline};
use crate::campaign::error::CampaignError;
use crate::campaign::world::{Entry, INNER};
use crate::engine::compose::Command;
use crate::engine::container::{CAMPAIGN, OWNER, RUN};
use crate::engine::invocation::Invocation;
use crate::engine::reply::Container;

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
        let inner = attempt.inner_words(lifeline);
        let (entrypoint, words) = match &world.entry {
            // `run` keeps the entrypoint, so the words are its arguments.
            Entry::Through(_) => (None, std::iter::once(INNER.to_owned()).chain(inner).collect()),
            Entry::Instead => (Some(INNER), inner),
        };
        let command = Command { service: &world.service, environment: &environment, words };
        Ok(self.containers.project.run(&attempt.container, &labels, entrypoint, &command))
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
