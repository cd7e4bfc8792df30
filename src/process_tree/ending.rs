//! How processes are ended: asked with a signal, given a grace, then as a rule ended with KILL,
//! until two scans in a row find none.
//!
//! A round is one scan. Who waits between the rounds stays outside, so that `lem run` can reap and
//! listen meanwhile and `lem kill` need not.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::reach::Reach;
use super::scan::{Identity, Process, ScanError, ticks};

/// How long KILL is repeated. A process that lives longer hangs in the kernel or isn't ours to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// As good as endless, and the clock can still express it.
const LONGEST_GRACE: Duration = Duration::from_hours(24 * 365);
/// Between two rounds at first: most processes end at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// Between two rounds at last: a process that is no child of ours ends without a word to us.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What follows the grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterGrace {
    /// KILL.
    Kill,
    /// Nothing: what lives is left alone.
    #[cfg(feature = "host")]
    GiveUp,
}

/// How processes are asked to end, and by which means they are reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) ask: Signal,
    pub(crate) after_grace: AfterGrace,
    /// Sends one signal. One that ended meanwhile needs none; one we may not signal survives.
    pub(crate) send: fn(&Process, Signal),
}

impl Default for Manner {
    /// TERM, and KILL after the grace.
    fn default() -> Self {
        Self { ask: Signal::SIGTERM, after_grace: AfterGrace::Kill, send }
    }
}

/// The ending of a set of processes, between two rounds.
#[derive(Debug)]
pub(crate) struct Ending {
    manner: Manner,
    kill_from: Instant,
    until: Instant,
    asked: HashSet<Identity>,
    /// When the first round was over, in clock ticks since boot. What begins after that is part of
    /// how others end: a handler that saves something starts programs.
    begun: Option<u64>,
    pause: Duration,
    last_was_clean: bool,
}

/// What a process is sent in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    Ask,
    /// It is halted, and must go on to hear what is asked.
    AskAndWake,
    Kill,
}

/// Processes that live on: in the hands of the kernel, of a user we may not signal, or because no
/// KILL was wanted.
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
    pub(crate) fn new(manner: Manner, grace: Duration, now: Instant) -> Self {
        let kill_from = now + grace.min(LONGEST_GRACE);
        let patience = match manner.after_grace {
            AfterGrace::Kill => PATIENCE,
            #[cfg(feature = "host")]
            AfterGrace::GiveUp => Duration::ZERO,
        };
        Self {
            manner,
            kill_from,
            until: kill_from + patience,
            asked: HashSet::new(),
            begun: None,
            pause: SHORTEST_PAUSE,
            last_was_clean: false,
        }
    }

    /// Ends the grace now; KILL follows in any case.
    pub(crate) fn insist(&mut self, now: Instant) {
        self.manner.after_grace = AfterGrace::Kill;
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

    /// One round: scans, and signals each process as soon as it is seen. `signalled` hears of each,
    /// and which signal it was.
    pub(crate) fn round(
        &mut self,
        reach: &Reach,
        signalled: &mut dyn FnMut(&Process, Signal),
    ) -> Result<Progress, ScanError> {
        let now = Instant::now();
        let send = self.manner.send;
        let mut asked = Vec::new();
        let alive = reach.visit(&mut |process| match self.step(process, now) {
            // One that forks without end must be dealt with before it has forked again.
            Step::Kill => {
                send(process, Signal::SIGKILL);
                signalled(process, Signal::SIGKILL);
            }
            Step::Nothing => {}
            step => asked.push((process.clone(), step)),
        })?;
        self.begun.get_or_insert_with(ticks);
        for (process, step) in asked {
            send(&process, self.manner.ask);
            if step == Step::AskAndWake {
                send(&process, Signal::SIGCONT);
            }
            signalled(&process, self.manner.ask);
        }
        Ok(self.conclude(alive, now))
    }

    fn step(&mut self, process: &Process, now: Instant) -> Step {
        let of_the_end = self.begun.is_some_and(|begun| process.id.started >= begun);
        let is_new = self.asked.insert(process.id) && !of_the_end;
        if is_new {
            self.pause = SHORTEST_PAUSE;
        }
        match (now >= self.kill_from, self.manner.after_grace, is_new, process.halted) {
            (true, AfterGrace::Kill, _, _) => Step::Kill,
            (_, _, true, true) => Step::AskAndWake,
            (_, _, true, false) => Step::Ask,
            (_, _, false, _) => Step::Nothing,
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

fn send(process: &Process, signal: Signal) {
    let _ = kill(process.id.pid, signal);
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

    fn ending(grace: Duration, now: Instant) -> Ending {
        Ending::new(Manner::default(), grace, now)
    }

    fn someone() -> HashSet<Pid> {
        HashSet::from([Pid::from_raw(9)])
    }

    #[test]
    fn a_process_is_asked_once_and_killed_after_the_grace() {
        let start = Instant::now();
        let mut ending = ending(Duration::from_secs(1), start);
        assert_eq!(ending.step(&process(false), start), Step::Ask);
        assert_eq!(ending.step(&process(false), start), Step::Nothing);
        let later = start + Duration::from_secs(1);
        assert_eq!(ending.step(&process(false), later), Step::Kill);
        assert_eq!(ending.step(&process(false), later), Step::Kill);
    }

    #[test]
    fn to_insist_skips_the_rest_of_an_endless_grace() {
        let start = Instant::now();
        let mut ending = ending(Duration::MAX, start);
        assert_eq!(ending.step(&process(true), start), Step::AskAndWake);
        ending.insist(start);
        assert_eq!(ending.step(&process(true), start), Step::Kill);
    }

    #[test]
    fn the_pause_never_reaches_beyond_the_grace() {
        let start = Instant::now();
        let grace = Duration::from_micros(300);
        let mut ending = ending(grace, start);
        assert_eq!(ending.conclude(someone(), start), Progress::Again(grace));
    }

    #[test]
    fn one_clean_scan_is_not_enough_and_a_survivor_is_named() {
        let start = Instant::now();
        let mut ending = ending(Duration::ZERO, start);
        let at_once = Progress::Again(Duration::ZERO);
        assert_eq!(ending.conclude(HashSet::new(), start), at_once);
        assert_ne!(ending.conclude(someone(), start), at_once);
        assert_eq!(ending.conclude(HashSet::new(), start), at_once);
        assert_eq!(ending.conclude(HashSet::new(), start), Progress::Done);
        let survivors = Survivors { pids: vec![Pid::from_raw(9)] };
        assert_eq!(ending.conclude(someone(), start + PATIENCE), Progress::Failed(survivors));
    }

    #[cfg(feature = "host")]
    #[test]
    fn without_a_kill_the_grace_is_the_end_of_it_unless_somebody_insists() {
        let start = Instant::now();
        let manner = Manner { after_grace: AfterGrace::GiveUp, ..Manner::default() };
        let mut ending = Ending::new(manner, Duration::from_secs(1), start);
        let later = start + Duration::from_secs(1);
        assert_eq!(ending.step(&process(false), start), Step::Ask);
        assert_eq!(ending.step(&process(false), later), Step::Nothing);
        let survivors = Survivors { pids: vec![Pid::from_raw(9)] };
        assert_eq!(ending.conclude(someone(), later), Progress::Failed(survivors));
        ending.insist(start);
        assert_eq!(ending.step(&process(false), start), Step::Kill);
    }
}
