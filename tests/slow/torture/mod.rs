//! The torture test: campaigns whose lems and clients are killed by random signals at random
//! moments, and resumed to the end.
//!
//! `LEM_TORTURE` is the number of campaigns (200), `LEM_TORTURE_SEED` repeats what a seed did,
//! `LEM_TORTURE_ONLY` one campaign of it, `LEM_TORTURE_JOBS` is how many go on at once.

mod figures;
mod oracle;
mod scenario;
mod strike;
mod trial;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use self::figures::Figures;
use self::scenario::Scenario;
use self::trial::{live, transcript};
use crate::support::{Scene, engine};

#[test]
#[ignore = "takes long: make test-slow"]
fn campaigns_that_are_killed_again_and_again_lose_nothing_and_leave_nothing() {
    let seed = number("LEM_TORTURE_SEED").unwrap_or_else(rand::random::<u32>);
    let numbers = match number("LEM_TORTURE_ONLY") {
        Some(only) => only..only + 1,
        None => 0..number("LEM_TORTURE").unwrap_or(200),
    };
    let cores = thread::available_parallelism().map_or(2, |cores| cores.get().try_into().unwrap());
    let jobs = number("LEM_TORTURE_JOBS").unwrap_or(cores);
    let version = engine::docker(&["version", "--format", "{{.Server.Version}}"]);
    let (began, next) = (Instant::now(), AtomicU32::new(numbers.start));
    let (figures, faults) = (Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    eprintln!("torture: LEM_TORTURE_SEED={seed}, engine {}", version.trim());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if !numbers.contains(&number) {
                        break;
                    }
                    if number > numbers.start && number.is_multiple_of(25) {
                        eprintln!("torture: {number} begun after {:.0?}", began.elapsed());
                    }
                    if let Err(fault) = torture(seed, number, &figures) {
                        eprintln!("campaign {number}: {fault}");
                        faults.lock().unwrap().push(number);
                    }
                }
            });
        }
    });
    eprintln!(
        "torture: LEM_TORTURE_SEED={seed}, engine {}, {:.0} s\n{}",
        version.trim(),
        began.elapsed().as_secs_f64(),
        figures.lock().unwrap()
    );
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "seed {seed}: campaigns {faults:?}");
}

/// Tortures one campaign. Where something is wrong, its folder stays, with what its lems said.
fn torture(seed: u32, number: u32, figures: &Mutex<Figures>) -> Result<(), String> {
    let scenario = Scenario::draw(seed.into(), number);
    let mut scene = Scene::new();
    let story = catch_unwind(AssertUnwindSafe(|| live(&scene, &scenario)));
    let story = story.map_err(|_| format!("the test itself failed, {}", scene.keep().display()))?;
    figures.lock().unwrap().add(&scenario, &story);
    if story.faults.is_empty() {
        return Ok(());
    }
    scene.write("transcript", &transcript(&story));
    let (way, folder) = (scenario.way, scene.keep().display());
    Err(format!("{way:?} in {folder}\n  {}", story.faults.join("\n  ")))
}

fn number(variable: &str) -> Option<u32> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}=`{text}` is no number")))
}
