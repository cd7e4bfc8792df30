//! Striking a lem, or one of the clients that it started.

use std::fmt;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::scenario::{Blow, Moment, Victim};
use crate::support::{Running, processes, wait};

/// What a lem was at, by its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Starting,
    Preparing,
    InARun,
    BetweenRuns,
    Teardown,
    Ending,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Preparing => "preparing",
            Self::InARun => "in a run",
            Self::BetweenRuns => "between runs",
            Self::Teardown => "teardown",
            Self::Ending => "ending",
        })
    }
}

/// What came of a blow.
#[derive(Debug, Clone)]
pub(crate) enum Struck {
    /// Lem had ended before.
    TooLate,
    Hit {
        /// Lem itself where it had no client.
        victim: Victim,
        /// Of a client, its command line.
        line: String,
        phase: Phase,
        /// After lem's start, as a share of the time that it would have taken, about.
        share: f64,
        signals: Vec<Signal>,
    },
}

/// Waits for the moment and strikes a lem that would take `whole`, about.
pub(crate) fn strike(lem: &mut Running, blow: &Blow, whole: Duration) -> Struck {
    let began = Instant::now();
    let late = match blow.moment {
        Moment::Time(time) => ends_within(lem, time),
        Moment::Share(share) => ends_within(lem, whole.mul_f64(share)),
        Moment::Event { kind, nth, pause } => {
            !says(lem, &format!("{{\"event\":\"{kind}\""), nth) || ends_within(lem, pause)
        }
    };
    if late {
        return Struck::TooLate;
    }
    let share = began.elapsed().div_duration_f64(whole);
    let phase = phase(&lem.stdout());
    let client = match blow.victim {
        Victim::Lem => None,
        Victim::Client => {
            let clients = clients(lem.pid());
            (!clients.is_empty()).then(|| clients[blow.pick % clients.len()])
        }
    };
    let (victim, pid) = client.map_or((Victim::Lem, lem.pid()), |pid| (Victim::Client, pid));
    let line = client.map(processes::command_line).unwrap_or_default();
    let mut signals = vec![blow.signal];
    hit(pid, blow.signal);
    if let Some((pause, signal)) = blow.again
        && !ends_within(lem, pause)
    {
        hit(pid, signal);
        signals.push(signal);
    }
    Struck::Hit { victim, line, phase, share, signals }
}

fn ends_within(lem: &mut Running, time: Duration) -> bool {
    wait::until(time, || lem.has_ended().then_some(())).is_some()
}

/// Waits until it has said something so many times; false if it ends before.
fn says(lem: &mut Running, what: &str, times: usize) -> bool {
    let said = wait::until(wait::PATIENCE, || {
        let ended = lem.has_ended();
        let said = lem.stdout().lines().filter(|line| line.starts_with(what)).count() >= times;
        (said || ended).then_some(said)
    });
    said == Some(true)
}

fn hit(pid: u32, signal: Signal) {
    // It may have ended just now.
    let _ = kill(Pid::from_raw(pid.try_into().unwrap()), signal);
}

/// The processes that lem started, and theirs; not what runs in a local run.
fn clients(lem: u32) -> Vec<u32> {
    let (mut open, mut found) = (vec![lem], Vec::new());
    while let Some(parent) = open.pop() {
        let children = processes::children(parent);
        for child in children {
            if ["docker", "docker-compose", "lem"].contains(&processes::name(child).as_str()) {
                found.push(child);
                open.push(child);
            }
        }
    }
    found
}

fn phase(stdout: &str) -> Phase {
    let mut events = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    match events.next_back().as_ref().and_then(|event| event["event"].as_str()) {
        None => Phase::Starting,
        Some("campaign_started" | "preparing") => Phase::Preparing,
        Some("run_started" | "stopping") => Phase::InARun,
        Some("teardown_started" | "left_running") => Phase::Teardown,
        Some("campaign_ended") => Phase::Ending,
        Some(_) => Phase::BetweenRuns,
    }
}
