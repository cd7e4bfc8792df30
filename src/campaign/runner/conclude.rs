//! What a try that ended leaves: its verdict in the record, its event, and whether to go on.

use std::path::PathBuf;

use super::Runner;
use super::tries::MOST_OUTAGES;
use crate::campaign::attempt::Attempt;
use crate::campaign::clock::Moment;
use crate::campaign::error::CampaignError;
use crate::campaign::event::Event;
use crate::campaign::outcome::outcome;
use crate::campaign::plan::Run;
use crate::campaign::retry::Again;
use crate::campaign::run_folder;
use crate::campaign::settings::RunnerKind;
use crate::campaign::verdict::{self, Evidence, Stopped, Verdict};
use crate::campaign::watch::{Observed, last_lines};
use crate::engine::process::Exit;
use crate::inner::EXIT_UNWRITABLE;
use crate::record::Outcome;

impl Runner<'_> {
    /// Judges a try, writes it down and says it.
    pub(super) fn conclude(
        &mut self,
        run: Run,
        attempt: &Attempt,
        (began, observed): (Moment, &Observed),
        result: Option<PathBuf>,
        again: bool,
    ) -> Result<(Verdict, Again), CampaignError> {
        let lines = last_lines(&observed.log, 20);
        let verdict = verdict::judge(&Evidence {
            stopped: observed.stopped,
            started: observed.started.is_some(),
            ended: observed.ended.as_ref(),
            exit: observed.exit,
            oom: observed.oom,
            outage: observed.outage,
            folder_gone: !attempt.folder.is_dir(),
            last_lines: &lines.join("\n"),
            result: result.is_some(),
            result_required: self.settings.require_result,
        });
        let again = self.again(verdict, observed, again);
        let retried = again != Again::No;
        let outcome = Outcome {
            gap_seconds: Some(if retried {
                // The next try of the run has the same pause before it.
                self.seen.gap
            } else {
                std::mem::take(&mut self.seen.gap)
            }),
            gate_seconds: Some(std::mem::take(&mut self.seen.gate)),
            idle_seconds: self.idle(began, observed),
            ..outcome(verdict, observed, result.as_deref(), retried)
        };
        self.store.run_ended(&self.instance.id, run.position, &outcome)?;
        self.count(&outcome);
        let failed = verdict != Verdict::Completed;
        let unreadable = result.is_none() && attempt.folder.join(run_folder::RESULT).exists();
        let hint = match (verdict, observed.stopped) {
            (Verdict::Killed, Some(Stopped::Disturbed(what))) => Some(what.hint()),
            (Verdict::NoResult, _) if !attempt.folder.is_dir() => {
                Some("the run's own folder was removed while it ran, with all that was in it")
            }
            (Verdict::Completed | Verdict::NoResult, _) if unreadable => {
                Some("result.json is there, but it is not JSON of this run")
            }
            _ => verdict.hint(&lines),
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
        Ok((verdict, again))
    }

    /// What follows a try with this verdict; `may`: there is one left that counts.
    fn again(&self, verdict: Verdict, observed: &Observed, may: bool) -> Again {
        let lost = verdict == Verdict::EngineLost;
        if lost && observed.started.is_none() && self.seen.outages + 1 < MOST_OUTAGES {
            Again::ForFree
        } else if may && self.settings.retry.on.contains(&verdict) {
            Again::Retry
        } else {
            Again::No
        }
    }

    /// How long nothing of the campaign had been on the GPU when the command began. Both marks are
    /// written by the clock of this machine, which may have been set in between.
    fn idle(&mut self, began: Moment, observed: &Observed) -> Option<f64> {
        let ended = observed.ended.as_ref().map(|mark| (mark.ended_at, Moment::now()));
        let before = std::mem::replace(&mut self.seen.command_ended, ended);
        let (ended, seen) = before?;
        let idle = observed.started.as_ref()?.started_at.duration_since(ended).as_secs_f64();
        let idle = (idle - seen.step_until(&began)).max(0.0);
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
