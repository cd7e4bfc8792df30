//! `lem status`: what runs now, from any terminal and any folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::known::{self, Doing, Known};
use super::{exit, render};
use crate::campaign::error::CampaignError;
use crate::campaign::forecast;
use crate::duration::human;
use crate::record::{RecordError, RunState, SeenRun};

/// Show the campaigns that run now or are unfinished, wherever they were started.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this campaign, with each of its runs
    campaign: Option<String>,
    /// Also those that are finished
    #[arg(long)]
    all: bool,
    /// One JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// A campaign, as `--json` shows it.
#[derive(Debug, Serialize)]
struct Row {
    campaign: String,
    /// The UUID of its newest execution.
    campaign_id: String,
    /// `running`, `starting`, `interrupted` or `finished`.
    state: &'static str,
    /// The lem that executes it.
    pid: Option<u32>,
    /// Since when that lem does.
    since: Option<String>,
    total: usize,
    completed: usize,
    failed: usize,
    now: Option<Now>,
    /// From measured runs and pauses.
    seconds_left: Option<f64>,
    started_at: String,
    ended_at: Option<String>,
    file: PathBuf,
    results: PathBuf,
    /// Each run, of a campaign that was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<RunRow>>,
}

/// A run of a campaign that was named.
#[derive(Debug, Serialize)]
struct RunRow {
    position: u32,
    run: String,
    experiment: String,
    cycle: u32,
    /// A verdict, or what the run waits for: `pending`, `running`, `interrupted`.
    state: String,
    attempts: u32,
    /// Containers and command.
    seconds: Option<f64>,
}

/// The run that runs.
#[derive(Debug, Serialize)]
struct Now {
    run: String,
    experiment: String,
    cycle: u32,
    attempt: u32,
    started_at: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (found, mut notes) = known::all();
    let now = Timestamp::now();
    let mut rows = Vec::new();
    let named = arguments.campaign.as_ref();
    let meant = |known: &&Known| named.is_none_or(|name| *name == known.instance.campaign);
    for known in found.iter().filter(|known| known.newest).filter(meant) {
        if known.doing() == Doing::Finished && !arguments.all && named.is_none() {
            continue;
        }
        match row(known, now, named.is_some()) {
            Ok(row) => rows.push(row),
            Err(error) => notes.push(format!("note: skipped: {error}")),
        }
    }
    // What runs is what was asked for.
    rows.sort_by_key(|row| row.pid.is_none());
    for note in notes {
        render::say(&note);
    }
    if arguments.json {
        render::json(&rows);
    } else if let (true, Some(name)) = (rows.is_empty(), named) {
        return render::error(&CampaignError::NoRun {
            reason: format!("no campaign `{name}` was ever started here"),
        });
    } else if rows.is_empty() {
        render::say(
            "no campaign runs, and none is unfinished; `lem status --all` shows the others",
        );
        // Whoever has services here may have meant those.
        if Path::new("services.yaml").is_file() {
            render::say("`lem service status` shows the services");
        }
    } else {
        let texts: Vec<String> = rows.iter().map(|row| text(row, now)).collect();
        render::out(&texts.join("\n\n"));
    }
    ExitCode::from(exit::DONE)
}

fn row(known: &Known, now: Timestamp, each: bool) -> Result<Row, RecordError> {
    let runs = known.runs()?;
    let count = |state| runs.iter().filter(|run| run.state == state).count();
    let doing = known.doing();
    let running = runs.iter().find(|run| run.state == RunState::Running);
    let left = forecast::remaining(&runs, now).map(|left| left.as_secs_f64());
    Ok(Row {
        campaign: known.instance.campaign.clone(),
        campaign_id: known.instance.id.clone(),
        state: match doing {
            Doing::Running => "running",
            Doing::Starting => "starting",
            Doing::Interrupted => "interrupted",
            Doing::Finished => "finished",
        },
        pid: known.executor.as_ref().map(|holder| holder.pid),
        since: known.executor.as_ref().map(|holder| holder.since.clone()),
        total: runs.len(),
        completed: count(RunState::Completed),
        failed: count(RunState::Failed),
        // Without a living lem it is a run whose end nobody saw.
        now: running.filter(|_| doing == Doing::Running).map(current),
        seconds_left: left.filter(|_| doing == Doing::Running),
        started_at: known.instance.started_at.clone(),
        ended_at: match doing {
            Doing::Running => None,
            _ => known.instance.ended_at.clone(),
        },
        file: known.instance.file.clone(),
        results: known.results().to_owned(),
        runs: each.then(|| runs.iter().map(|run| run_row(run, doing)).collect()),
    })
}

fn run_row(run: &SeenRun, doing: Doing) -> RunRow {
    let state = match (run.state, &run.verdict) {
        (RunState::Completed | RunState::Failed, Some(verdict)) => verdict.clone(),
        (RunState::Running, _) if doing == Doing::Running => "running".to_owned(),
        (RunState::Running | RunState::Interrupted, _) => "interrupted".to_owned(),
        (RunState::Completed, None) => "completed".to_owned(),
        (RunState::Failed, None) => "failed".to_owned(),
        (RunState::Pending, _) => "pending".to_owned(),
    };
    RunRow {
        position: run.position,
        run: run.run.clone(),
        experiment: run.name.clone(),
        cycle: run.cycle,
        state,
        attempts: run.attempts,
        seconds: run.seconds,
    }
}

fn current(run: &SeenRun) -> Now {
    Now {
        run: run.run.clone(),
        experiment: run.name.clone(),
        cycle: run.cycle,
        attempt: run.attempts,
        started_at: run.started_at.clone(),
    }
}

fn text(row: &Row, now: Timestamp) -> String {
    let mut lines = vec![match (row.pid, &row.since) {
        (Some(pid), Some(since)) => {
            format!("{}  {}, pid {pid}, {}", row.campaign, row.state, age(since, now))
        }
        _ => format!("{}  {}", row.campaign, row.state),
    }];
    let mut line = |name: &str, value: &str| lines.push(format!("  {name:<8} {value}"));
    let done = row.completed + row.failed;
    line("runs", &format!("{done} of {} done, {} failed", row.total, row.failed));
    match &row.now {
        Some(run) => {
            let attempt = match run.attempt {
                0 | 1 => String::new(),
                attempt => format!(", try {attempt}"),
            };
            let since = run.started_at.as_ref().map(|since| age(since, now)).unwrap_or_default();
            let (experiment, cycle) = (&run.experiment, run.cycle);
            line("now", &format!("{experiment} (cycle {cycle}), {}{attempt}, {since}", run.run));
        }
        None if row.state == "running" => line("now", "between two runs"),
        None => {}
    }
    if let Some(left) = row.seconds_left {
        let left = Duration::try_from_secs_f64(left).unwrap_or_default();
        line("left", &format!("about {}", human(left)));
    }
    line("file", &row.file.display().to_string());
    line("results", &row.results.display().to_string());
    for run in row.runs.iter().flatten() {
        let seconds = run.seconds.map(|seconds| {
            format!("  {}", human(Duration::try_from_secs_f64(seconds).unwrap_or_default()))
        });
        lines.push(format!(
            "  {:>6}  {}  {} (cycle {})  {}{}",
            format!("#{}", run.position),
            run.run,
            run.experiment,
            run.cycle,
            run.state,
            seconds.unwrap_or_default(),
        ));
    }
    lines.join("\n")
}

/// `for 2m 05s`.
fn age(since: &str, now: Timestamp) -> String {
    match since.parse::<Timestamp>() {
        Ok(since) => {
            let time = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            format!("for {}", human(time))
        }
        Err(_) => format!("since {since}"),
    }
}
