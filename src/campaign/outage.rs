//! An engine that went away, hangs or talks nonsense in the middle of a campaign: it is waited for,
//! with a deadline, and only then is anything else done. What it was told last may have happened.

use std::path::Path;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use super::attempt::Attempt;
use super::error::CampaignError;
use super::event::{Event, RestartReason};
use super::settings::Settings;
use super::strategy::Strategy;
use super::verdict::Stopped;
use super::watch::{Marks, last_lines};
use crate::cancel::{self, Cancel};
use crate::engine::container::Docker;
use crate::engine::error::{EngineError, speaks_of_an_outage};
use crate::engine::process::{Exit, capture};
use crate::inner::mark::EndReason;

/// What an engine that answers takes at most, on a busy machine.
const ANSWER: Duration = Duration::from_secs(10);
/// A run that says nothing for so long makes lem ask whether the engine is still there: often
/// enough for a night, too seldom to disturb a measurement.
const SILENCE: Duration = Duration::from_secs(60);
/// The same, for who has little patience.
const SHORTEST_SILENCE: Duration = Duration::from_millis(250);
/// Unanswered questions in a row that mean that the engine hangs.
const UNANSWERED: u32 = 3;
/// How often an outage may interrupt one piece of work.
const MOST: u32 = 10;

/// Who waits for the engine, and how long.
pub(crate) struct Patience<'a> {
    pub settings: &'a Settings,
    pub cancel: &'a Cancel,
    pub report: &'a mut dyn FnMut(Event),
    /// How often the engine was away.
    pub outages: u32,
    /// How long it was, in seconds.
    pub waited: f64,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        cancel: &'a Cancel,
        report: &'a mut dyn FnMut(Event),
    ) -> Self {
        Self { settings, cancel, report, outages: 0, waited: 0.0 }
    }

    /// Waits until the engine answers.
    ///
    /// # Errors
    /// It doesn't within `docker.engine_timeout`, or the user wants the end.
    pub(crate) async fn wait(&mut self, strategy: &Strategy) -> Result<(), CampaignError> {
        let Some(docker) = strategy.docker() else { return Ok(()) };
        let (began, limit) = (Instant::now(), self.settings.engine_timeout);
        let mut pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .without_max_times()
            .build();
        let mut said = false;
        while let Err(error) = answers(docker, patience(limit), self.cancel).await {
            if !error.is_outage() {
                return Err(error.into());
            }
            if !std::mem::replace(&mut said, true) {
                let (reason, limit_seconds) = (error.to_string(), limit.as_secs_f64());
                (self.report)(Event::EngineAway { reason, limit_seconds });
            }
            if began.elapsed() >= limit {
                return Err(CampaignError::EngineAway { limit, source: error });
            }
            tokio::select! {
                () = tokio::time::sleep(pauses.next().unwrap_or_default()) => {}
                _ = self.cancel.raised() => return Err(EngineError::Cancelled.into()),
            }
        }
        if said {
            self.outages += 1;
            self.waited += began.elapsed().as_secs_f64();
            (self.report)(Event::EngineBack { seconds: began.elapsed().as_secs_f64() });
        }
        Ok(())
    }

    /// Ends what is left of a try.
    pub(crate) async fn make_sure_gone(
        &mut self,
        strategy: &mut Strategy,
        attempt: &Attempt,
        marks: &Marks,
    ) -> Result<(), CampaignError> {
        let cancel = self.cancel;
        self.through(strategy, async |it| it.make_sure_gone(attempt, marks, cancel).await).await
    }

    /// Ends what a lem that was killed may have left of a try.
    pub(crate) async fn end_earlier(
        &mut self,
        strategy: &mut Strategy,
        attempt: &Attempt,
        marks: &Marks,
    ) -> Result<(), CampaignError> {
        let cancel = self.cancel;
        self.through(strategy, async |it| it.end_earlier(attempt, marks, cancel).await).await
    }

    /// Makes sure that a run can start.
    pub(crate) async fn prepare(
        &mut self,
        strategy: &mut Strategy,
        attempt: &Attempt,
    ) -> Result<Option<RestartReason>, CampaignError> {
        let cancel = self.cancel;
        self.through(strategy, async |it| it.prepare(attempt, cancel).await).await
    }

    /// Brings up again what an engine that was lost may have ended.
    pub(crate) async fn recover(&mut self, strategy: &mut Strategy) -> Result<(), CampaignError> {
        strategy.engine_was_lost();
        self.wait(strategy).await?;
        let cancel = self.cancel;
        self.through(strategy, async |it| it.recover(cancel).await).await
    }

    /// Does `work` however often the engine goes away meanwhile.
    async fn through<T>(
        &mut self,
        strategy: &mut Strategy,
        mut work: impl AsyncFnMut(&mut Strategy) -> Result<T, CampaignError>,
    ) -> Result<T, CampaignError> {
        let mut outages = 0;
        loop {
            match work(strategy).await {
                Err(error) if error.is_outage() && outages < MOST => {
                    outages += 1;
                    strategy.engine_was_lost();
                    self.wait(strategy).await?;
                }
                other => return other,
            }
        }
    }
}

/// How long one answer is waited for, of an engine that gets `timeout` in all: no engine answers in
/// no time.
fn patience(timeout: Duration) -> Duration {
    timeout.clamp(Duration::from_secs(1), ANSWER)
}

/// Whether the engine answers, in a word.
async fn answers(docker: &Docker, limit: Duration, cancel: &Cancel) -> Result<(), EngineError> {
    let question = docker.server_version();
    let version = capture(&question, limit, cancel).await?.success(&question)?;
    if crate::engine::reply::version(&version).is_some() {
        return Ok(());
    }
    Err(EngineError::Down { reason: format!("it says that its version is `{}`", version.trim()) })
}

/// Whether the engine went away under a try whose client has ended. It is asked only where what is
/// known leaves that open: nearly never.
pub(crate) async fn happened(strategy: &Strategy, breaks: u64, client: &Client<'_>) -> bool {
    let Some(docker) = strategy.docker() else { return false };
    let (marks, broke) = (client.marks, strategy.breaks() != breaks);
    match (client.stopped, &marks.ended) {
        (Some(Stopped::User), _) => false,
        (Some(Stopped::EngineHangs), _) => true,
        (_, Some(ended)) if ended.reason.is_the_commands_own() => {
            client.was_cut_off() && unanswered(docker).await
        }
        // An engine that ends lets go of the lifeline, or ends its containers in order: it signals no
        // command. That its events broke off proves nothing alone: their client may have been killed.
        (Some(_), _) => unanswered(docker).await,
        (None, Some(ended)) if ended.reason == EndReason::Signaled => unanswered(docker).await,
        (None, Some(_)) => broke || unanswered(docker).await,
        (None, None) if marks.started.is_some() => broke || unanswered(docker).await,
        (None, None) => {
            speaks_of_an_outage(&last_lines(client.log, 5).join("\n"))
                || (client.was_cut_off() && unanswered(docker).await)
        }
    }
}

/// What is known of a try whose client has ended.
pub(crate) struct Client<'a> {
    pub stopped: Option<Stopped>,
    pub exit: Exit,
    pub marks: &'a Marks,
    pub log: &'a Path,
}

impl Client<'_> {
    /// Whether the client did not see the end of its run, which may have left its container.
    pub(crate) fn was_cut_off(&self) -> bool {
        let code = self.marks.ended.as_ref().and_then(|ended| ended.exit_code);
        match (self.exit, code) {
            // Each version of Compose has a code of its own for an engine that is gone.
            (Exit::Code(seen), Some(code)) => seen != code,
            (Exit::Code(seen), None) => matches!(seen, 125 | 255),
            (Exit::Signal(_), _) => true,
        }
    }
}

async fn unanswered(docker: &Docker) -> bool {
    let (_raise, never) = cancel::pair();
    answers(docker, ANSWER, &never).await.is_err()
}

/// Ends when a run says nothing and the engine doesn't answer either: its client would wait for
/// ever for an engine that hangs.
pub(crate) async fn hang(strategy: &Strategy, log: &Path, settings: &Settings, cancel: &Cancel) {
    let Some(docker) = strategy.docker() else { return std::future::pending().await };
    let silence = (settings.engine_timeout / 4).clamp(SHORTEST_SILENCE, SILENCE);
    let length = || std::fs::metadata(log).map_or(0, |log| log.len());
    let (mut said, mut unanswered) = (length(), 0);
    while unanswered < UNANSWERED {
        tokio::time::sleep(silence).await;
        let now = length();
        let talks = std::mem::replace(&mut said, now) != now;
        if talks {
            unanswered = 0;
            continue;
        }
        unanswered = match answers(docker, patience(settings.engine_timeout), cancel).await {
            Err(error) if error.is_outage() => unanswered + 1,
            Ok(()) | Err(_) => 0,
        };
    }
}
