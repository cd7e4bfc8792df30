//! The wait for a service's health: a race between its probes, its end, its limits and the user.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::ask::{Found, ask};
use super::limits::Limits;
use super::{Healthy, Heard, LAST_LINES, Owner, Verdict};
use crate::cancel::Cancel;
use crate::services::error::{Limit, ServiceError};
use crate::services::service::{Health, Probe, Service};

/// The shortest pause between two probes, unless `interval` is shorter.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// A pause is so small a part of the wait so far: no probe is late by more than that.
const SHARE: u32 = 16;
/// Beyond the limits: for an owner that does not say in time whether it lives.
const SLACK: Duration = Duration::from_millis(250);
/// How long the last words may take to come: with [`SLACK`] less than a second.
const LAST_WORDS: Duration = Duration::from_millis(600);
/// The same for an owner that ended: nothing presses any more.
const WORDS_OF_THE_DEAD: Duration = Duration::from_secs(5);
/// How long one that does not live any more may take to say how it ended.
const OBITUARY: Duration = Duration::from_secs(1);

/// Waits until the service is healthy: `warm_time`, then `probe`, then `ready`, with `owner` alive at
/// each good answer. The owner's end and the user's wish end it at any moment.
///
/// # Errors
/// [`ServiceError::Died`], [`ServiceError::Unhealthy`] or [`ServiceError::Cancelled`].
pub(crate) async fn wait(
    service: &Service,
    owner: &impl Owner,
    cancel: &Cancel,
    heard: impl FnMut(Heard),
) -> Result<Healthy, ServiceError> {
    let mut watch = Watch {
        service,
        owner,
        heard,
        told: BTreeSet::new(),
        began: Instant::now(),
        attempts: 0,
        last: "it was not asked".to_owned(),
    };
    let end = tokio::select! {
        biased;
        signal = cancel.raised() => return Err(ServiceError::Cancelled { signal }),
        how = owner.ended() => Err(End::Owner(how)),
        end = watch.healthy() => end,
    };
    match end {
        Ok(()) => Ok(Healthy { attempts: watch.attempts, waited: watch.began.elapsed() }),
        Err(end) => tokio::select! {
            signal = cancel.raised() => Err(ServiceError::Cancelled { signal }),
            error = watch.error(end) => Err(error),
        },
    }
}

/// Why a wait is over without success.
enum End {
    Limit(Limit),
    /// How it ended.
    Owner(String),
    /// It ended, and has not said how.
    Gone,
}

/// Which of the two questions is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Probe,
    Ready,
}

struct Watch<'w, O, H> {
    service: &'w Service,
    owner: &'w O,
    heard: H,
    told: BTreeSet<String>,
    began: Instant,
    attempts: u32,
    last: String,
}

impl<O: Owner, H: FnMut(Heard)> Watch<'_, O, H> {
    async fn healthy(&mut self) -> Result<(), End> {
        let health = &self.service.health;
        if !health.warm_time.is_zero() {
            (self.heard)(Heard::Warming { time: health.warm_time });
            tokio::time::sleep(health.warm_time).await;
        }
        let limits = Limits::start(health, self.owner).await;
        // Every part keeps the limits; this is for a part that does not come back.
        let end = limits.end() + SLACK;
        match tokio::time::timeout(end, self.within(limits)).await {
            Ok(healthy) => healthy,
            Err(_) => Err(End::Limit(Limit::Timeout)),
        }
    }

    async fn within(&mut self, mut limits: Limits) -> Result<(), End> {
        let health = &self.service.health;
        match &health.probe {
            Some(probe) => self.content(Stage::Probe, probe, &mut limits).await?,
            None => self.unprobed(&mut limits).await?,
        }
        if let Some(ready) = &health.ready {
            (self.heard)(Heard::Answers);
            self.content(Stage::Ready, ready, &mut limits).await?;
        }
        Ok(())
    }

    /// Asks until the answers are as expected.
    async fn content(
        &mut self,
        stage: Stage,
        probe: &Probe,
        limits: &mut Limits,
    ) -> Result<(), End> {
        let health = &self.service.health;
        let wanted = match stage {
            Stage::Probe => health.success_threshold.max(1),
            Stage::Ready => 1,
        };
        let (mut streak, begun) = (0, Instant::now());
        loop {
            let left = limits.left(self.owner, self.attempts).await.map_err(End::Limit)?;
            let limit = match stage {
                Stage::Probe => health.attempt_timeout.min(left),
                // Some load their model for the first real question, and stop when who asked goes.
                Stage::Ready => left,
            };
            self.attempts += 1;
            let asked = Instant::now();
            let found = ask(probe, limit).await;
            if found.is_content() && self.lives(left).await? {
                streak += 1;
                if streak >= wanted {
                    return Ok(());
                }
            } else {
                streak = 0;
                // One that the end cut off says nothing about the service.
                let is_cut = limit < health.attempt_timeout && found.is_late();
                if !is_cut || self.attempts == 1 {
                    self.not_yet(&found);
                }
            }
            let pause = if streak > 0 { health.interval } else { pause(health, begun.elapsed()) };
            tokio::time::sleep(pause.min(left.saturating_sub(asked.elapsed()))).await;
        }
    }

    /// Without a probe: what its container's healthcheck says, else that it stays alive.
    async fn unprobed(&mut self, limits: &mut Limits) -> Result<(), End> {
        let health = &self.service.health;
        let mut pause = FIRST_PAUSE.min(health.interval);
        let mut alive_since: Option<Instant> = None;
        loop {
            let left = limits.left(self.owner, 0).await.map_err(End::Limit)?;
            let verdict = self.owner.own_verdict().await;
            let is_checked = !matches!(verdict, Ok(None));
            match verdict {
                Ok(Some(Verdict::Healthy)) if self.lives(left).await? => return Ok(()),
                Ok(Some(Verdict::Starting)) => self.say("its healthcheck has not passed yet"),
                // It may recover: the limit is the registry's.
                Ok(Some(Verdict::Unhealthy)) => self.say("its healthcheck fails"),
                Ok(None) if self.lives(left).await? => {
                    let since = *alive_since.get_or_insert_with(Instant::now);
                    let stays = health.stable.saturating_sub(since.elapsed());
                    if stays.is_zero() {
                        return Ok(());
                    }
                    self.last = String::from("it has not been running for long enough");
                    tokio::time::sleep(stays.min(left)).await;
                    continue;
                }
                // Nobody says whether it lives.
                Ok(Some(Verdict::Healthy) | None) => {}
                Err(error) => self.say(&error.to_string()),
            }
            if is_checked {
                alive_since = None;
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(health.interval);
        }
    }

    /// Whether the owner lives at this moment: a good answer may be somebody else's.
    async fn lives(&mut self, left: Duration) -> Result<bool, End> {
        match tokio::time::timeout(left + SLACK, self.owner.is_alive()).await {
            Ok(Ok(true)) => Ok(true),
            Ok(Ok(false)) => Err(End::Gone),
            Ok(Err(error)) => {
                self.say(&error.to_string());
                Ok(false)
            }
            Err(_) => {
                self.say("nobody says whether it still runs");
                Ok(false)
            }
        }
    }

    fn not_yet(&mut self, found: &Found) {
        if !found.is_content() {
            self.say(&found.why());
            self.last = found.in_full();
        }
    }

    fn say(&mut self, why: &str) {
        why.clone_into(&mut self.last);
        if self.told.insert(why.to_owned()) {
            (self.heard)(Heard::NotYet { why: why.to_owned() });
        }
    }

    /// With the last words of the service.
    async fn error(&self, end: End) -> ServiceError {
        let name = self.service.name.clone();
        let tail = |limit| async move {
            tokio::time::timeout(limit, self.owner.tail(LAST_LINES)).await.unwrap_or_default()
        };
        let how = match end {
            End::Limit(limit) => {
                return ServiceError::Unhealthy {
                    name,
                    waited: self.began.elapsed(),
                    attempts: self.attempts,
                    limit,
                    last: self.last.clone(),
                    tail: tail(LAST_WORDS).await,
                };
            }
            End::Owner(how) => how,
            End::Gone => tokio::time::timeout(OBITUARY, self.owner.ended())
                .await
                .unwrap_or_else(|_| "it does not run any more".to_owned()),
        };
        ServiceError::Died { name, how, tail: tail(WORDS_OF_THE_DEAD).await }
    }
}

/// The pause before the next probe. Who counts attempts means them to be `interval` apart.
fn pause(health: &Health, waited: Duration) -> Duration {
    match health.max_attempts {
        Some(_) => health.interval,
        None => (waited / SHARE).max(FIRST_PAUSE).min(health.interval),
    }
}

#[cfg(test)]
mod tests;
