//! The loop: pause, start, watch, judge, record, again.

use std::time::{Duration, Instant, SystemTime};

use super::attempt::Attempt;
use super::error::CampaignError;
use super::event::{Event, RestartReason, TimeSpent};
use super::gate::{Gate, Passage, Waiting};
use super::instance::Instance;
use super::outcome::outcome;
use super::plan::{Plan, Run};
use super::retry::{Earlier, Tried, waits};
use super::run_facts::{Facts, Origin};
use super::run_folder::{self, Writers};
use super::settings::{RunnerKind, Settings};
use super::strategy::Strategy;
use super::verdict::{self, Evidence, Stopped, Verdict};
use super::watch::{self, Observed, last_lines};
use crate::cancel::Cancel;
use crate::engine::process::Exit;
use crate::foreign_file;
use crate::inner::EXIT_UNWRITABLE;
use crate::record::{Beginning, Outcome, Store};

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
    /// What every run's folder says about the campaign.
    pub origin: &'a Origin,
    /// What this execution has seen so far.
    pub seen: Seen,
}

/// What the loop remembers from run to run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    failed: usize,
    /// When the last command ended, by the clock of the marks.
    command_ended: Option<jiff::Timestamp>,
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

    /// A run with all its tries.
    async fn one(&mut self, run: Run) -> Result<(), CampaignError> {
        let mut waits = waits(&self.settings.retry);
        let mut earlier = Earlier::Unknown;
        loop {
            let wait = waits.next();
            let Tried { verdict, attempt } = self.try_once(run, earlier, wait.is_some()).await?;
            earlier = Earlier::Gone;
            let Some(wait) = wait.filter(|_| self.settings.retry.on.contains(&verdict)) else {
                self.seen.failed += usize::from(verdict != Verdict::Completed);
                return Ok(());
            };
            (self.report)(Event::RetryWaiting {
                run: self.instance.run_id(run),
                seconds: wait.as_secs_f64(),
                attempt: attempt + 1,
            });
            let began = Instant::now();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.cancel.raised() => {}
            }
            self.time.retries += since(began);
            self.check_cancel()?;
        }
    }

    /// One try, from its record to its verdict; `again`: another one may follow.
    async fn try_once(
        &mut self,
        run: Run,
        earlier: Earlier,
        again: bool,
    ) -> Result<Tried, CampaignError> {
        let experiment = self.plan.experiment(run);
        let beginning = Beginning {
            started_at: &now(),
            service: self.instance.service_of.get(run.experiment).map(String::as_str),
            strategy: self.settings.strategy_name(),
        };
        let number = self.store.run_starts(&self.instance.id, run.position, &beginning)?;
        let attempt = self.instance.attempt(self.plan, run, number, self.settings)?;
        if let Err(error) = self.prepare(run, number, earlier, &attempt).await {
            return self.broken_off(run, error);
        }
        (self.report)(Event::RunStarted {
            run: attempt.run.clone(),
            experiment: experiment.name.clone(),
            cycle: run.cycle,
            position: run.position,
            attempt: number,
            service: attempt.service.clone(),
            log: attempt.folder.join(run_folder::LOG),
        });
        let tried = self.attempt(run, &attempt).await;
        match tried {
            Ok((began, observed)) => {
                let verdict = self.conclude(run, &attempt, (began, &observed), again)?;
                Ok(Tried { verdict, attempt: number })
            }
            Err(error) => self.broken_off(run, error),
        }
    }

    /// Nothing is known of the run any more: a resume does it again.
    fn broken_off<T>(&mut self, run: Run, error: CampaignError) -> Result<T, CampaignError> {
        let outcome = Outcome::interrupted(now());
        self.store.run_ended(&self.instance.id, run.position, &outcome)?;
        Err(self.interrupted_or(error))
    }

    /// Makes the run's folder ready for a try.
    async fn prepare(
        &mut self,
        run: Run,
        number: u32,
        earlier: Earlier,
        attempt: &Attempt,
    ) -> Result<(), CampaignError> {
        if number > 1 && earlier == Earlier::Unknown {
            // All tries of a run carry the same mark: what ends one would end the other.
            let uid = watch::user_of(&attempt.folder);
            self.strategy.end_earlier(attempt, uid).await?;
        }
        let experiment = self.plan.experiment(run);
        let config = run_folder::config_text(&experiment.name, &experiment.config)
            .map_err(|source| CampaignError::Unwritable { path: attempt.folder.clone(), source })?;
        let writers = match attempt.service {
            Some(_) => Writers::Anyone,
            None => Writers::Owner,
        };
        run_folder::prepare(&attempt.folder, number, &config, writers)?;
        Facts::of(self.origin, self.plan, run, &attempt.run, number).write(&attempt.folder)?;
        Ok(())
    }

    /// An error that only says that the user's wish cut something off is that wish.
    fn interrupted_or(&self, error: CampaignError) -> CampaignError {
        self.cancel.now().map_or(error, |signal| CampaignError::Interrupted { signal })
    }

    async fn attempt(
        &mut self,
        run: Run,
        attempt: &Attempt,
    ) -> Result<(SystemTime, Observed), CampaignError> {
        if let Some(reason) = self.strategy.prepare(attempt, self.cancel).await? {
            self.report_restart(attempt, reason);
        }
        let began = SystemTime::now();
        if let Some(kept_out) = self.wait_for_gpus(run, attempt).await? {
            return Ok((began, kept_out));
        }
        let observed =
            watch::run(attempt, self.strategy, self.settings, self.report, self.cancel).await?;
        let never_began = observed.started.is_none() && observed.stopped.is_none();
        // A held container may die in the moment before the exec; then the run did not begin, and
        // it may try once more in the container that is started again.
        if never_began && let Some(reason) = self.strategy.prepare(attempt, self.cancel).await? {
            self.report_restart(attempt, reason);
            let again =
                watch::run(attempt, self.strategy, self.settings, self.report, self.cancel).await?;
            return Ok((began, again));
        }
        Ok((began, observed))
    }

    /// Waits at the gate; what there is to say of a run that it keeps out.
    async fn wait_for_gpus(
        &mut self,
        run: Run,
        attempt: &Attempt,
    ) -> Result<Option<Observed>, CampaignError> {
        let began = Instant::now();
        let waiting =
            Waiting { attempt, strategy: self.strategy, report: self.report, cancel: self.cancel };
        let passage = self.gate.pass(run, waiting).await;
        self.seen.gate += since(began);
        self.time.gate += since(began);
        match passage? {
            Passage::Open => Ok(None),
            Passage::Busy(lines) => Observed::kept_out(attempt, Stopped::NotFree, &lines).map(Some),
            Passage::Lost(lines) => Observed::kept_out(attempt, Stopped::NoGpu, &lines).map(Some),
        }
    }

    fn report_restart(&mut self, attempt: &Attempt, reason: RestartReason) {
        for (service, restarts) in self.strategy.restarts() {
            if Some(&service) == attempt.service.as_ref() {
                (self.report)(Event::ServiceRestarted { service, restarts, reason });
            }
        }
    }

    fn conclude(
        &mut self,
        run: Run,
        attempt: &Attempt,
        (began, observed): (SystemTime, &Observed),
        again: bool,
    ) -> Result<Verdict, CampaignError> {
        let lines = last_lines(&observed.log, 20);
        let result = run_folder::find_result(
            &attempt.folder,
            &attempt.run,
            &self.settings.results_dir,
            began,
        );
        if let Some(file) = result.as_ref().and_then(|path| foreign_file::open(path).ok()) {
            // The record says that there is a result; after a power cut there must be one.
            let _ = file.sync_all();
        }
        let verdict = verdict::judge(&Evidence {
            stopped: observed.stopped,
            started: observed.started.is_some(),
            ended: observed.ended.as_ref(),
            exit: observed.exit,
            oom: observed.oom,
            last_lines: &lines.join("\n"),
            result: result.is_some(),
            result_required: self.settings.require_result,
        });
        let retried = again && self.settings.retry.on.contains(&verdict);
        let outcome = Outcome {
            gap_seconds: Some(if retried {
                // The next try of the run has the same pause before it.
                self.seen.gap
            } else {
                std::mem::take(&mut self.seen.gap)
            }),
            gate_seconds: Some(std::mem::take(&mut self.seen.gate)),
            idle_seconds: self.idle(observed),
            ..outcome(verdict, observed, result.as_deref(), retried)
        };
        self.store.run_ended(&self.instance.id, run.position, &outcome)?;
        self.count(&outcome);
        let failed = verdict != Verdict::Completed;
        let unreadable = result.is_none() && attempt.folder.join(run_folder::RESULT).exists();
        let hint = match verdict {
            Verdict::Completed | Verdict::NoResult if unreadable => {
                Some("result.json is there, but it is not JSON of this run")
            }
            other => other.hint(&lines),
        };
        (self.report)(Event::RunEnded {
            run: attempt.run.clone(),
            experiment: self.plan.experiment(run).name.clone(),
            cycle: run.cycle,
            position: run.position,
            verdict,
            exit_code: outcome.exit_code,
            seconds: outcome.seconds,
            command_seconds: outcome.command_seconds,
            gap_seconds: outcome.gap_seconds.unwrap_or_default(),
            gate_seconds: outcome.gate_seconds.unwrap_or_default(),
            idle_seconds: outcome.idle_seconds,
            retried,
            result,
            log: observed.log.clone(),
            last_lines: if failed { lines } else { Vec::new() },
            hint: hint.map(str::to_owned),
        });
        if verdict == Verdict::GpuLost {
            self.strategy.lost_gpu(attempt);
        }
        self.after(verdict, attempt, observed)?;
        Ok(verdict)
    }

    /// How long nothing of the campaign had been on the GPU when the command began. Both marks are
    /// written by the clock of this machine.
    fn idle(&mut self, observed: &Observed) -> Option<f64> {
        let ended = observed.ended.as_ref().map(|mark| mark.ended_at);
        let before = std::mem::replace(&mut self.seen.command_ended, ended);
        let idle = observed.started.as_ref()?.started_at.duration_since(before?).as_secs_f64();
        let idle = idle.max(0.0);
        self.time.idle += idle;
        Some(idle)
    }

    fn count(&mut self, outcome: &Outcome) {
        let command = outcome.command_seconds.unwrap_or_default();
        self.time.runs += command;
        self.time.containers += (outcome.seconds - command).max(0.0);
    }

    /// Whether the next run has a chance.
    fn after(
        &self,
        verdict: Verdict,
        attempt: &Attempt,
        observed: &Observed,
    ) -> Result<(), CampaignError> {
        self.check_cancel()?;
        match (verdict, observed.exit) {
            (Verdict::EngineLost, _) => Err(CampaignError::EngineLost { run: attempt.run.clone() }),
            (Verdict::NotStarted, Exit::Code(code))
                if code == i32::from(EXIT_UNWRITABLE)
                    && self.settings.runner == RunnerKind::Docker =>
            {
                Err(CampaignError::UnwritableInside {
                    service: attempt.service.clone().unwrap_or_default(),
                    folder: attempt.folder_inside.clone(),
                    log: observed.log.clone(),
                })
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
