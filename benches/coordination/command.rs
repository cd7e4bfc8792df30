//! What `lem op` adds to a command, and what flock(1) adds.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::spread;

pub(crate) fn measure(rounds: usize) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    let lem = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lem"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LEM_")) {
            command.env_remove(name);
        }
        command.args(words).current_dir(folder.path());
        command.env("LEM_STATE_DIR", folder.path()).env("LEM_STORE_CHECK", "off");
        command
    };
    let bare = || Command::new("true");
    let flock = || {
        let mut command = Command::new("flock");
        command.arg(&file).arg("true");
        command
    };
    let version = || lem(&["--version"]);
    let op = || lem(&["op", "restart", "name:bench", "--", "true"]);
    let kinds: [(&str, &dyn Fn() -> Command); 4] = [
        ("true", &bare),
        ("flock FILE true", &flock),
        ("lem --version", &version),
        ("lem op restart name:X -- true", &op),
    ];
    // One after the other each time, so that a busy moment meets all of them.
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..rounds {
        for ((_, command), times) in kinds.iter().zip(&mut times) {
            times.push(time(command()));
        }
    }
    println!("a command by itself and through others (goal: `lem op` adds ≤ 20 ms)");
    for ((name, _), times) in kinds.iter().zip(times) {
        println!("  {name:<28} {}", spread(times));
    }
}

fn time(mut command: Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status().unwrap();
    let took = begun.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}
