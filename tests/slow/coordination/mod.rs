//! The torture of coordination: many lems at once on a few names, killed, stopped and told to end
//! at random, alone or with everybody that they started; and then the book-keeping.
//!
//! `LEM_TORTURE_SECONDS` is how long (60), `LEM_TORTURE_WORKERS` how many at once (8), and
//! `LEM_TORTURE_SEED` repeats the draws of a seed, if not what the machine makes of them;
//! `LEM_TEST_LEDGER=postgres` has the ledger on a server.

mod history;
mod ledger;
mod worker;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use self::history::{Doing, History};
use self::ledger::{Ledger, Row};
use self::worker::{Request, work};
use crate::support::{Scene, eventually, processes};

#[test]
#[ignore = "takes long: make test-slow"]
fn operations_that_are_killed_at_random_never_overlap_get_lost_or_leave_anything() {
    let seed = number("LEM_TORTURE_SEED").unwrap_or_else(rand::random::<u64>);
    let (seconds, workers) =
        (number("LEM_TORTURE_SECONDS").unwrap_or(60), number("LEM_TORTURE_WORKERS").unwrap_or(8));
    eprintln!("torture: LEM_TORTURE_SEED={seed}, {workers} workers, {seconds} s");
    let mut scene = Scene::without_containers();
    let ledger = Ledger::of(&mut scene);
    let until = Instant::now() + Duration::from_secs(seconds);
    let requests: Vec<Vec<Request>> = thread::scope(|scope| {
        let start = |worker| {
            let scene = &scene;
            scope.spawn(move || work(scene, worker, seed, until))
        };
        let all: Vec<_> = (0..workers).map(start).collect();
        all.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    eventually("everything that was started has ended", || {
        processes::with_variable(&mark(&scene)).is_empty().then_some(())
    });
    // Whoever asks next takes back what the dead had, and forgets them.
    scene.lem(&["op", "read", "the-last", "--agent", "the last", "--", "true"]).expect(0);
    let faults = faults(&scene, &ledger, &requests);
    if !faults.is_empty() {
        let folder = scene.keep().display().to_string();
        panic!("LEM_TORTURE_SEED={seed}, {folder}\n  {}", faults.join("\n  "));
    }
}

/// The variable that everything of a torture has in its environment.
fn mark(scene: &Scene) -> String {
    format!("TORTURE={}", scene.project)
}

/// What is wrong, and in passing the figures.
fn faults(scene: &Scene, ledger: &Ledger, requests: &[Vec<Request>]) -> Vec<String> {
    let text = std::fs::read_to_string(scene.path("history")).unwrap_or_default();
    let state = scene.path("machine");
    let rows = ledger.rows(&state);
    let by_agent: BTreeMap<&str, Vec<&Row>> = rows.iter().fold(BTreeMap::new(), |mut all, row| {
        all.entry(row.agent.as_str()).or_insert_with(Vec::new).push(row);
        all
    });
    let history = History::read(&text);
    let mut faults = history.faults();
    for request in requests.iter().flatten() {
        let rows = by_agent.get(request.agent.as_str()).map_or(&[][..], Vec::as_slice);
        faults.extend(fault_of(request, rows));
    }
    for row in &rows {
        faults.extend(fault_of_row(row, history.of(row.id)));
    }
    faults.extend(counters(scene, &history));
    faults.extend(leftovers(&state));
    faults.extend(ledger.owners(&state).into_iter().map(|what| format!("left behind: {what}")));
    figures(requests, &rows);
    faults
}

/// A request that was accepted is in the ledger once, and its end is what lem said.
fn fault_of(request: &Request, rows: &[&Row]) -> Option<String> {
    let fault = |what: String| Some(format!("{}: {what}: {rows:?}", request.agent));
    let [row] = rows else {
        let may_be_none = rows.is_empty() && request.strikes > 0;
        return if may_be_none { None } else { fault(format!("{} rows", rows.len())) };
    };
    let state = row.state.as_str();
    match request.code {
        Some(0) if state != "done" => fault("it ended with 0".to_owned()),
        Some(75) if !matches!(state, "rejected" | "expired" | "lost") => {
            fault("it ended with 75".to_owned())
        }
        Some(code) if code != 0 && state == "done" => fault(format!("it ended with {code}")),
        _ => None,
    }
}

/// An operation has one end, and did what its state says.
fn fault_of_row(row: &Row, did: Option<&Doing>) -> Option<String> {
    let fault = |what: &str| Some(format!("operation {} {what}: {row:?}, {did:?}", row.id));
    let never_began = matches!(row.state.as_str(), "rejected" | "expired");
    match did {
        _ if !row.is_over() => fault("never ended"),
        _ if row.ends != 1 => fault("has not one end"),
        Some(_) if never_began => fault("was done, and is said not to have begun"),
        Some(did) if row.state == "done" && !did.has_ended => fault("was not done to its end"),
        None if row.state == "done" && row.agent != "the last" => fault("was not done"),
        _ => None,
    }
}

/// A counter that only one at a time counts up has lost nobody's one.
fn counters(scene: &Scene, history: &History) -> Vec<String> {
    let fault = |(name, (certain, perhaps)): (&String, &(u64, u64))| {
        let text = std::fs::read_to_string(scene.path(&format!("counter-{name}")));
        let counted: u64 = text.unwrap_or_default().trim().parse().unwrap_or(0);
        let is_right = (*certain..=certain + perhaps).contains(&counted);
        (!is_right).then(|| format!("{name}: {counted}, not {certain} and {perhaps} perhaps"))
    };
    history.counted.iter().filter_map(fault).collect()
}

/// Nothing is left of those who are gone.
fn leftovers(state: &Path) -> Vec<String> {
    let files = std::fs::read_dir(ledger::below(state, "owners")).unwrap().flatten();
    let names: Vec<String> =
        files.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    // One that was killed before it was anybody is swept a minute later.
    let left = names.into_iter().filter(|name| name != "bell" && !is_new(name));
    left.map(|what| format!("left behind: {what}")).collect()
}

fn is_new(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "new")
}

fn figures(requests: &[Vec<Request>], rows: &[Row]) {
    let of = |state: &str| rows.iter().filter(|row| row.state == state).count();
    let longest = rows.iter().filter_map(|row| row.waited).max().unwrap_or(0);
    let all = || requests.iter().flatten();
    let done = |worker: &Vec<Request>| worker.iter().filter(|it| it.code == Some(0)).count();
    let (least, most) =
        (requests.iter().map(done).min().unwrap(), requests.iter().map(done).max().unwrap());
    eprintln!(
        "torture: {} requests, {} operations ({} done, {} lost, {} cancelled, {} failed, {} rejected, \
         {} expired), {} strikes, longest wait {longest} ms, done by a worker {least} to {most}",
        all().count(),
        rows.len(),
        of("done"),
        of("lost"),
        of("cancelled"),
        of("failed"),
        of("rejected"),
        of("expired"),
        all().map(|it| it.strikes).sum::<usize>(),
    );
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}=`{text}` is no number")))
}
