//! What the ledger of operations takes: how many operations begin and end in a second when many
//! processes ask at once, and how fairly; how soon one that waits begins; what a hundred that wait
//! cost; and what `lem op` adds to a command, beside what flock(1) adds in the same run.
//! `LEM_BENCH_LEDGER` names a database that is measured in the place of files.
//!
//! Nothing here fails because of a number: a goal is a text beside it. That no two had the same at
//! once is checked, and fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, starts what it measures, and fails by panicking"
)]

#[path = "coordination/command.rs"]
mod command;
#[path = "coordination/crowd.rs"]
mod crowd;
#[path = "coordination/idle.rs"]
mod idle;
#[path = "coordination/turns.rs"]
mod turns;
#[path = "coordination/worker.rs"]
mod worker;

use std::time::Duration;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((worker::WORD, rest)) =
        words.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return worker::work(rest);
    }
    let server = std::env::var(lem::bench::SERVER).map_or_else(|_| "", |_| ", on a server");
    println!("{}{server}\n", facts());
    crowd::measure(&[1, 2, 8, 32], Duration::from_secs(4));
    turns::measure(&[2, 8, 32]);
    idle::measure(100, Duration::from_secs(10));
    command::measure(60);
}

/// The machine, as far as the numbers depend on it.
fn facts() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{cores} cores, load {}", load.split(' ').next().unwrap_or_default())
}

/// The value that so many of a hundred are not above.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent / 100).min(last)).copied().unwrap_or_default()
}

/// `p50 0.31 ms, p99 4.20 ms, longest 20.11 ms`.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    format!(
        "p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        ms(percentile(&times, 50)),
        ms(percentile(&times, 99)),
        ms(times.last().copied().unwrap_or_default()),
    )
}
