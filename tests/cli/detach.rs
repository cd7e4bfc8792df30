//! `--detach`: a campaign that outlives its terminal, and says first whether it has begun.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use rexpect::session::spawn_command;
use serde_json::Value;

use crate::support::detached::Detached;
use crate::support::{Running, Scene, eventually};

const WORDS: [&str; 5] = ["campaign", "campaign.yaml", "--runner", "local", "--detach"];

/// Runs until the file `go` is there.
const WAITS: &str = "echo waiting; touch here; until [ -e $GO ]; do sleep 0.05; done";

fn status(scene: &Scene) -> Vec<Value> {
    std::fs::create_dir_all(scene.path("elsewhere")).unwrap();
    let mut command = scene.command(&["status", "--json", "--all"]);
    let ended = Running::start(command.current_dir(scene.path("elsewhere"))).wait().expect(0);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// What the lem that stayed says with `--json`.
fn begun(scene: &Scene, words: &[&str]) -> (Value, Detached) {
    let ended = scene.lem(words).expect(0);
    let begun: Value = serde_json::from_str(&ended.stdout).unwrap();
    let detached = Detached::of(begun["pid"].as_i64().unwrap());
    (begun, detached)
}

fn read(path: &Value) -> String {
    std::fs::read_to_string(PathBuf::from(path.as_str().unwrap())).unwrap()
}

fn runs_in(scene: &Scene) {
    eventually("the run is there", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });
}

#[test]
fn a_campaign_outlives_its_terminal_and_ends_in_order_when_asked() {
    let scene = Scene::without_containers();
    scene.scripts(&[WAITS, "true"], "stop_grace_period: 1s");
    let mut terminal = spawn_command(scene.command(&WORDS), Some(60_000)).unwrap();
    let detached = Detached::announced(&mut terminal);
    drop(terminal);

    runs_in(&scene);
    detached.signal(Signal::SIGHUP);
    let row = &status(&scene)[0];
    assert_eq!((&row["state"], &row["pid"]), (&"running".into(), &detached.pid().into()));
    assert_eq!(
        session(detached.pid()),
        (detached.pid(), 0),
        "a session of its own without a terminal"
    );

    detached.signal(Signal::SIGTERM);
    detached.has_ended();
    let row = &status(&scene)[0];
    assert_eq!((&row["state"], &row["completed"]), (&"interrupted".into(), &0.into()));
    let folder = scene.path(".state").join(&row["campaign_id"].as_str().unwrap()[..8]);
    let log = std::fs::read_to_string(folder.join("lem.log")).unwrap();
    for word in ["campaign nightly: 2 experiments", "interrupted", "stopped by SIGTERM"] {
        assert!(log.contains(word), "no `{word}` in {log}");
    }
}

/// The session of a process and the device number of its terminal.
fn session(pid: i32) -> (i32, i32) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[3].parse().unwrap(), fields[4].parse().unwrap())
}

#[test]
fn events_go_to_a_file_and_a_resume_can_be_detached_too() {
    let scene = Scene::without_containers();
    scene.scripts(&[WAITS, "true"], "stop_grace_period: 1s");
    let (first, detached) = begun(&scene, &[&WORDS[..], &["--json"]].concat());
    runs_in(&scene);
    detached.signal(Signal::SIGTERM);
    detached.has_ended();
    let events = read(&first["events"]);
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["state"]), (&"campaign_ended".into(), &"interrupted".into()));

    let refused = scene.lem(&[&WORDS[..], &["--yes"]].concat()).expect(2);
    refused.says(&["was not finished", "`--resume`"]);

    scene.write("results/nightly/go", "");
    let (second, detached) = begun(&scene, &["resume", "--detach", "--json"]);
    detached.has_ended();
    assert_eq!(second["campaign_id"], first["campaign_id"]);
    let events = read(&second["events"]);
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!((&last["state"], &last["completed"]), (&"finished".into(), &2.into()));
    assert_eq!(status(&scene)[0]["state"], "finished");
}

#[test]
fn while_it_goes_on_nobody_else_starts_it() {
    let scene = Scene::without_containers();
    scene.scripts(&[WAITS], "stop_grace_period: 1s");
    let (begun, _detached) = begun(&scene, &[&WORDS[..], &["--json"]].concat());
    let refused = scene.lem(&WORDS).expect(75);
    refused.says(&["campaign `nightly`", &format!("pid {}", begun["pid"])]);
}

#[test]
fn what_the_other_lem_meets_is_said_here_with_its_exit_code() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    scene.write("file", "");
    let ended = scene.lem(&[&WORDS[..], &["--results-dir", "file/results"]].concat()).expect(3);
    ended.says(&["can't be written"]);
    assert!(!ended.stderr.contains("goes on by itself"), "{}", ended.stderr);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_detached() {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "cylces: 3");
    scene.lem(&WORDS).expect(2).says(&["unknown key `execution.cylces`"]);
    scene.lem(&["campaign", "--detach", "--dry-run"]).expect(2).says(&["cannot be used with"]);
}
