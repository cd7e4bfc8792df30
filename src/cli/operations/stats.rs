//! `lem ops stats`: what became of operations, and how long they took.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::history::ago;
use super::ledger::Book;
use super::row::seconds;
use crate::cancel::Cancel;
use crate::cli::exit;
use crate::cli::render::{self, operations as show};
use crate::cli::runtime::block_on;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::Count;
use crate::duration::Time;

/// Show what became of operations: how many of each kind and agent, how long they took and waited.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only what was asked for in the last so long; otherwise all that is kept: `2h`, `7d`
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// The numbers.
#[derive(Debug, Default, Serialize)]
pub(in crate::cli) struct Numbers {
    pub kinds: BTreeMap<String, Group>,
    pub agents: BTreeMap<String, Group>,
}

/// Operations of one kind or agent.
#[derive(Debug, Default, Serialize)]
pub(in crate::cli) struct Group {
    pub requested: usize,
    /// How many ended so, or wait or run.
    pub outcomes: BTreeMap<String, usize>,
    /// How many were refused at once.
    pub blocked: usize,
    /// How many had to wait.
    pub waited: usize,
    /// Of those that were done.
    pub seconds: Quantiles,
    /// Of those that began.
    pub waited_seconds: Quantiles,
}

/// Half and 95 % of them took no longer; none without any.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(in crate::cli) struct Quantiles {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
}

/// Runs `lem ops stats`.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    block_on::<_, CoordinationError>(async |_: &Cancel| {
        let since = arguments.since.map_or(jiff::Timestamp::UNIX_EPOCH, |it| ago(Some(it)));
        let counts = match Book::open().await? {
            None => Vec::new(),
            Some(book) => book.ask(move |ledger| ledger.counts(since)).await?,
        };
        let numbers = Numbers::of(&counts);
        if arguments.json {
            render::json(&numbers);
        } else {
            show::numbers(&numbers);
        }
        Ok(exit::DONE)
    })
}

impl Numbers {
    fn of(counts: &[Count]) -> Self {
        let kind = |it: &Count| it.kind.clone().unwrap_or_else(|| "use".to_owned());
        Self { kinds: grouped(counts, kind), agents: grouped(counts, |it| it.agent.clone()) }
    }
}

fn grouped(counts: &[Count], by: impl Fn(&Count) -> String) -> BTreeMap<String, Group> {
    let mut groups: BTreeMap<String, Vec<&Count>> = BTreeMap::new();
    for count in counts {
        groups.entry(by(count)).or_default().push(count);
    }
    groups.into_iter().map(|(name, all)| (name, group(&all))).collect()
}

fn group(all: &[&Count]) -> Group {
    let mut outcomes = BTreeMap::new();
    for count in all {
        *outcomes.entry(count.state.clone()).or_insert(0) += 1;
    }
    let done = all.iter().filter(|it| it.state == "done").filter_map(|it| it.took);
    let began = all.iter().filter(|it| it.state != "rejected").filter_map(|it| it.waited);
    Group {
        requested: all.len(),
        blocked: outcomes.get("rejected").copied().unwrap_or(0),
        waited: began.clone().filter(|waited| !waited.is_zero()).count(),
        outcomes,
        seconds: quantiles(done),
        waited_seconds: quantiles(began),
    }
}

fn quantiles(times: impl Iterator<Item = Duration>) -> Quantiles {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(place).copied().map(seconds)
    };
    Quantiles { p50: at(50), p95: at(95) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(state: &str, agent: &str, took: Option<u64>, waited: u64) -> Count {
        Count {
            kind: Some("restart".to_owned()),
            state: state.to_owned(),
            agent: agent.to_owned(),
            took: took.map(Duration::from_secs),
            waited: Some(Duration::from_secs(waited)),
        }
    }

    #[test]
    fn numbers_are_by_kind_and_by_agent_and_times_of_what_was_done() {
        let mut counts: Vec<Count> = (1..=20).map(|n| count("done", "a", Some(n), 0)).collect();
        counts.push(count("failed", "b", Some(900), 4));
        counts.push(count("rejected", "b", None, 0));
        let numbers = Numbers::of(&counts);
        let all = &numbers.kinds["restart"];
        assert_eq!((all.requested, all.blocked, all.waited), (22, 1, 1));
        assert_eq!(all.seconds, Quantiles { p50: Some(10.0), p95: Some(19.0) });
        assert_eq!(numbers.agents["b"].requested, 2);
        assert_eq!(numbers.agents["b"].waited_seconds.p95, Some(4.0));
        assert_eq!(quantiles(std::iter::empty()), Quantiles::default());
    }
}
