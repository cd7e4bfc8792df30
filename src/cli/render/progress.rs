//! A campaign while it runs: events as JSON lines, or a line per run with a bar on a terminal.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::campaign::on_terminal;
use super::{json, say};
use crate::campaign::event::Event;
use crate::campaign::plan::{Plan, Run};
use crate::campaign::verdict::Verdict;
use crate::duration::{human, measured};
use crate::foreign_file;

/// How much is said while a campaign runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Talk {
    /// Failures alone.
    Little,
    /// A line for each run, and a bar on a terminal.
    Progress,
    /// What the runs say, too.
    Everything,
}

/// Shows what happens.
pub(in crate::cli) struct Progress {
    json: bool,
    bar: ProgressBar,
    talk: Talk,
    follower: Option<Follower>,
    total: usize,
    done: usize,
    /// Pauses that are still to come, and how long the runs so far took.
    gaps: VecDeque<Duration>,
    measured: Duration,
}

impl Progress {
    pub(in crate::cli) fn new(plan: &Plan, runs: &[Run], json: bool, talk: Talk) -> Self {
        let target = if on_terminal() && !json && talk != Talk::Little {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(runs.len() as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        let gaps = runs.windows(2).map(|pair| plan.gap(pair[0], pair[1])).collect();
        Self {
            json,
            bar,
            talk,
            follower: None,
            total: runs.len(),
            done: 0,
            gaps,
            measured: Duration::ZERO,
        }
    }

    /// Shows one event.
    pub(in crate::cli) fn show(&mut self, event: &Event) {
        if self.json {
            json(event);
        }
        match event {
            Event::RunStarted { experiment, cycle, log, .. } => {
                self.bar.enable_steady_tick(Duration::from_millis(500));
                self.bar.set_message(format!("{experiment} (cycle {cycle}){}", self.eta()));
                if self.talk == Talk::Everything {
                    self.follower = Some(Follower::start(log.clone(), self.bar.clone()));
                }
            }
            Event::RunEnded { .. } => {
                // First the run's own last words, then lem's.
                self.follower = None;
                self.run_ended(event);
            }
            other => {
                self.bar.set_message(String::new());
                let shown = self.talk != Talk::Little || matches!(other, Event::Warning { .. });
                if let Some(line) = line(other).filter(|_| shown) {
                    self.say(&line);
                }
            }
        }
    }

    fn run_ended(&mut self, event: &Event) {
        let Event::RunEnded {
            experiment,
            cycle,
            verdict,
            seconds,
            retried,
            position,
            last_lines,
            log,
            hint,
            ..
        } = event
        else {
            return;
        };
        self.measured += measured(*seconds);
        if *verdict != Verdict::Interrupted && !retried {
            self.done += 1;
            self.gaps.pop_front();
        }
        self.bar.set_position(self.done as u64);
        if self.talk == Talk::Little && *verdict == Verdict::Completed {
            return;
        }
        let mark = if *verdict == Verdict::Completed { "✓" } else { "✗" };
        let width = self.total.to_string().len();
        let over = *verdict != Verdict::Interrupted && !retried;
        let count =
            if over { format!("{:>width$}", self.done) } else { " ".repeat(width - 1) + "-" };
        // The run's place in the plan, where it is not its place among the runs of this command.
        let number = match usize::try_from(*position) {
            Ok(position) if over && position == self.done => String::new(),
            _ => format!(" #{position}"),
        };
        let mut text = format!(
            "{mark} {}/{}{} {experiment} (cycle {cycle})  {}  {}",
            count,
            self.total,
            number,
            human(measured(*seconds)),
            word(event),
        );
        for line in last_lines {
            text.push_str(&format!("\n    | {line}"));
        }
        if *verdict != Verdict::Completed {
            text.push_str(&format!("\n    log: {}", log.display()));
        }
        if let Some(hint) = hint {
            text.push_str(&format!("\n    hint: {hint}"));
        }
        self.say(&text);
    }

    /// From the measured length of the runs so far and the pauses that are still to come.
    fn eta(&self) -> String {
        let Ok(done) = u32::try_from(self.done) else { return String::new() };
        if done == 0 {
            return String::new();
        }
        let left = u32::try_from(self.total - self.done).unwrap_or(u32::MAX);
        let runs = (self.measured / done).saturating_mul(left);
        let gaps: Duration = self.gaps.iter().sum();
        format!("  about {} left", human(runs + gaps))
    }

    /// A line of talk beside the bar.
    pub(in crate::cli) fn say(&self, text: &str) {
        if self.bar.is_hidden() {
            say(text);
        } else {
            self.bar.suspend(|| say(text));
        }
    }

    /// Takes the bar away.
    pub(in crate::cli) fn end(&mut self) {
        self.follower = None;
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn word(event: &Event) -> String {
    let Event::RunEnded { verdict, exit_code, .. } = event else { return String::new() };
    match (verdict, exit_code) {
        (Verdict::Failed | Verdict::Killed, Some(code)) => format!("{}({code})", verdict.word()),
        _ => verdict.word().to_owned(),
    }
}

/// What an event is on a line of its own.
fn line(event: &Event) -> Option<String> {
    match event {
        Event::RunFound { experiment, cycle, verdict, .. } => Some(format!(
            "… {experiment} (cycle {cycle}) had ended before that could be recorded: {verdict}"
        )),
        Event::TurnWaiting { .. } => Some(turn(event)),
        Event::TurnCame { seconds } => {
            Some(format!("… its turn came after {}", human(measured(*seconds))))
        }
        Event::Preparing { what } => Some(format!("… {what}")),
        Event::ServiceRestarted { service, restarts, reason } => {
            let reason = reason.words();
            Some(format!("… started {service} again, because {reason} ({restarts} times so far)"))
        }
        Event::GateWaiting { obstacles, .. } => {
            let lines: Vec<String> =
                obstacles.iter().map(|it| format!("… waiting: {it}")).collect();
            Some(lines.join("\n"))
        }
        Event::EngineAway { reason, limit_seconds } => {
            let limit = human(measured(*limit_seconds));
            Some(format!("… waiting up to {limit} for the engine: {reason}"))
        }
        Event::EngineBack { seconds } => {
            let away = human(measured(*seconds));
            Some(format!("… the engine answers again after {away}"))
        }
        Event::Warning { message } => Some(format!("warning: {message}")),
        Event::GapStarted { seconds, next } => {
            let gap = human(measured(*seconds));
            Some(format!("… pausing {gap} before {next}"))
        }
        Event::RetryWaiting { seconds, attempt, .. } => {
            let wait = human(measured(*seconds));
            Some(format!("… try {attempt} in {wait}"))
        }
        Event::Stopping { grace_seconds, .. } => {
            let grace = human(measured(*grace_seconds));
            Some(format!(
                "… stopping the run, which has {grace} to end by itself (Ctrl-C again: none)"
            ))
        }
        Event::LeftRunning { services, stop_with } => {
            Some(format!("{} left running; to remove: {stop_with}", services.join(", ")))
        }
        Event::TeardownStarted => Some("… stopping and removing containers".to_owned()),
        Event::CampaignStarted { .. }
        | Event::RunStarted { .. }
        | Event::RunEnded { .. }
        | Event::CampaignEnded(_) => None,
    }
}

/// Whose end a campaign waits for.
fn turn(event: &Event) -> String {
    let Event::TurnWaiting { operation, reason, behind, what, agent, since, .. } = event else {
        return String::new();
    };
    let holder = match (behind, what, agent) {
        (Some(id), Some(what), Some(agent)) => format!("operation {id}, {what} of {agent}"),
        _ => "another operation".to_owned(),
    };
    let since = since.as_ref().map(|since| format!(", since {since}")).unwrap_or_default();
    format!("… operation {operation} waits for {holder}{since}: {reason} (`lem why {operation}`)")
}

/// Shows a log as it grows, until it is dropped; then the rest of it.
struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    fn start(log: PathBuf, bar: ProgressBar) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || follow(&log, &stop, &bar)
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn follow(log: &Path, stop: &AtomicBool, bar: &ProgressBar) {
    // It may not be there yet.
    let made = || foreign_file::append(log).and_then(|_| foreign_file::open(log));
    let Ok(mut file) = foreign_file::open(log).or_else(|_| made()) else { return };
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let stopping = stop.load(Ordering::Acquire);
        while let Ok(read @ 1..) = file.read(&mut bytes) {
            bar.suspend(|| {
                let _ = std::io::stderr().write_all(&bytes[..read]);
            });
        }
        if stopping {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}
