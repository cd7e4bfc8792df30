//! Many who want the same: how soon after one has ended the next one begins.

use std::io::Read;
use std::process::Child;
use std::time::Duration;

use tempfile::TempDir;

use crate::{spread, worker};

/// Turns that are taken in all.
const TURNS: usize = 256;
/// How long a turn takes: longer than it takes who had it to be in the queue again.
const WORKS: &str = "15";

pub(crate) fn measure(crowds: &[usize]) {
    println!("all want the same container, one after the other");
    println!("(goal: the next one begins ≤ 150 ms after the one before has ended, p99)");
    for crowd in crowds {
        let folder = TempDir::new().unwrap();
        let rounds = (TURNS / crowd).to_string();
        let start = |number: usize| {
            let agent = format!("agent-{number}");
            worker::start("turns", folder.path(), &[&agent, "api", &rounds, WORKS])
        };
        let mut children: Vec<Child> = (0..*crowd).map(start).collect();
        children.iter_mut().for_each(worker::begin);
        let mut turns: Vec<(u64, u64)> = children.iter_mut().flat_map(turns_of).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        turns.sort_unstable();
        assert_eq!(turns.len(), TURNS / crowd * crowd);
        let gap = |pair: &[(u64, u64)]| {
            let gap = pair[1].0.checked_sub(pair[0].1);
            Duration::from_nanos(gap.expect("two had the same container at once"))
        };
        let gaps: Vec<Duration> = turns.windows(2).map(gap).collect();
        println!(
            "  {crowd:>2} processes: from the end of a turn to the next one: {}",
            spread(gaps)
        );
    }
    println!();
}

fn turns_of(child: &mut Child) -> Vec<(u64, u64)> {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let turn = |line: &str| {
        let (began, ended) = line.strip_prefix("turn ")?.split_once(' ')?;
        Some((began.parse().unwrap(), ended.parse().unwrap()))
    };
    text.lines().filter_map(turn).collect()
}
