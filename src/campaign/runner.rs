//! The loop: pause, start, watch, judge, record, again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::attempt::Attempt;
use super::command::{self, Places};
use super::error::CampaignError;
use super::event::{Event, TimeSpent};
use super::plan::{Plan, Run};
use super::run_folder::{self, Writers};
use super::settings::{RunnerKind, Settings};
use super::strategy::Strategy;
use super::verdict::{self, Evidence, Verdict};
use super::watch::{self, Observed, last_lines};
use crate::cancel::Cancel;
use crate::engine::process::Exit;
use crate::inner::EXIT_UNWRITABLE;
use crate::record::{Outcome, RunState, Store};

/// One execution of a campaign, as far as its runs need to know it.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// A UUID.
    pub id: String,
    pub campaign: String,
    /// The campaign's results folder on the host.
    pub results: PathBuf,
    /// The service of each experiment; empty in local runs.
    pub service_of: Vec<String>,
    /// What each service's containers see of it; empty in local runs.
    pub inside: Vec<Inside>,
    /// The experiment files' folder on the host, where it exists.
    pub configs: Option<PathBuf>,
}

/// The folders of a campaign in the containers of a service.
#[derive(Debug, Clone)]
pub(crate) struct Inside {
    pub service: String,
    pub results: PathBuf,
    pub configs: Option<PathBuf>,
}

impl Instance {
    /// The id of a run: `4f2a9c1b-0001`.
    pub(crate) fn run_id(&self, run: Run) -> String {
        format!("{}-{:04}", &self.id[..8], run.position)
    }

    /// A try of a run, everything filled in.
    pub(crate) fn attempt(
        &self,
        plan: &Plan,
        run: Run,
        number: u32,
        settings: &Settings,
    ) -> Result<Attempt, CampaignError> {
        let experiment = plan.experiment(run);
        let id = self.run_id(run);
        let service = self.service_of.get(run.experiment).cloned();
        let folder = self.results.join(&id);
        let (inside, configs) =
            match self.inside.iter().find(|i| Some(&i.service) == service.as_ref()) {
                Some(seen) => (seen.results.join(&id), seen.configs.as_ref()),
                None => (folder.clone(), self.configs.as_ref()),
            };
        let result = inside.join(run_folder::RESULT).to_string_lossy().into_owned();
        let config = inside.join(run_folder::CONFIG).to_string_lossy().into_owned();
        let mut fixed = vec![
            ("config", config),
            ("result", result.clone()),
            ("results", inside.to_string_lossy().into_owned()),
            ("cycle", run.cycle.to_string()),
            ("backend", experiment.backend.clone().or_else(|| service.clone()).unwrap_or_default()),
        ];
        fixed.extend(settings.dataset.clone().map(|dataset| ("dataset", dataset)));
        fixed.extend(settings.num_samples.map(|n| ("num_samples", n.to_string())));
        let places =
            Places { experiment: &experiment.name, fixed: &fixed, config: &experiment.config };
        let command = command::fill(&settings.command, &places)?;
        let mut environment = vec![
            ("LEM_CAMPAIGN_ID", self.id.clone()),
            ("LEM_CAMPAIGN_NAME", self.campaign.clone()),
            ("LEM_CYCLE", run.cycle.to_string()),
            ("LEM_TOTAL_CYCLES", plan.cycles.to_string()),
            ("LEM_EXPERIMENT_ID", experiment.hash.clone()),
            ("LEM_RUN_ID", id.clone()),
            ("LEM_RESULT_PATH", result),
            ("LEM_WARMUP_PROMPTS", settings.warmup_prompts.to_string()),
            ("LEM_WARMUP_TIMEOUT", settings.warmup_timeout.as_secs_f64().to_string()),
            ("LLM_ENERGY_VERBOSITY", settings.verbosity.clone()),
        ];
        environment.extend(configs.map(|path| ("LEM_CONFIGS_DIR", path.display().to_string())));
        Ok(Attempt {
            container: format!("lem-{id}-a{number}"),
            run: id,
            instance: self.id.clone(),
            service,
            environment: environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            command,
            folder,
            folder_inside: inside,
            timeout: settings.timeout,
            grace: settings.stop_grace,
        })
    }
}

/// Everything the loop works with.
pub(crate) struct Runner<'a> {
    pub instance: &'a Instance,
    pub plan: &'a Plan,
    pub settings: &'a Settings,
    pub store: &'a mut Store,
    pub strategy: &'a mut Strategy,
    pub report: &'a mut dyn FnMut(Event),
    pub cancel: &'a Cancel,
    pub time: TimeSpent,
}

impl Runner<'_> {
    /// Does `runs`, in order. A failing run is recorded and the next one follows; what ends the
    /// loop early is an error.
    pub(crate) async fn run(&mut self, runs: &[Run]) -> Result<(), CampaignError> {
        let mut last: Option<(Run, Instant)> = None;
        for run in runs {
            if let Some((last, ended)) = last {
                self.pause(last, *run, ended).await?;
            }
            self.check_cancel()?;
            self.one(*run).await?;
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
        self.time.gaps += began.elapsed().as_secs_f64();
        Ok(())
    }

    async fn one(&mut self, run: Run) -> Result<(), CampaignError> {
        let experiment = self.plan.experiment(run);
        let number = self.store.run_starts(&self.instance.id, run.position, &now())?;
        let attempt = self.instance.attempt(self.plan, run, number, self.settings)?;
        let config = run_folder::config_text(&experiment.name, &experiment.config)
            .map_err(|source| CampaignError::Unwritable { path: attempt.folder.clone(), source })?;
        let writers = match attempt.service {
            Some(_) => Writers::Anyone,
            None => Writers::Owner,
        };
        run_folder::prepare(&attempt.folder, number, &config, writers)?;
        (self.report)(Event::RunStarted {
            run: attempt.run.clone(),
            experiment: experiment.name.clone(),
            cycle: run.cycle,
            position: run.position,
            attempt: number,
            service: attempt.service.clone(),
            log: attempt.folder.join(run_folder::LOG),
        });
        let tried = self.attempt(&attempt).await;
        match tried {
            Ok((began, observed)) => self.conclude(run, &attempt, began, &observed),
            Err(error) => {
                // Nothing is known of it any more: a resume does it again.
                let outcome = Outcome::interrupted(now());
                self.store.run_ended(&self.instance.id, run.position, &outcome)?;
                Err(self.interrupted_or(error))
            }
        }
    }

    /// An error that only says that the user's wish cut something off is that wish.
    fn interrupted_or(&self, error: CampaignError) -> CampaignError {
        self.cancel.now().map_or(error, |signal| CampaignError::Interrupted { signal })
    }

    async fn attempt(
        &mut self,
        attempt: &Attempt,
    ) -> Result<(SystemTime, Observed), CampaignError> {
        if self.strategy.prepare(attempt, self.cancel).await? {
            self.report_restart(attempt);
        }
        let began = SystemTime::now();
        let observed = watch::run(attempt, self.strategy, self.settings, self.cancel).await?;
        let never_began = observed.started.is_none() && observed.stopped.is_none();
        // A held container may die in the moment before the exec; then the run did not begin, and
        // it may try once more in the container that is started again.
        if never_began && self.strategy.prepare(attempt, self.cancel).await? {
            self.report_restart(attempt);
            let again = watch::run(attempt, self.strategy, self.settings, self.cancel).await?;
            return Ok((began, again));
        }
        Ok((began, observed))
    }

    fn report_restart(&mut self, attempt: &Attempt) {
        for (service, restarts) in self.strategy.restarts() {
            if Some(&service) == attempt.service.as_ref() {
                (self.report)(Event::ServiceRestarted { service, restarts });
            }
        }
    }

    fn conclude(
        &mut self,
        run: Run,
        attempt: &Attempt,
        began: SystemTime,
        observed: &Observed,
    ) -> Result<(), CampaignError> {
        let lines = last_lines(&observed.log, 20);
        let result = run_folder::find_result(
            &attempt.folder,
            &attempt.run,
            &self.settings.results_dir,
            began,
        );
        if let Some(file) = result.as_ref().and_then(|path| std::fs::File::open(path).ok()) {
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
        let outcome = outcome(verdict, observed, result.as_deref());
        self.store.run_ended(&self.instance.id, run.position, &outcome)?;
        self.count(&outcome);
        let failed = verdict != Verdict::Completed;
        let unreadable = result.is_none() && attempt.folder.join(run_folder::RESULT).exists();
        (self.report)(Event::RunEnded {
            run: attempt.run.clone(),
            experiment: self.plan.experiment(run).name.clone(),
            cycle: run.cycle,
            position: run.position,
            verdict,
            exit_code: outcome.exit_code,
            seconds: outcome.seconds,
            command_seconds: outcome.command_seconds,
            result,
            log: observed.log.clone(),
            last_lines: if failed { lines } else { Vec::new() },
            hint: match verdict {
                Verdict::Completed | Verdict::NoResult if unreadable => {
                    Some("result.json is there, but it is not JSON of this run".to_owned())
                }
                other => other.hint().map(str::to_owned),
            },
        });
        self.after(verdict, attempt, observed)
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

fn outcome(verdict: Verdict, observed: &Observed, result: Option<&Path>) -> Outcome {
    let state = match verdict {
        Verdict::Completed => RunState::Completed,
        // What became of it is not known, so a resume does it again.
        Verdict::Interrupted | Verdict::EngineLost => RunState::Interrupted,
        _ => RunState::Failed,
    };
    let of_client = match observed.exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
    };
    let of_command = observed
        .ended
        .as_ref()
        .and_then(|ended| ended.exit_code.or(ended.signal.map(|signal| 128 + signal)));
    Outcome {
        state,
        verdict: verdict.word().to_owned(),
        exit_code: Some(of_command.unwrap_or(of_client)),
        ended_at: now(),
        seconds: observed.elapsed.as_secs_f64(),
        command_seconds: observed.ended.as_ref().map(|ended| ended.wall_seconds),
        result: result.map(|path| path.to_string_lossy().into_owned()),
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
