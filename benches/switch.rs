//! What a switch between two model servers takes beyond what the servers take: by `lem switch`, and
//! in the same run by the steps of the scripts that lem was made after, with their fixed waits.
//!
//! Nothing here fails because of a number.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, starts what it measures, and fails by panicking"
)]

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "switch/pair.rs"]
mod pair;
#[path = "switch/script.rs"]
mod script;

use std::time::Duration;

use pair::Pair;

/// How long the server that is switched to loads.
const LOADS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(10)];

fn main() {
    let rounds = std::env::var("BENCH_ROUNDS").ok().map_or(3, |n| n.parse().expect("a number"));
    assert!(rounds > 0, "BENCH_ROUNDS is at least 1");
    println!("{}", facts(rounds));
    println!("                 added to the servers' own time (medians)");
    println!(
        "loads in     `lem switch` (lowest to highest)   script (lowest to highest)  script ÷ lem"
    );
    for load in LOADS {
        let (mut own, mut scripts) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            // Whoever comes second finds warmer caches; each side does every other time.
            if round % 2 == 0 {
                own.push(Pair::new(load).by_lem());
                scripts.push(Pair::new(load).by_script());
            } else {
                scripts.push(Pair::new(load).by_script());
                own.push(Pair::new(load).by_lem());
            }
        }
        let (own, scripts) = (Spread::of(own), Spread::of(scripts));
        println!(
            "{:>5.1} s      {own}          {scripts}      {:>6.1}",
            load.as_secs_f64(),
            scripts.median / own.median,
        );
    }
}

/// Seconds.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.len() / 2;
        let median = match seconds.len() % 2 {
            1 => seconds[middle],
            _ => f64::midpoint(seconds[middle - 1], seconds[middle]),
        };
        Self { median, least: seconds[0], most: seconds[seconds.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, least, most } = self;
        write!(f, "{median:>6.3} s ({least:.3} to {most:.3})")
    }
}

/// The machine, as far as the numbers depend on it.
fn facts(rounds: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores, load {load}; {rounds} rounds\n")
}
