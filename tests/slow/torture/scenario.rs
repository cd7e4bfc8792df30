//! What a torture does, drawn from a seed: a campaign, and the blows that it gets.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use nix::sys::signal::Signal;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Where the runs of a campaign run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Ephemeral,
    Persistent,
    Local,
}

impl Way {
    /// The words of the command line that choose it.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Ephemeral => &["--container-strategy", "ephemeral"],
            Self::Persistent => &["--container-strategy", "persistent"],
            Self::Local => &["--runner", "local"],
        }
    }

    /// About how long lem takes around all runs and around each, on a machine that has other work.
    fn overhead(self) -> (Duration, Duration) {
        let (all, each) = match self {
            Self::Ephemeral => (700, 500),
            Self::Persistent => (1200, 250),
            Self::Local => (100, 60),
        };
        (Duration::from_millis(all), Duration::from_millis(each))
    }
}

/// How a run behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Completes,
    Fails,
    /// Completes, and leaves processes behind, in its session and out of it.
    Forks,
    /// The same, and what it leaves ignores every signal that can be ignored; as does it.
    Deaf,
}

/// The exit code of runs that fail.
pub(crate) const FAILURE: i64 = 3;

/// A run of a campaign.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    /// Of 50 ms each; it beats once in each.
    beats: u32,
}

impl Job {
    fn length(&self) -> Duration {
        Duration::from_millis(50) * self.beats
    }

    /// Its script. Every try leaves its story in the ledger: `begin`, a `beat` with the number of
    /// the try, `end` when all is done; `sleeper` is an argument that only this campaign's sleepers
    /// have.
    pub(crate) fn script(&self, sleeper: &str) -> String {
        let Self { kind, beats } = self;
        let leave = match kind {
            Kind::Completes | Kind::Fails => String::new(),
            Kind::Forks => {
                format!("(sleep {sleeper} & sleep {sleeper} &) ; setsid sleep {sleeper} & ")
            }
            Kind::Deaf => {
                format!("trap '' TERM INT HUP; setsid sh -c 'sleep {sleeper} & sleep {sleeper}' & ")
            }
        };
        let end = match kind {
            Kind::Fails => format!("echo end $R >>$L; exit {FAILURE}"),
            Kind::Completes | Kind::Forks | Kind::Deaf => "echo '{\"run_id\": \"'$R'\"}' >$P.new; \
                 mv $P.new $P; echo end $R >>$L"
                .to_owned(),
        };
        format!(
            "R=$LEM_RUN_ID; P=$LEM_RESULT_PATH; L=../ledger; echo begin $R >>$L; \
             n=$(grep -c \"begin $R\" $L); {leave}i=0; while [ $i -lt {beats} ]; \
             do echo beat $R $n >>$L; i=$((i+1)); sleep 0.05; done; {end}"
        )
    }
}

/// Who gets the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Lem,
    /// One of the processes that lem started and that still runs: a docker client, its Compose
    /// plugin, the process that watches a local run.
    Client,
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lem => "lem",
            Self::Client => "client",
        })
    }
}

/// When a blow falls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// So long after lem's start.
    Time(Duration),
    /// At a share of the time that it would take, about.
    Share(f64),
    /// So long after the first, second, … event of a kind, for the phases that are short.
    Event { kind: &'static str, nth: usize, pause: Duration },
}

/// A signal at a moment, perhaps followed by another.
#[derive(Debug, Clone)]
pub(crate) struct Blow {
    pub(crate) victim: Victim,
    /// Which client, of those that there are.
    pub(crate) pick: usize,
    pub(crate) moment: Moment,
    pub(crate) signal: Signal,
    pub(crate) again: Option<(Duration, Signal)>,
}

/// One campaign with the blows for its lems: one each, until they are used up.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) way: Way,
    pub(crate) jobs: Vec<Job>,
    pub(crate) blows: Vec<Blow>,
    /// Whether the containers have a network, which has to go as well.
    pub(crate) network: bool,
}

const SIGNALS: [Signal; 4] = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

impl Scenario {
    /// The campaign with this number under this seed, always the same.
    pub(crate) fn draw(seed: u64, number: u32) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ (u64::from(number) << 32));
        let way = match random.random_range(0..10) {
            0..4 => Way::Ephemeral,
            4..8 => Way::Persistent,
            _ => Way::Local,
        };
        let count = random.random_range(3..=6);
        let jobs: Vec<Job> = (0..count).map(|_| job(&mut random)).collect();
        let network = random.random_bool(0.25);
        let count = random.random_range(2..=6);
        let blows = (0..count).map(|_| blow(&mut random)).collect();
        Self { way, jobs, blows, network }
    }

    /// About how long a lem takes that has so many runs to do and that nothing happens to.
    pub(crate) fn time_for(&self, runs: u32) -> Duration {
        let (all, each) = self.way.overhead();
        let commands: Duration = self.jobs.iter().map(Job::length).sum();
        let count = u32::try_from(self.jobs.len()).unwrap();
        all + (each + commands / count) * runs
    }
}

fn job(random: &mut ChaCha8Rng) -> Job {
    let kind = match random.random_range(0..10) {
        0..5 => Kind::Completes,
        5..7 => Kind::Fails,
        7..9 => Kind::Forks,
        _ => Kind::Deaf,
    };
    Job { kind, beats: random.random_range(1..=6) }
}

fn blow(random: &mut ChaCha8Rng) -> Blow {
    let any = |random: &mut ChaCha8Rng| SIGNALS[random.random_range(0..SIGNALS.len())];
    let victim = if random.random_bool(0.7) { Victim::Lem } else { Victim::Client };
    let pick = random.random_range(0..60);
    let moment = match random.random_range(0..10) {
        0..5 => Moment::Share(random.random_range(0.0..1.0)),
        5 => Moment::Time(milliseconds(random, 0..=250)),
        // Halves of seconds, for what takes that long; and little, for what is over at once.
        kind @ 6..8 => Moment::Event {
            kind: EVENTS[random.random_range(0..EVENTS.len())],
            nth: random.random_range(1..=3),
            pause: milliseconds(random, if kind == 6 { 0..=40 } else { 0..=500 }),
        },
        _ => {
            Moment::Event { kind: "teardown_started", nth: 1, pause: milliseconds(random, 0..=600) }
        }
    };
    let signal = any(random);
    let again = random.random_bool(0.3).then(|| (milliseconds(random, 1..=600), any(random)));
    Blow { victim, pick, moment, signal, again }
}

/// The events that blows follow.
const EVENTS: [&str; 4] = ["campaign_started", "preparing", "run_started", "run_ended"];

fn milliseconds(random: &mut ChaCha8Rng, range: RangeInclusive<u64>) -> Duration {
    Duration::from_millis(random.random_range(range))
}
