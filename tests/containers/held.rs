//! What is special about containers that are held between runs: they may be somebody else's, die,
//! or stay.

use serde_json::{Value, json};

use crate::support::engine::{self, Container};
use crate::support::{Scene, Strategy};

const HELD: Strategy = Strategy::Persistent;

fn only(scene: &Scene) -> Container {
    let found = engine::containers(&scene.project);
    let [container] = &found[..] else { panic!("{found:?}") };
    container.clone()
}

#[test]
fn a_container_that_somebody_else_started_is_not_taken_over() {
    let scene = Scene::new();
    scene.services("  bench: {image: <busybox>, network_mode: none, init: true}\n");
    scene.scripts(&["true"], "");
    scene.compose(&["up", "--detach", "bench"]);
    let theirs = only(&scene);

    let refused = scene.campaign(HELD, &[]).expect(75);
    refused.says(&[&theirs.name, "--replace-running"]);
    assert_eq!(refused.stdout, "", "nothing was started");
    assert_eq!(engine::containers(&scene.project), [theirs]);

    let ended = scene.campaign(HELD, &["--replace-running"]).expect(0);
    assert_eq!(ended.verdicts(), ["completed"]);
}

#[test]
fn a_held_container_that_dies_between_runs_is_started_again_and_counted() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["true", "echo again", "true"], "config_gap_seconds: 2");
    let mut lem = scene.start_campaign(HELD, &[]);

    lem.event("gap_started");
    let held = only(&scene);
    engine::docker(&["kill", &held.id]);

    let ended = lem.wait().expect(0);
    assert_eq!(ended.verdicts(), ["completed"; 3]);
    assert_eq!(ended.summary()["restarts"], json!([["bench", 1]]));
    assert_eq!(ended.all("service_restarted").len(), 1);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn a_held_container_that_dies_in_a_run_costs_that_run_alone() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["touch here; sleep 1000", "true"], "");
    let mut lem = scene.start_campaign(HELD, &[]);

    lem.event("run_started");
    crate::support::eventually("the run has begun", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });
    engine::docker(&["kill", &only(&scene).id]);

    let ended = lem.wait().expect(1);
    assert_eq!(ended.verdicts(), ["killed", "completed"]);
    assert_eq!(ended.summary()["restarts"], json!([["bench", 1]]));
}

#[test]
fn without_teardown_the_next_campaign_finds_the_same_container_and_reap_removes_it() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["echo $HOSTNAME"], "");
    let keep = ["--auto-teardown", "false"];

    let ended = scene.campaign(HELD, &keep).expect(0);
    let left = only(&scene);
    assert_eq!(left.state, "running");
    let stop_with = format!("lem reap {}", scene.project);
    assert_eq!(ended.all("left_running")[0]["stop_with"], stop_with);

    scene.campaign(HELD, &keep).expect(0);
    assert_eq!(only(&scene).id, left.id);

    let listed = scene.lem(&["ps", "--json"]).expect(0);
    let rows: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let row = rows.iter().find(|row| row["project"] == scene.project).unwrap();
    assert_eq!((&row["id"], &row["service"]), (&left.id.as_str().into(), &"bench".into()));
    assert_eq!(row["used_by"], Value::Null);

    scene.lem(&["reap", "--dry-run", &scene.project]).expect(0);
    assert_eq!(only(&scene).id, left.id);
    scene.lem(&["reap", &scene.project]).expect(0).says(&[&left.name]);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn a_project_that_a_living_lem_uses_is_not_reaped() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["sleep 1000"], "stop_grace_period: 0");
    let mut lem = scene.start_campaign(HELD, &[]);
    lem.event("run_started");
    let held = only(&scene);

    scene.lem(&["reap", &scene.project]).expect(75).says(&["in use by campaign `nightly`"]);
    assert_eq!(only(&scene), held);
}

#[test]
fn a_cold_start_is_a_restart_or_a_new_container_and_the_run_is_told() {
    for (cold, told) in [("restart_container", "false"), ("force_cold_start", "true")] {
        let scene = Scene::new();
        scene.bench();
        let script =
            "echo $LEM_COLD_START $HOSTNAME $(cat /tmp/mark 2>/dev/null); echo warm >/tmp/mark";
        scene.scripts(&[script, &format!("{script}; true")], "");
        let text = std::fs::read_to_string(scene.path("campaign.yaml")).unwrap();
        scene.write("campaign.yaml", &format!("{text}cold_start: {{{cold}: true}}\n"));

        let ended = scene.campaign(HELD, &[]).expect(0);
        assert_eq!(ended.verdicts(), ["completed"; 2]);
        assert_eq!(ended.summary()["restarts"], json!([]), "wanted, so not counted");
        let logs: Vec<Vec<String>> = scene
            .runs("nightly")
            .iter()
            .map(|run| std::fs::read_to_string(run.join("output.log")).unwrap())
            .map(|log| log.split_whitespace().map(str::to_owned).collect())
            .collect();
        assert_eq!((&logs[0][0], &logs[1][0]), (&told.to_owned(), &told.to_owned()));
        if cold == "restart_container" {
            assert_eq!((&logs[0][1], logs[1].get(2)), (&logs[1][1], Some(&"warm".to_owned())));
        } else {
            assert_ne!(logs[0][1], logs[1][1], "another container");
        }
        let script = scene.campaign(HELD, &["--dry-run"]).expect(0).stdout;
        let line = if told == "true" { "--force-recreate bench" } else { "restart --no-deps" };
        assert_eq!(script.matches(line).count(), 1, "before the second run\n{script}");
    }
}

#[test]
fn the_strategies_that_a_campaign_was_executed_with_are_compared() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["true", "exit 3"], "");
    let first = scene.campaign(Strategy::Ephemeral, &[]).expect(1).summary();
    let overheads = |summary: &Value| summary["overheads"].as_array().unwrap().clone();
    let [ephemeral] = &overheads(&first)[..] else { panic!("{first}") };
    assert_eq!((&ephemeral["strategy"], &ephemeral["runs"]), (&json!("ephemeral"), &json!(1)));
    assert!(ephemeral["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(first["advice"], Value::Null, "not for a second of work");

    let both = scene.campaign(HELD, &[]).expect(1).summary();
    let names: Vec<Value> = overheads(&both).iter().map(|it| it["strategy"].clone()).collect();
    assert_eq!(names, ["ephemeral", "persistent"]);
    let idle = both["time"]["idle"].as_f64().unwrap();
    assert!(idle > 0.0 && idle < both["seconds"].as_f64().unwrap(), "{both}");
}

#[test]
fn a_resume_right_after_a_kill_waits_for_the_end_of_the_old_try_in_the_container() {
    let scene = Scene::new();
    scene.bench();
    let script = "[ -e $GO ] && sleep 1 && exit 0; trap '' TERM; touch here; \
                  while :; do sleep 0.1; done";
    scene.scripts(&[script, "true"], "stop_grace_period: 3s");
    let mut lem = scene.start_campaign(HELD, &[]);
    crate::support::eventually("the run has begun", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });
    crate::support::stubborn::let_go(&scene);
    lem.kill();

    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.verdicts(), ["completed", "completed"]);
}

#[test]
fn a_lem_that_is_killed_in_its_teardown_leaves_it_to_the_next_one_which_starts_nothing() {
    let scene = Scene::new();
    // It does not end by itself, so the teardown takes its time.
    let slow = "{image: <busybox>, network_mode: none, init: true, stop_grace_period: 5s, \
                 command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]}";
    scene.services(&format!(
        "  bench: {{image: <busybox>, network_mode: none, user: <me>, depends_on: [slow]}}\n\
         \x20 slow: {slow}\n  other: {{image: <busybox>, network_mode: none}}\n"
    ));
    scene.scripts(&["true"], "");
    let mut lem = scene.start_campaign(HELD, &[]);
    lem.event("teardown_started");
    lem.kill();

    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.started(), Vec::<u64>::new());
    assert_eq!(resumed.summary()["state"], "finished");
    let left: Vec<String> =
        engine::containers(&scene.project).into_iter().map(|it| it.service).collect();
    assert!(!left.contains(&"other".to_owned()) && !left.contains(&"bench".to_owned()), "{left:?}");
    scene.lem(&["resume", "--yes"]).expect(2).says(&["finished"]);
}
