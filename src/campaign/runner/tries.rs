//! One run with all its tries: made ready, let through the gate, watched.

use std::time::Instant;

use super::{Runner, now, since};
use crate::campaign::attempt::Attempt;
use crate::campaign::clock::Moment;
use crate::campaign::error::CampaignError;
use crate::campaign::event::{Event, RestartReason};
use crate::campaign::gate::{Passage, Waiting};
use crate::campaign::plan::Run;
use crate::campaign::retry::{Earlier, Tried, waits};
use crate::campaign::run_facts::Facts;
use crate::campaign::run_folder::{self, Writers};
use crate::campaign::verdict::{Stopped, Verdict};
use crate::campaign::watch::{self, Marks, Observed};
use crate::record::{Beginning, Outcome};

impl Runner<'_> {
    /// A run with all its tries.
    pub(super) async fn one(&mut self, run: Run) -> Result<(), CampaignError> {
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
        self.place.check().await?;
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
                let result = match self.result_of(&attempt, began, &observed).await {
                    Ok(result) => result,
                    Err(error) => return self.broken_off(run, error),
                };
                let seen = (began, &observed);
                let verdict = self.conclude(run, &attempt, seen, result, again)?;
                Ok(Tried { verdict, attempt: number })
            }
            Err(error) => self.broken_off(run, error),
        }
    }

    /// Nothing is known of the run any more: a resume does it again.
    fn broken_off<T>(&mut self, run: Run, error: CampaignError) -> Result<T, CampaignError> {
        let outcome = Outcome::interrupted(now());
        // A row that stays `running` means the same to the next start; the error is the news.
        let _ = self.store.run_ended(&self.instance.id, run.position, &outcome);
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
            let marks = Marks::read(&attempt.folder);
            self.strategy.end_earlier(attempt, &marks, self.cancel).await?;
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
    ) -> Result<(Moment, Observed), CampaignError> {
        if let Some(reason) = self.strategy.prepare(attempt, self.cancel).await? {
            self.report_restart(attempt, reason);
        }
        if let Some(kept_out) = self.wait_for_gpus(run, attempt).await? {
            return Ok((Moment::now(), kept_out));
        }
        let began = Moment::now();
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
}
