//! Many who wait for somebody who takes his time: what they cost meanwhile.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use lem::bench::Contender;
use tempfile::TempDir;

use crate::worker;

/// Longer than anybody waits between two looks.
const SETTLED: Duration = Duration::from_secs(14);

pub(crate) fn measure(crowd: usize, time: Duration) {
    let folder = TempDir::new().unwrap();
    let mut contender = Contender::open(folder.path()).unwrap();
    let held = contender.take("api").unwrap();
    let start = |number: usize| {
        let agent = format!("agent-{number}");
        worker::start("turns", folder.path(), &[&agent, "api", "1", "0"])
    };
    let mut children: Vec<Child> = (0..crowd).map(start).collect();
    children.iter_mut().for_each(worker::begin);
    for child in &mut children {
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let waits = lines.map_while(Result::ok).any(|line| line == "waits");
        assert!(waits, "one did not come to wait");
    }
    // Each looks once more after the last one came; from then on nothing happens.
    std::thread::sleep(SETTLED);
    let before: Duration = children.iter().map(worker::processor_time).sum();
    std::thread::sleep(time);
    let used = children.iter().map(worker::processor_time).sum::<Duration>().saturating_sub(before);
    println!(
        "{crowd} processes that wait: {:.2} % of a core (goal: ≤ 2 %)",
        used.as_secs_f64() / time.as_secs_f64() * 100.0
    );
    contender.give(&held).unwrap();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    println!();
}
