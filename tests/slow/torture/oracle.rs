//! What must be true of a campaign that was killed and resumed to its end.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::scenario::{FAILURE, Kind, Scenario, Victim, Way};
use super::strike::Struck;
use super::trial::{Story, ledger, name, standing};
use crate::support::{Scene, engine, processes, wait};

/// What is left is gone soon, also where a client has yet to notice that its lem is.
const SOON: Duration = Duration::from_secs(10);

/// Adds to the story what is wrong.
pub(crate) fn judge(scene: &Scene, scenario: &Scenario, story: &mut Story) {
    let lines = ledger(scene);
    story.tries = lines.iter().filter(|line| line.starts_with("begin ")).count();
    match standing(scene) {
        Some(standing) => runs(scene, scenario, &standing.row, &lines, story),
        None => story.faults.push("there is no record of it".to_owned()),
    }
    left(scene, scenario, &mut story.faults);
}

fn runs(scene: &Scene, scenario: &Scenario, row: &Value, lines: &[String], story: &mut Story) {
    let runs = row["runs"].as_array().cloned().unwrap_or_default();
    if runs.len() != scenario.jobs.len() {
        story.faults.push(format!("{} runs for {} experiments", runs.len(), scenario.jobs.len()));
    }
    let strokes = story
        .lives
        .iter()
        .filter(|life| matches!(life.struck, Some(Struck::Hit { victim: Victim::Client, .. })));
    let strokes = strokes.count();
    let mut deviations = 0;
    for (run, job) in runs.iter().zip(&scenario.jobs) {
        let id = run["run"].as_str().unwrap_or_default();
        let state = run["state"].as_str().unwrap_or_default();
        let mut wrong = |what: &str| story.faults.push(format!("run {id} ({job:?}): {what}"));
        let folder = scene.path("results").join(name(scene)).join(id);
        let ends = lines.iter().filter(|line| **line == format!("end {id}")).count();
        let expected = match job.kind {
            Kind::Fails => "failed",
            Kind::Completes | Kind::Forks | Kind::Deaf => "completed",
        };
        match state {
            "pending" | "running" | "interrupted" | "" => wrong(&format!("it is `{state}`")),
            state if state == expected => {}
            // A run whose client was killed ends with it.
            other if deviations < strokes => {
                deviations += 1;
                if own_end(&folder.join("ended.json")) == Some(0)
                    && folder.join("result.json").exists()
                {
                    wrong(&format!("it completed, and is called `{other}`"));
                }
            }
            other => wrong(&format!("it is `{other}`")),
        }
        if state == "completed" {
            let result = fs::read_to_string(folder.join("result.json")).unwrap_or_default();
            let named = serde_json::from_str::<Value>(&result).ok();
            if named.is_none_or(|result| result["run_id"] != id) {
                wrong(&format!("it completed, and its result is `{result}`"));
            }
            if ends == 0 {
                wrong("it completed, and never came to its end");
            }
        }
        if let Some(again) = beats_backwards(lines, id) {
            wrong(&format!("two tries at once: {again:?}"));
        }
        for name in aside(&folder) {
            if let Some(code) = own_end(&folder.join(&name)) {
                wrong(&format!("it was over ({name}: exit code {code}), and was done again"));
            }
        }
        story.unseen += ends.saturating_sub(1);
    }
}

/// The exit code of a run's own, by a mark of its inner lem.
fn own_end(mark: &Path) -> Option<i64> {
    let mark: Value = serde_json::from_slice(&fs::read(mark).ok()?).ok()?;
    // One that was asked to end may end with any code.
    let code = mark["exit_code"].as_i64().filter(|code| [0, FAILURE].contains(code))?;
    (mark["reason"] == "exited").then_some(code)
}

/// The ends of earlier tries.
fn aside(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("ended-a")).collect()
}

/// The numbers of the tries, in the order of their beats, unless each came after the other's last.
fn beats_backwards(lines: &[String], run: &str) -> Option<Vec<u32>> {
    let start = format!("beat {run} ");
    let tries = lines.iter().filter_map(|line| line.strip_prefix(&start)?.parse().ok());
    let tries: Vec<u32> = tries.collect();
    (!tries.is_sorted()).then_some(tries)
}

/// What is left in the engine and on the machine.
fn left(scene: &Scene, scenario: &Scenario, faults: &mut Vec<String>) {
    let look = || {
        let mut left = Vec::new();
        if scenario.way != Way::Local {
            let containers = [engine::containers(&scene.project), engine::owned(&scene.project)];
            left.extend(containers.concat().iter().map(|it| format!("container {it:?}")));
            let networks = engine::networks(&scene.project);
            left.extend(networks.iter().map(|it| format!("network {it}")));
        }
        // A lem and its clients, and what runs.
        let folder = scene.path("");
        let ours = processes::with_variable(&format!("LEM_STATE_DIR={}", folder.display()));
        let runs = processes::with_variable(&format!("LEM_CAMPAIGN_NAME={}", name(scene)));
        for pid in ours.into_iter().chain(runs) {
            left.push(format!("process {pid}: {}", processes::command_line(pid)));
        }
        left
    };
    if wait::until(SOON, || look().is_empty().then_some(())).is_none() {
        faults.extend(look().into_iter().map(|what| format!("left: {what}")));
    }
    let listing = scene.listing();
    let named = |end: &'static str| {
        listing
            .iter()
            .filter(move |path| path.extension().is_some_and(|extension| extension == end))
    };
    faults.extend(named("tmp").map(|path| format!("half a file: {}", path.display())));
    for path in named("lock") {
        if File::open(path).unwrap().try_lock().is_err() {
            faults.push(format!("somebody holds {}", path.display()));
        }
    }
}
