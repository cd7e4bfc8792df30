//! `lem logs`: what a run says or said, from any terminal and any folder.

mod choose;
mod follow;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use self::choose::{Shelf, choose};
pub(super) use self::follow::{Log, Until};
use super::known::{self, Known};
use super::runtime::block_on;
use super::{exit, render};
use crate::campaign::error::CampaignError;
use crate::campaign::run_folder;
use crate::record::{RunState, SeenRun};

/// How often it is looked whether another run has begun.
const PAUSE: Duration = Duration::from_millis(250);

/// Show what a run says: the one that runs now, the last one, or a named one.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run's id, the beginning of one, its place in the order, or an experiment's name
    run: Option<String>,
    /// Go on until the run ends; without a run, until the campaign does
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines of the end
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<usize>,
    /// Only runs of this campaign
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    block_on::<_, CampaignError>(async |cancel| {
        let stop = Arc::new(AtomicBool::new(false));
        let showing = tokio::task::spawn_blocking({
            let stop = Arc::clone(&stop);
            move || show(&arguments, &stop)
        });
        tokio::select! {
            shown = showing => shown.unwrap_or(Ok(())).map(|()| exit::DONE),
            // A reader that has seen enough: nothing failed.
            signal = cancel.raised() => {
                stop.store(true, Ordering::Release);
                Ok(signal.exit_code())
            }
        }
    })
}

fn show(arguments: &Arguments, stop: &AtomicBool) -> Result<(), CampaignError> {
    let (found, notes) = known::all();
    let wanted = |known: &Known| {
        arguments.campaign.as_ref().is_none_or(|name| *name == known.instance.campaign)
    };
    let mut shelves = Vec::new();
    for known in found.into_iter().filter(wanted) {
        shelves.push(Shelf { runs: known.runs()?, known });
    }
    if shelves.is_empty() {
        for note in notes {
            render::say(&note);
        }
        let reason = match &arguments.campaign {
            Some(name) => format!("no campaign `{name}` was ever started here"),
            None if Path::new("services.yaml").is_file() => {
                "no campaign was ever started here; `lem service logs NAME` shows what a service \
                 said"
                    .to_owned()
            }
            None => "no campaign was ever started here".to_owned(),
        };
        return Err(CampaignError::NoRun { reason });
    }
    let (shelf, run) = choose(&shelves, arguments.run.as_deref())?;
    let path = shelf.known.run_folder(&run.run).join(run_folder::LOG);
    let may_come = arguments.follow && shelf.known.is_executed();
    if !path.exists() && !may_come {
        let what = match run.state {
            RunState::Pending => "has not begun yet",
            _ => "has left no log",
        };
        let reason = format!("run {} ({}) {what}: {}", run.run, run.name, path.display());
        return Err(CampaignError::NoRun { reason });
    }
    let lines = arguments.lines;
    if !arguments.follow {
        Log { path: &path, lines }.copy(&mut std::io::stdout().lock(), Until::Now);
        return Ok(());
    }
    follow(&shelf.known, run, lines, stop);
    if arguments.run.is_none() {
        follow_on(&shelf.known, &shelf.runs, run, stop)?;
    }
    Ok(())
}

/// Copies the log of a run until it has ended.
fn follow(known: &Known, run: &SeenRun, lines: Option<usize>, stop: &AtomicBool) {
    let path = known.run_folder(&run.run).join(run_folder::LOG);
    let ended = || {
        if stop.load(Ordering::Acquire) || !known.is_executed() {
            return true;
        }
        let runs = known.runs().unwrap_or_default();
        let now = runs.iter().find(|it| it.position == run.position);
        // Under a living lem, one that was interrupted waits for its next try.
        now.is_none_or(|now| matches!(now.state, RunState::Completed | RunState::Failed))
    };
    Log { path: &path, lines }.copy(&mut std::io::stdout().lock(), Until::Ended(&ended));
}

/// The runs that begin after one, until the campaign has ended. `seen` is how the runs were when that
/// one was chosen: a run that has had another try since began later, whatever the clock said.
fn follow_on(
    known: &Known,
    seen: &[SeenRun],
    first: &SeenRun,
    stop: &AtomicBool,
) -> Result<(), CampaignError> {
    let mut tries: HashMap<u32, u32> =
        seen.iter().map(|run| (run.position, run.attempts)).collect();
    // Its later tries were shown with it.
    tries.insert(first.position, u32::MAX);
    while !stop.load(Ordering::Acquire) {
        // Asked before the record is read: what a campaign did last is seen after its end too.
        let executed = known.is_executed();
        let runs = known.runs()?;
        let is_new =
            |run: &&SeenRun| run.attempts > tries.get(&run.position).copied().unwrap_or_default();
        match runs.iter().find(is_new) {
            Some(next) => {
                render::say(&format!("── {}  {} (cycle {})", next.run, next.name, next.cycle));
                follow(known, next, None, stop);
                tries.insert(next.position, u32::MAX);
            }
            None if executed => std::thread::park_timeout(PAUSE),
            None => return Ok(()),
        }
    }
    Ok(())
}
