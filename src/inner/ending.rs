//! How processes are ended: asked with TERM, given a grace, then ended with KILL, until two scans
//! in a row find none.
//!
//! Only the decisions are here. Who scans, waits and sends stays outside, so that `lem run` can
//! reap and listen between the rounds and `lem kill` need not.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::processes::{Identity, Process};

/// How long KILL is repeated. A process that lives longer hangs in the kernel or isn't ours to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// As good as endless, and the clock can still express it.
const LONGEST_GRACE: Duration = Duration::from_hours(24 * 365);
/// Between two rounds at first: most processes end at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// Between two rounds at last: a process that is no child of ours ends without a word to us.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The ending of a set of processes, between two rounds.
#[derive(Debug)]
pub(crate) struct Ending {
    kill_from: Instant,
    until: Instant,
    asked: HashSet<Identity>,
    pause: Duration,
    last_was_clean: bool,
}

/// Processes that live on after KILL: in the hands of the kernel, or of a user we may not signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("processes that could not be ended: {}", listed(pids))]
pub(crate) struct Survivors {
    pub(crate) pids: Vec<Pid>,
}

/// What to do after a round.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing is left.
    Done,
    /// Scan again, at the latest after this time.
    Again(Duration),
    /// It is no use to wait longer.
    Failed(Survivors),
}

impl Ending {
    /// An ending that starts now.
    pub(crate) fn new(grace: Duration, now: Instant) -> Self {
        let kill_from = now + grace.min(LONGEST_GRACE);
        Self {
            kill_from,
            until: kill_from + PATIENCE,
            asked: HashSet::new(),
            pause: SHORTEST_PAUSE,
            last_was_clean: false,
        }
    }

    /// Ends the grace now.
    pub(crate) fn insist(&mut self, now: Instant) {
        if now < self.kill_from {
            self.kill_from = now;
            self.until = now + PATIENCE;
        }
    }

    /// Whether it is no use to go on.
    pub(crate) fn gives_up(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// How many processes were asked to end so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// One round with what the latest scan found alive.
    pub(crate) fn round(
        &mut self,
        alive: &[Process],
        now: Instant,
        send: &mut dyn FnMut(&Process, Signal),
    ) -> Progress {
        if alive.is_empty() {
            // A process can fork between a scan's look at its number and its child's.
            return if std::mem::replace(&mut self.last_was_clean, true) {
                Progress::Done
            } else {
                Progress::Again(Duration::ZERO)
            };
        }
        self.last_was_clean = false;
        if self.gives_up(now) {
            let pids = alive.iter().map(|process| process.id.pid).collect();
            return Progress::Failed(Survivors { pids });
        }
        let kill = now >= self.kill_from;
        for process in alive {
            let is_new = self.asked.insert(process.id);
            if is_new {
                self.pause = SHORTEST_PAUSE;
            }
            if kill {
                send(process, Signal::SIGKILL);
            } else if is_new {
                send(process, Signal::SIGTERM);
                if process.halted {
                    send(process, Signal::SIGCONT);
                }
            }
        }
        Progress::Again(self.next_pause(now))
    }

    fn next_pause(&mut self, now: Instant) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        if now < self.kill_from { pause.min(self.kill_from - now) } else { pause }
    }
}

fn listed(pids: &[Pid]) -> String {
    pids.iter().map(Pid::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32) -> Process {
        Process {
            id: Identity { pid: Pid::from_raw(pid), started: 0 },
            parent: Pid::from_raw(1),
            halted: false,
            carries: true,
            is_inner_kill: false,
        }
    }

    fn round(ending: &mut Ending, alive: &[Process], now: Instant) -> (Vec<Signal>, Progress) {
        let mut sent = Vec::new();
        let progress = ending.round(alive, now, &mut |_, signal| sent.push(signal));
        (sent, progress)
    }

    #[test]
    fn a_process_is_asked_once_and_killed_after_the_grace() {
        let start = Instant::now();
        let mut ending = Ending::new(Duration::from_secs(1), start);
        let alive = [process(9)];
        assert_eq!(round(&mut ending, &alive, start).0, [Signal::SIGTERM]);
        assert_eq!(round(&mut ending, &alive, start).0, []);
        let later = start + Duration::from_secs(1);
        assert_eq!(round(&mut ending, &alive, later).0, [Signal::SIGKILL]);
    }

    #[test]
    fn the_pause_never_reaches_beyond_the_grace() {
        let start = Instant::now();
        let grace = Duration::from_micros(300);
        let mut ending = Ending::new(grace, start);
        assert_eq!(round(&mut ending, &[process(9)], start).1, Progress::Again(grace));
    }

    #[test]
    fn to_insist_skips_the_rest_of_the_grace_and_a_halted_process_is_continued() {
        let start = Instant::now();
        let mut ending = Ending::new(Duration::MAX, start);
        let halted = [Process { halted: true, ..process(9) }];
        assert_eq!(round(&mut ending, &halted, start).0, [Signal::SIGTERM, Signal::SIGCONT]);
        ending.insist(start);
        assert_eq!(round(&mut ending, &halted, start).0, [Signal::SIGKILL]);
    }

    #[test]
    fn one_clean_scan_is_not_enough_and_a_survivor_is_named() {
        let start = Instant::now();
        let mut ending = Ending::new(Duration::ZERO, start);
        assert_eq!(round(&mut ending, &[], start).1, Progress::Again(Duration::ZERO));
        assert_eq!(round(&mut ending, &[process(9)], start).0, [Signal::SIGKILL]);
        assert_eq!(round(&mut ending, &[], start).1, Progress::Again(Duration::ZERO));
        assert_eq!(round(&mut ending, &[], start).1, Progress::Done);
        let late = start + PATIENCE;
        let survivors = Survivors { pids: vec![Pid::from_raw(9)] };
        assert_eq!(round(&mut ending, &[process(9)], late).1, Progress::Failed(survivors));
    }
}
