//! What the torture test did, in figures.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::scenario::Scenario;
use super::strike::Struck;
use super::trial::Story;

/// Sums over all campaigns.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    campaigns: usize,
    complete: usize,
    ways: BTreeMap<String, usize>,
    runs: usize,
    tries: usize,
    unseen: usize,
    lems: usize,
    resumes: usize,
    longest_resume: Duration,
    late: usize,
    signals: BTreeMap<&'static str, usize>,
    victims: BTreeMap<String, usize>,
    phases: BTreeMap<String, usize>,
    exits: BTreeMap<String, usize>,
    /// By tenths of the time that an undisturbed lem takes.
    moments: [usize; 11],
}

impl Figures {
    /// Adds a campaign.
    pub(crate) fn add(&mut self, scenario: &Scenario, story: &Story) {
        let way = format!("{:?}", scenario.way).to_lowercase();
        self.campaigns += 1;
        self.complete += usize::from(story.faults.is_empty());
        *self.ways.entry(way).or_default() += 1;
        self.runs += scenario.jobs.len();
        self.tries += story.tries;
        self.unseen += story.unseen;
        for life in &story.lives {
            self.lems += 1;
            if life.words[0] == "resume" {
                self.resumes += 1;
                self.longest_resume = self.longest_resume.max(life.took);
            }
            let Some(struck) = &life.struck else { continue };
            let Struck::Hit { victim, line, phase, share, signals } = struck else {
                self.late += 1;
                continue;
            };
            for signal in signals {
                *self.signals.entry(Signal::as_str(*signal)).or_default() += 1;
            }
            let whom = if line.is_empty() { victim.to_string() } else { verb(line) };
            *self.victims.entry(whom).or_default() += 1;
            *self.phases.entry(phase.to_string()).or_default() += 1;
            let exit = life.ended.code.map_or("by signal".to_owned(), |code| code.to_string());
            *self.exits.entry(exit).or_default() += 1;
            let tenth = (0..10_u8).find(|tenth| *share < f64::from(tenth + 1) / 10.0);
            self.moments[tenth.map_or(10, usize::from)] += 1;
        }
    }

    fn strokes(&self) -> usize {
        self.moments.iter().sum()
    }
}

/// What a client was doing: `docker compose run`, `docker events`.
fn verb(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let known =
        ["up", "run", "exec", "down", "events", "inspect", "ps", "rm", "stop", "start", "config"];
    let verb = words.iter().skip(1).find(|word| known.contains(word));
    let program = words.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    format!("client {program} {}", verb.unwrap_or(&"…"))
}

fn row<K: Display>(counts: &BTreeMap<K, usize>) -> String {
    let cells: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    cells.join(", ")
}

impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} of {} campaigns complete ({})",
            self.complete,
            self.campaigns,
            row(&self.ways)
        )?;
        writeln!(
            f,
            "runs {}, tries {}, of which {} had done everything when they were killed unseen",
            self.runs, self.tries, self.unseen
        )?;
        writeln!(
            f,
            "lems {}, resumes {}, the longest {:.1} s",
            self.lems,
            self.resumes,
            self.longest_resume.as_secs_f64()
        )?;
        writeln!(f, "struck {}, after the end {}", self.strokes(), self.late)?;
        writeln!(f, "  signals    {}", row(&self.signals))?;
        writeln!(f, "  victims    {}", row(&self.victims))?;
        writeln!(f, "  phases     {}", row(&self.phases))?;
        writeln!(f, "  exit codes {}", row(&self.exits))?;
        writeln!(f, "  moments, as a share of an undisturbed lem's time:")?;
        let most = self.moments.iter().max().copied().unwrap_or_default().max(1);
        for (tenth, count) in self.moments.iter().enumerate() {
            writeln!(f, "  {:>4} % {count:>4} {}", tenth * 10, "█".repeat(count * 40 / most))?;
        }
        Ok(())
    }
}
