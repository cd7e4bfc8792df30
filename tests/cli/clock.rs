//! A wall clock that is set by an hour while lem works: nothing waits for it, nothing is measured
//! by it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::clock::Clock;
use crate::support::{Running, Scene, eventually};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];
const HOUR: i64 = 3600;
/// Longer than anything here takes on a busy machine, and far from an hour.
const SOON: f64 = 60.0;

fn start(scene: &Scene, clock: &Clock, words: &[&str]) -> Running {
    Running::start(clock.furnish(&mut scene.command(words)))
}

/// Every number of seconds in an event is one that the test can have taken.
fn is_sane(event: &Value) {
    for (name, value) in event.as_object().unwrap() {
        if let (true, Some(seconds)) = (name.ends_with("seconds"), value.as_f64()) {
            assert!((0.0..SOON).contains(&seconds), "{name}: {event}");
        }
    }
}

/// Leaves a result as a tool does that knows nothing of lem, with the time that the clock shows.
const RAW: &str = "echo {} >../../raw.json; touch -d @$(date +%s.%N) ../../raw.json";

#[test]
fn a_clock_that_is_set_during_a_run_takes_neither_its_result_nor_its_time() {
    for step in [HOUR, -HOUR] {
        let scene = Scene::without_containers();
        let clock = Clock::new(&scene);
        let first = format!("while [ ! -e $GO ]; do sleep 0.05; done; {RAW}");
        scene.scripts(&[&first, "true"], "require_result: true");
        let mut lem = start(&scene, &clock, &WORDS);
        eventually("the first run has begun", || {
            scene.runs("nightly").first()?.join("started.json").exists().then_some(())
        });
        clock.set(step);
        scene.write("results/nightly/go", "");

        let ended = lem.wait().expect(1);
        // The second run does not get the first one's result.
        assert_eq!(ended.verdicts(), ["completed", "no_result"], "{step}");
        ended.all("run_ended").iter().for_each(is_sane);
        is_sane(&ended.summary());
        is_sane(&ended.summary()["time"]);
    }
}

#[test]
fn a_clock_that_is_set_back_gives_no_run_the_result_of_another() {
    let scene = Scene::without_containers();
    let clock = Clock::new(&scene);
    let second = "while [ ! -e $GO ]; do sleep 0.05; done";
    scene.scripts(&[RAW, second], "require_result: true");
    let mut lem = start(&scene, &clock, &WORDS);
    eventually("the second run has begun", || {
        scene.runs("nightly").get(1)?.join("started.json").exists().then_some(())
    });
    clock.set(-HOUR);
    scene.write("results/nightly/go", "");
    assert_eq!(lem.wait().expect(1).verdicts(), ["completed", "no_result"]);
}

#[test]
fn a_clock_that_is_set_during_a_pause_changes_neither_the_pause_nor_what_is_idle() {
    for step in [HOUR, -HOUR] {
        let scene = Scene::without_containers();
        let clock = Clock::new(&scene);
        scene.scripts(&["true", "true"], "config_gap_seconds: 1");
        let mut lem = start(&scene, &clock, &WORDS);
        lem.event("gap_started");
        let began = Instant::now();
        clock.set(step);
        let ended = lem.wait().expect(0);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        ended.all("run_ended").iter().for_each(is_sane);
        let second = &ended.all("run_ended")[1];
        let seconds = |name: &str| second[name].as_f64().unwrap();
        assert!(seconds("gap_seconds") >= 0.9, "{second}");
        assert!(seconds("idle_seconds") >= 0.9, "{second}");
    }
}

#[test]
fn limits_and_waits_for_another_try_do_not_follow_the_wall_clock() {
    for step in [HOUR, -HOUR] {
        let scene = Scene::without_containers();
        let clock = Clock::new(&scene);
        let retry = "retry: {max_attempts: 2, base_delay: 1, on: [timed_out]}";
        let limits = format!("timeout: 2, stop_grace_period: 1, {retry}");
        scene.scripts(&["[ -e tried ] && exit 0; touch tried; sleep 1000"], &limits);
        let mut lem = start(&scene, &clock, &WORDS);
        lem.event("run_started");
        clock.set(step);
        lem.event("retry_waiting");
        clock.set(0);
        let ended = lem.wait().expect(0);
        assert_eq!(ended.verdicts(), ["timed_out", "completed"], "{step}");
        let took = ended.all("run_ended")[0]["command_seconds"].as_f64().unwrap();
        assert!((1.9..SOON).contains(&took), "{took}");
        is_sane(&ended.summary());
    }
}

#[test]
fn a_log_is_followed_on_and_the_status_is_sane_when_the_clock_is_set_back() {
    let scene = Scene::without_containers();
    let clock = Clock::new(&scene);
    let script = |number: u32| {
        format!("echo run {number}; while [ ! -e ../go{number} ]; do sleep 0.05; done")
    };
    scene.scripts(&[&script(1), &script(2)], "");
    let mut lem = start(&scene, &clock, &WORDS);
    lem.event("run_started");
    let mut follower = start(&scene, &clock, &["logs", "--follow"]);
    eventually("the first run is followed", || follower.stdout().contains("run 1").then_some(()));
    clock.set(-HOUR);
    scene.write("results/nightly/go1", "");
    eventually("the second run is followed", || follower.stdout().contains("run 2").then_some(()));
    let status = start(&scene, &clock, &["status", "--json"]).wait().expect(0).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert!((0.0..SOON).contains(&status[0]["seconds_left"].as_f64().unwrap()), "{status}");
    scene.write("results/nightly/go2", "");
    lem.wait().expect(0);
    assert_eq!(follower.wait().expect(0).stdout, "run 1\nrun 2\n");
}
