//! What lem adds to `docker compose`: the same do-nothing runs by a shell loop and by a campaign.
//!
//! Both sides alternate within one run of this program, so that a machine that gets slower gets
//! slower for both. Nothing here fails because of a number: a goal is a text beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, starts what it measures, and fails by panicking"
)]

#[path = "overhead/bench.rs"]
mod bench;

use std::time::{Duration, Instant};

use bench::{Bench, Strategy, answer, lem};

/// Runs of a campaign, with the goal for lem's time in parts of the bare loop's.
const SIZES: [(usize, &str); 2] = [(10, "≤ 1.10"), (50, "≤ 1.03")];
const VERSIONS: usize = 20;

fn main() {
    let rounds = std::env::var("BENCH_ROUNDS").ok().map_or(3, |n| n.parse().expect("a number"));
    assert!(rounds > 0, "BENCH_ROUNDS is at least 1");
    let bench = Bench::new();
    println!("{}", facts(rounds));
    println!("                      medians                     median of the rounds' ratios");
    println!("strategy    runs      bare       lem  lem ÷ bare  (lowest to highest)  goal");
    for strategy in [Strategy::Ephemeral, Strategy::Persistent] {
        for (runs, goal) in SIZES {
            let (mut bare, mut own) = (Vec::new(), Vec::new());
            for round in 0..rounds {
                // Whoever comes second finds warmer caches; each side does every other time.
                if round % 2 == 0 {
                    bare.push(bench.bare(strategy, runs));
                    own.push(bench.campaign(strategy, runs));
                } else {
                    own.push(bench.campaign(strategy, runs));
                    bare.push(bench.bare(strategy, runs));
                }
            }
            // Round by round: a machine that gets slower gets slower for both sides of a round.
            let pairs = own.iter().zip(&bare);
            let mut ratios: Vec<f64> =
                pairs.map(|(own, bare)| own.as_secs_f64() / bare.as_secs_f64()).collect();
            ratios.sort_by(f64::total_cmp);
            println!(
                "{:<10}  {runs:>4}  {:>6.2} s  {:>6.2} s  {:>10.3}  ({:.3} to {:.3})     {goal}",
                strategy.name(),
                median(bare).as_secs_f64(),
                median(own).as_secs_f64(),
                ratios[ratios.len() / 2],
                ratios[0],
                ratios[ratios.len() - 1],
            );
        }
    }
    let version = median((0..VERSIONS).map(|_| timed_version()).collect());
    println!("\nlem --version: {:.1} ms (goal: 20 ms)", version.as_secs_f64() * 1000.0);
}

/// The machine, as far as the numbers depend on it.
fn facts(rounds: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "engine {}, Compose {}, {cores} cores, load {}; {rounds} rounds\n",
        answer(&["version", "--format", "{{.Server.Version}}"]),
        answer(&["compose", "version", "--short"]),
        load.split(' ').next().unwrap_or_default(),
    )
}

/// The whole process, from its start to its end.
fn timed_version() -> Duration {
    let began = Instant::now();
    assert!(lem().arg("--version").output().unwrap().status.success());
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    let middle = times.len() / 2;
    if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2 }
}
