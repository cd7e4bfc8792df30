//! One who asks for operations again and again, and strikes its own lems.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::mark;
use crate::support::{Scene, within};

/// What was asked for, and what came of it.
#[derive(Debug)]
pub(super) struct Request {
    /// Nobody else's.
    pub(super) agent: String,
    /// None: a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) strikes: usize,
}

const NAMES: [&str; 3] = ["one", "two", "three"];
const KINDS: [&str; 8] =
    ["read", "config", "restart", "stop", "start", "deploy", "scale", "health"];

/// What the command does. The order of the lines in the history is the order in which it happened.
/// Every moment leaves a line, so that one that was killed was there until its last one.
const COMMAND: &str = r#"
say() { echo "$LEM_OP_ID $LEM_LOCK_TOKEN $0 $1" >>history; }
say begins
if [ "$2" = counts ]; then
    n=$(cat "counter-$3" 2>/dev/null || echo 0)
    sleep 0.01
    echo $((n + 1)) >"counter-$3.$LEM_OP_ID"
    mv "counter-$3.$LEM_OP_ID" "counter-$3"
    say counted
fi
i=0; while [ $i -lt "$1" ]; do sleep 0.01; say goes-on; i=$((i + 1)); done
say ends
"#;

pub(super) fn work(scene: &Scene, worker: u64, seed: u64, until: Instant) -> Vec<Request> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(worker));
    let mut requests = Vec::new();
    while Instant::now() < until {
        let agent = format!("worker {worker}, request {}", requests.len());
        requests.push(ask(scene, agent, &mut rng));
    }
    requests
}

fn ask(scene: &Scene, agent: String, rng: &mut ChaCha8Rng) -> Request {
    let (name, kind) = (NAMES[rng.random_range(0..3)], KINDS[rng.random_range(0..8)]);
    let key = ["A", "B"][rng.random_range(0..2)];
    let priority = rng.random_range(1..=10).to_string();
    let counts = if matches!(kind, "restart" | "deploy" | "scale") { "counts" } else { "-" };
    let ticks = rng.random_range(0..6).to_string();
    // What everybody can tell it by in the history.
    let what = format!("{name} {kind} {}", if kind == "config" { key } else { "-" });
    let mut words = vec!["op", kind, name, "--agent", &agent, "--priority", &priority];
    words.extend(["--wait", "60", "--timeout", "60"]);
    if kind == "config" {
        words.extend(["--key", key]);
    }
    if rng.random_bool(0.7) {
        words.push("--queue");
    }
    words.extend(["--", "sh", "-c", COMMAND, &what, &ticks, counts, name]);
    let mut command = scene.command(&words);
    let (mark, value) =
        mark(scene).split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    command.env(mark, value).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut lem = command.spawn().unwrap();
    let strikes = if rng.random_bool(0.4) { strike(lem.id(), rng) } else { 0 };
    let status = within(Duration::from_secs(120), "lem ends", || lem.try_wait().unwrap());
    Request { agent, code: status.code(), strikes }
}

/// Kills, stops or interrupts it, alone or with what it started, once or twice.
fn strike(pid: u32, rng: &mut ChaCha8Rng) -> usize {
    let pid = Pid::from_raw(pid.try_into().unwrap());
    let times = rng.random_range(1..=2);
    for _ in 0..times {
        thread::sleep(Duration::from_millis(rng.random_range(0..200)));
        let whole = rng.random_bool(0.5);
        let send = |signal| {
            // It may have ended; nobody else gets its number before it is waited for.
            let _ = if whole { killpg(pid, signal) } else { kill(pid, signal) };
        };
        match rng.random_range(0..10) {
            0..5 => send(Signal::SIGKILL),
            5..8 => {
                send(Signal::SIGSTOP);
                thread::sleep(Duration::from_millis(rng.random_range(0..300)));
                send(Signal::SIGCONT);
            }
            8 => send(Signal::SIGTERM),
            _ => send(Signal::SIGINT),
        }
    }
    times
}
