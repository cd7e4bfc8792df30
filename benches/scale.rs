//! How lem behaves when a campaign is large: the time and memory of a plan of 10,000 runs, of a
//! resume that has nothing to do, and of one run among many.
//!
//! Nothing here fails because of a number: a goal is a text beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, starts what it measures, and fails by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Runs of the large campaign: 100 experiments × 100 cycles.
const RUNS: usize = 10_000;
/// Runs at the beginning and at the end that are compared.
const WINDOW: usize = 200;

fn main() {
    let folder = TempDir::new().unwrap();
    write_campaign(folder.path());

    let dry = measure(lem(folder.path(), &["campaign", "--dry-run", "--runner", "local"]));
    report("plan of 10,000 runs, --dry-run", &dry, "≤ 2 s, ≤ 150 MB");

    let bare_before = bare(folder.path());
    let words = ["campaign", "--yes", "--json", "--runner", "local"];
    let (intervals, all) = intervals(lem(folder.path(), &words));
    let (first, last) = (median(&intervals[..WINDOW]), median(&intervals[RUNS - WINDOW..]));
    report("10,000 runs that do nothing", &all, "");
    println!(
        "one run: {:.2} ms, of which `lem run -- true` by itself {:.2} ms: lem's own {:.2} ms \
         (goal: ≤ 10 ms)",
        ms(first),
        ms(bare_before),
        ms(first.saturating_sub(bare_before)),
    );
    // Beside the same bare process each time: the machine may be busier at one end than at the other.
    let bare_after = bare(folder.path());
    println!(
        "the same for the last {WINDOW} runs: {:.2} ms, {:.2} ms: {:.2} ms (goal: not more)",
        ms(last),
        ms(bare_after),
        ms(last.saturating_sub(bare_after)),
    );

    let resume =
        measure(lem(folder.path(), &["campaign", "--resume", "--yes", "--runner", "local"]));
    report("--resume with nothing left of 10,000 runs", &resume, "≤ 2 s");
}

fn write_campaign(folder: &Path) {
    let values: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
    let campaign = format!(
        "campaign_name: scale\ngrid: {{backends: [x], shared: {{n: [{}]}}}}\ncommand: ['true']\n\
         execution: {{cycles: 100, config_gap_seconds: 0, cycle_gap_seconds: 0}}\n",
        values.join(", ")
    );
    fs::write(folder.join("campaign.yaml"), campaign).unwrap();
}

/// How long a process took, and the most memory that it had.
struct Measured {
    took: Duration,
    peak_kibibytes: u64,
}

fn report(what: &str, measured: &Measured, goal: &str) {
    let goal = if goal.is_empty() { String::new() } else { format!("  (goal: {goal})") };
    println!(
        "{what}: {:.2} s, {} MB{goal}",
        measured.took.as_secs_f64(),
        measured.peak_kibibytes * 1024 / 1_000_000,
    );
}

fn measure(mut command: Command) -> Measured {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kibibytes = 0;
    while child.try_wait().unwrap().is_none() {
        peak_kibibytes = peak_kibibytes.max(high_water(&status));
        std::thread::sleep(Duration::from_millis(2));
    }
    Measured { took: began.elapsed(), peak_kibibytes }
}

/// The time from each run's start to the next one's.
fn intervals(mut command: Command) -> (Vec<Duration>, Measured) {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut starts, mut peak_kibibytes) = (Vec::new(), 0);
    for line in lines.map_while(Result::ok) {
        if line.contains("\"event\":\"run_started\"") {
            starts.push(Instant::now());
        }
        if starts.len() % 500 == 0 {
            peak_kibibytes = peak_kibibytes.max(high_water(&status));
        }
    }
    assert!(child.wait().unwrap().success() && starts.len() == RUNS);
    let mut intervals: Vec<Duration> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    intervals.push(starts[RUNS - 1].elapsed().min(intervals[RUNS - 2]));
    (intervals, Measured { took: began.elapsed(), peak_kibibytes })
}

/// The same process for a run, without a campaign around it.
fn bare(folder: &Path) -> Duration {
    let results = folder.join("bare");
    fs::create_dir_all(&results).unwrap();
    let words = ["run", "--no-lifeline", "--dir", results.to_str().unwrap(), "--", "true"];
    let once = |_| {
        let began = Instant::now();
        assert!(lem(folder, &words).stdout(Stdio::null()).status().unwrap().success());
        began.elapsed()
    };
    median(&(0..WINDOW).map(once).collect::<Vec<_>>())
}

fn high_water(status: &str) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn lem(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lem"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LEM_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).env("LEM_STATE_DIR", folder.join("state")).args(words);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
