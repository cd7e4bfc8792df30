//! Operations that begin and end as fast as many processes can, each of something of its own.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use tempfile::TempDir;

use crate::{spread, worker};

pub(crate) fn measure(crowds: &[usize], time: Duration) {
    println!("an operation begins and ends; each process has a container of its own");
    println!("(goal with 8: ≥ 2,000/s, slowest ≥ 25 % of the fastest, longest ≤ 500 ms)");
    for crowd in crowds {
        let folder = TempDir::new().unwrap();
        let seconds = time.as_secs().to_string();
        let start = |number: usize| {
            worker::start("pairs", folder.path(), &[&format!("container-{number}"), &seconds])
        };
        let mut children: Vec<Child> = (0..*crowd).map(start).collect();
        let mut outputs: Vec<_> = children
            .iter_mut()
            .map(|child| BufReader::new(child.stdout.take().unwrap()).lines())
            .collect();
        for output in &mut outputs {
            assert_eq!(output.next().unwrap().unwrap(), "ready");
        }
        let before: Duration = children.iter().map(worker::processor_time).sum();
        children.iter_mut().for_each(worker::begin);
        let reading = |output: std::io::Lines<_>| std::thread::spawn(move || times(output));
        let threads: Vec<_> = outputs.into_iter().map(reading).collect();
        let each: Vec<Vec<(Duration, Duration)>> =
            threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        // They have written all that they write, and are not waited for yet.
        let used =
            children.iter().map(worker::processor_time).sum::<Duration>().saturating_sub(before);
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let counts: Vec<usize> = each.iter().map(Vec::len).collect();
        let (least, most) = (*counts.iter().min().unwrap(), *counts.iter().max().unwrap());
        let all: usize = counts.iter().sum();
        let asked = each.iter().flatten().map(|(taken, _)| *taken).collect();
        #[allow(clippy::cast_precision_loss, reason = "counts of seconds")]
        let (rate, share) = (all as f64 / time.as_secs_f64(), least as f64 * 100.0 / most as f64);
        println!(
            "  {crowd:>2} processes: {rate:>6.0}/s ({} µs of a core each), slowest {share:>3.0} % of the \
             fastest; to begin: {}",
            used.as_micros() / all as u128,
            spread(asked)
        );
    }
    println!();
}

fn times(lines: impl Iterator<Item = std::io::Result<String>>) -> Vec<(Duration, Duration)> {
    let pair = |line: String| {
        let (taken, given) = line.split_once(' ').unwrap();
        let time = |text: &str| Duration::from_micros(text.parse().unwrap());
        (time(taken), time(given))
    };
    lines.map(|line| pair(line.unwrap())).collect()
}
