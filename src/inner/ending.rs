//! How processes are ended: asked with TERM, given a grace, then ended with KILL, until two scans
//! in a row find none.
//!
//! A round is one scan. Who waits between the rounds stays outside, so that `lem run` can reap and
//! listen meanwhile and `lem kill` need not.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::Current;

use super::processes::{Identity, Process, ScanError};
use super::reach::Reach;

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
    /// When the first round was over, in clock ticks since boot. What begins after that is part of
    /// how others end: a handler that saves something starts programs.
    begun: Option<u64>,
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
            begun: None,
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

    /// One round: scans, and signals each process as soon as it is seen. `signalled` hears of each.
    pub(crate) fn round(
        &mut self,
        reach: &Reach,
        signalled: &mut dyn FnMut(&Process),
    ) -> Result<Progress, ScanError> {
        let now = Instant::now();
        let mut asked = Vec::new();
        let alive = reach.visit(&mut |process| match self.signals(process, now) {
            // One that forks without end must be dealt with before it has forked again.
            [Signal::SIGKILL] => {
                send(process, &[Signal::SIGKILL]);
                signalled(process);
            }
            [] => {}
            signals => asked.push((process.clone(), signals)),
        })?;
        self.begun.get_or_insert_with(ticks);
        for (process, signals) in asked {
            send(&process, signals);
            signalled(&process);
        }
        Ok(self.conclude(alive, now))
    }

    fn signals(&mut self, process: &Process, now: Instant) -> &'static [Signal] {
        let of_the_end = self.begun.is_some_and(|begun| process.id.started >= begun);
        let is_new = self.asked.insert(process.id) && !of_the_end;
        if is_new {
            self.pause = SHORTEST_PAUSE;
        }
        match (now >= self.kill_from, is_new, process.halted) {
            (true, _, _) => &[Signal::SIGKILL],
            (false, true, true) => &[Signal::SIGTERM, Signal::SIGCONT],
            (false, true, false) => &[Signal::SIGTERM],
            (false, false, _) => &[],
        }
    }

    fn conclude(&mut self, alive: HashSet<Pid>, now: Instant) -> Progress {
        if alive.is_empty() {
            // A scan can miss a process that is born while it reads.
            return if std::mem::replace(&mut self.last_was_clean, true) {
                Progress::Done
            } else {
                Progress::Again(Duration::ZERO)
            };
        }
        self.last_was_clean = false;
        if self.gives_up(now) {
            let mut pids: Vec<_> = alive.into_iter().collect();
            pids.sort();
            return Progress::Failed(Survivors { pids });
        }
        Progress::Again(self.next_pause(now))
    }

    fn next_pause(&mut self, now: Instant) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        if now < self.kill_from { pause.min(self.kill_from - now) } else { pause }
    }
}

/// One that ended meanwhile needs no signal; one we may not signal survives.
fn send(process: &Process, signals: &[Signal]) {
    for signal in signals {
        let _ = kill(process.id.pid, *signal);
    }
}

/// Clock ticks since boot, as processes tell when they started; none have started so late where
/// nobody knows.
fn ticks() -> u64 {
    let uptime = procfs::Uptime::current().map(|it| it.uptime_duration());
    uptime.map_or(u64::MAX, |uptime| {
        let ticks = u128::from(procfs::ticks_per_second());
        u64::try_from(uptime.as_millis() * ticks / 1000).unwrap_or(u64::MAX)
    })
}

fn listed(pids: &[Pid]) -> String {
    pids.iter().map(Pid::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(halted: bool) -> Process {
        let pid = Pid::from_raw(9);
        Process { id: Identity { pid, started: 0 }, parent: Pid::from_raw(1), halted }
    }

    fn someone() -> HashSet<Pid> {
        HashSet::from([Pid::from_raw(9)])
    }

    #[test]
    fn a_process_is_asked_once_and_killed_after_the_grace() {
        let start = Instant::now();
        let mut ending = Ending::new(Duration::from_secs(1), start);
        assert_eq!(ending.signals(&process(false), start), [Signal::SIGTERM]);
        assert_eq!(ending.signals(&process(false), start), []);
        let later = start + Duration::from_secs(1);
        assert_eq!(ending.signals(&process(false), later), [Signal::SIGKILL]);
        assert_eq!(ending.signals(&process(false), later), [Signal::SIGKILL]);
    }

    #[test]
    fn to_insist_skips_the_rest_of_an_endless_grace() {
        let start = Instant::now();
        let mut ending = Ending::new(Duration::MAX, start);
        assert_eq!(ending.signals(&process(true), start), [Signal::SIGTERM, Signal::SIGCONT]);
        ending.insist(start);
        assert_eq!(ending.signals(&process(true), start), [Signal::SIGKILL]);
    }

    #[test]
    fn the_pause_never_reaches_beyond_the_grace() {
        let start = Instant::now();
        let grace = Duration::from_micros(300);
        let mut ending = Ending::new(grace, start);
        assert_eq!(ending.conclude(someone(), start), Progress::Again(grace));
    }

    #[test]
    fn one_clean_scan_is_not_enough_and_a_survivor_is_named() {
        let start = Instant::now();
        let mut ending = Ending::new(Duration::ZERO, start);
        let at_once = Progress::Again(Duration::ZERO);
        assert_eq!(ending.conclude(HashSet::new(), start), at_once);
        assert_ne!(ending.conclude(someone(), start), at_once);
        assert_eq!(ending.conclude(HashSet::new(), start), at_once);
        assert_eq!(ending.conclude(HashSet::new(), start), Progress::Done);
        let survivors = Survivors { pids: vec![Pid::from_raw(9)] };
        assert_eq!(ending.conclude(someone(), start + PATIENCE), Progress::Failed(survivors));
    }
}
