//! The loop: pause, start, watch, judge, record, again.

mod conclude;
mod result;
mod tries;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Moment;
use super::error::CampaignError;
use super::event::{Event, TimeSpent};
use super::gate::Gate;
use super::instance::Instance;
use super::plan::{Plan, Run};
use super::results_place::ResultsPlace;
use super::run_facts::Origin;
use super::settings::Settings;
use super::site::files::ComposeFiles;
use super::strategy::Strategy;
use crate::cancel::Cancel;
use crate::record::Store;

/// Everything the loop works with.
pub(crate) struct Runner<'a> {
    pub instance: &'a Instance,
    pub plan: &'a Plan,
    pub settings: &'a Settings,
    pub store: &'a mut Store,
    pub strategy: &'a mut Strategy,
    pub report: &'a mut dyn FnMut(Event),
    pub cancel: &'a Cancel,
    pub gate: &'a mut Gate,
    pub time: TimeSpent,
    /// Where containers are used: what they are made of.
    pub files: Option<ComposeFiles>,
    /// What every run's folder says about the campaign.
    pub origin: &'a Origin,
    /// Where the results are.
    pub place: &'a ResultsPlace,
    /// What this execution has seen so far.
    pub seen: Seen,
}

/// What the loop remembers from run to run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    failed: usize,
    /// Tries in a row under which the engine went away.
    outages: u32,
    /// When the last command ended, by the clock of the marks, and when lem saw it.
    command_ended: Option<(jiff::Timestamp, Moment)>,
    /// The results of runs that are not in the runs' folders, and whether the record was asked.
    results: Arc<HashSet<PathBuf>>,
    knows_results: bool,
    /// Of the run that comes: its pause and its wait for a GPU, in seconds.
    gap: f64,
    gate: f64,
}

impl Runner<'_> {
    /// Does `runs`, in order. A failing run is recorded and the next one follows; what ends the
    /// loop early is an error.
    pub(crate) async fn run(&mut self, runs: &[Run]) -> Result<(), CampaignError> {
        let mut last: Option<(Run, Instant)> = None;
        for (index, run) in runs.iter().enumerate() {
            if let Some((last, ended)) = last {
                self.pause(last, *run, ended).await?;
            }
            self.check_cancel()?;
            self.one(*run).await?;
            if index + 1 < runs.len() {
                self.enough_failures(runs.len())?;
            }
            last = Some((*run, Instant::now()));
        }
        Ok(())
    }

    fn check_cancel(&self) -> Result<(), CampaignError> {
        match self.cancel.now() {
            Some(signal) => Err(CampaignError::Interrupted { signal }),
            None => Ok(()),
        }
    }

    /// The pause counts from the end of the last run: what lem does in between is part of it.
    async fn pause(&mut self, last: Run, next: Run, ended: Instant) -> Result<(), CampaignError> {
        let gap = self.plan.gap(last, next).saturating_sub(ended.elapsed());
        if gap.is_zero() {
            return Ok(());
        }
        let next = self.plan.experiment(next).name.clone();
        (self.report)(Event::GapStarted { seconds: gap.as_secs_f64(), next });
        let began = Instant::now();
        tokio::select! {
            () = tokio::time::sleep(gap) => {}
            _ = self.cancel.raised() => {}
        }
        self.seen.gap = since(began);
        self.time.gaps += self.seen.gap;
        Ok(())
    }

    fn enough_failures(&self, total: usize) -> Result<(), CampaignError> {
        let failed = self.seen.failed;
        match self.settings.stop_after {
            Some(limit) if limit.reached(failed, total) => {
                Err(CampaignError::TooManyFailures { failed, total, limit })
            }
            _ => Ok(()),
        }
    }
}

/// The time as records hold it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Seconds since `began`.
pub(crate) fn since(began: Instant) -> f64 {
    Duration::as_secs_f64(&began.elapsed())
}
