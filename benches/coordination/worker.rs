//! One of the many: this program again, in a process of its own.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lem::bench::{Contender, take_turns};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The word that makes this program a worker.
pub(crate) const WORD: &str = "--work";

/// Starts one that waits for a line before it begins.
pub(crate) fn start(what: &str, folder: &Path, rest: &[&str]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([WORD, what, folder.to_str().unwrap()]).args(rest);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Lets it begin.
pub(crate) fn begin(child: &mut Child) {
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
}

/// The time that a process has had on the processors, with threads of it that are gone.
pub(crate) fn processor_time(child: &Child) -> Duration {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    clock_gettime(clock_getcpuclockid(pid).unwrap()).unwrap().into()
}

/// Does the work that the words name.
pub(crate) fn work(words: &[String]) {
    let [what, folder, rest @ ..] = words else { panic!("{words:?}") };
    let folder = Path::new(folder);
    match (what.as_str(), rest) {
        ("pairs", [name, time]) => pairs(folder, name, Duration::from_secs(time.parse().unwrap())),
        ("turns", [agent, name, rounds, pause]) => {
            let pause = Duration::from_millis(pause.parse().unwrap());
            turns(folder, agent, name, rounds.parse().unwrap(), pause);
        }
        _ => panic!("{words:?}"),
    }
}

fn wait_for_begin() {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
}

/// Begins and ends operations as fast as it can; says how long each of the two took, in µs.
fn pairs(folder: &Path, name: &str, time: Duration) {
    let mut contender = Contender::open(folder).unwrap();
    println!("ready");
    wait_for_begin();
    let begun = Instant::now();
    let mut lines = String::new();
    while begun.elapsed() < time {
        let asked = Instant::now();
        let held = contender.take(name).unwrap();
        let taken = asked.elapsed();
        contender.give(&held).unwrap();
        let given = asked.elapsed().saturating_sub(taken);
        lines += &format!("{} {}\n", taken.as_micros(), given.as_micros());
    }
    print!("{lines}");
}

/// Takes its turns; says when each began and ended, in ns of the machine's clock.
fn turns(folder: &Path, agent: &str, name: &str, rounds: usize, pause: Duration) {
    println!("ready");
    wait_for_begin();
    let waits = || println!("waits");
    take_turns(folder, agent, name, rounds, waits, || {
        let began = now();
        std::thread::sleep(pause);
        println!("turn {began} {}", now());
    })
    .unwrap();
}

fn now() -> u128 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap();
    now.as_nanos()
}
