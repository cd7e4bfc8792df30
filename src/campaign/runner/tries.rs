//! One run with all its tries: made ready, let through the gate, watched.

use std::time::Instant;

use super::{Runner, now, since};
use crate::campaign::attempt::Attempt;
use crate::campaign::clock::Moment;
use crate::campaign::error::CampaignError;
use crate::campaign::event::{Event, RestartReason};
use crate::campaign::gate::{Passage, Waiting};
use crate::campaign::outage::Patience;
use crate::campaign::plan::Run;
use crate::campaign::retry::{Again, Earlier, Tried, waits};
use crate::campaign::run_facts::Facts;
use crate::campaign::run_folder::{self, Writers};
use crate::campaign::verdict::{Stopped, Verdict};
use crate::campaign::watch::{self, Marks, Observed};
use crate::record::{Beginning, Outcome};

/// An engine that is lost in so many tries in a row is not worth another one.
pub(super) const MOST_OUTAGES: u32 = 3;

impl Runner<'_> {
    /// A run with all its tries.
    pub(super) async fn one(&mut self, run: Run) -> Result<(), CampaignError> {
        let mut waits = waits(&self.settings.retry).peekable();
        let mut earlier = Earlier::Unknown;
        loop {
            let Tried { verdict, attempt, again } =
                self.try_once(run, earlier, waits.peek().is_some()).await?;
            earlier = Earlier::Gone;
            if verdict == Verdict::EngineLost {
                self.after_an_outage(run).await?;
            } else {
                self.seen.outages = 0;
            }
            let wait = match again {
                Again::No => {
                    self.seen.failed += usize::from(verdict != Verdict::Completed);
                    return Ok(());
                }
                Again::ForFree => continue,
                Again::Retry => waits.next().unwrap_or_default(),
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

    /// Waits for the engine, and brings up what it lost.
    async fn after_an_outage(&mut self, run: Run) -> Result<(), CampaignError> {
        self.seen.outages += 1;
        if self.seen.outages >= MOST_OUTAGES {
            let (run, runs) = (self.instance.run_id(run), self.seen.outages);
            return Err(CampaignError::EngineLost { run, runs });
        }
        let mut patience = Patience::new(self.settings, self.cancel, self.report);
        let recovered = patience.recover(self.strategy).await;
        self.time.engine += patience.waited;
        recovered.map_err(|error| self.interrupted_or(error))
    }

    /// One try, from its record to its verdict; `again`: another one may follow.
    async fn try_once(
        &mut self,
        run: Run,
        earlier: Earlier,
        again: bool,
    ) -> Result<Tried, CampaignError> {
        self.place.check().await?;
        self.store.check_place()?;
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
                self.time.engine += observed.waited;
                let result = match self.result_of(&attempt, began, &observed).await {
                    Ok(result) => result,
                    Err(error) => return self.broken_off(run, error),
                };
                let seen = (began, &observed);
                let (verdict, again) = self.conclude(run, &attempt, seen, result, again)?;
                Ok(Tried { verdict, attempt: number, again })
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
            let mut patience = Patience::new(self.settings, self.cancel, self.report);
            patience.end_earlier(self.strategy, attempt, &marks).await?;
        }
        if let Some(files) = &mut self.files {
            files.unchanged(self.cancel).await?;
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
        self.make_ready(attempt).await?;
        if let Some(kept_out) = self.wait_for_gpus(run, attempt).await? {
            return Ok((Moment::now(), kept_out));
        }
        let began = Moment::now();
        let observed =
            watch::run(attempt, self.strategy, self.settings, self.report, self.cancel).await?;
        let never_began = observed.started.is_none() && observed.stopped.is_none();
        // A held container may die in the moment before the exec; then the run did not begin, and
        // it may try once more in the container that is started again.
        if never_began && !observed.outage && self.make_ready(attempt).await? {
            let again =
                watch::run(attempt, self.strategy, self.settings, self.report, self.cancel).await?;
            return Ok((began, again));
        }
        Ok((began, observed))
    }

    /// Makes sure that the run can start, and waits for the engine where that takes it. Whether
    /// something had to be started again.
    async fn make_ready(&mut self, attempt: &Attempt) -> Result<bool, CampaignError> {
        if let Some(service) = self.strategy.ended_dependency() {
            let message = format!("dependency `{service}` had ended, and is started again");
            (self.report)(Event::Warning { message });
            let mut patience = Patience::new(self.settings, self.cancel, self.report);
            patience.recover(self.strategy).await?;
        }
        let mut patience = Patience::new(self.settings, self.cancel, self.report);
        let ready = patience.prepare(self.strategy, attempt).await;
        self.time.engine += patience.waited;
        let Some(reason) = ready? else { return Ok(false) };
        self.report_restart(attempt, reason);
        Ok(true)
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
