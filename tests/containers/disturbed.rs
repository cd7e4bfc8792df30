//! Somebody else pauses, restarts or removes the container of a run: the run has its word, its work
//! is not done twice, and the campaign goes on.

use crate::support::{Scene, Strategy, engine, eventually, in_both_strategies};

in_both_strategies!(
    a_container_that_is_paused_ends_its_run,
    a_container_that_is_restarted_ends_its_run_which_is_not_begun_again,
    a_container_that_is_removed_ends_its_run,
);

const COUNTED: &str = "echo >>../begun; touch here; exec sleep 1000";

fn disturbed(strategy: Strategy, words: &[&str], hint: &str) {
    let scene = Scene::new();
    scene.bench();
    disturbed_in(&scene, strategy, words, hint);
}

fn disturbed_in(scene: &Scene, strategy: Strategy, words: &[&str], hint: &str) {
    scene.scripts(&["touch first", COUNTED, "touch third"], "");
    let mut lem = scene.start_campaign(strategy, &[]);
    eventually("the second run has begun", || {
        scene.runs("nightly").get(1)?.join("here").exists().then_some(())
    });

    let containers = engine::containers(&scene.project);
    assert_eq!(containers.len(), 1, "{containers:?}");
    engine::docker(&[words, &[&containers[0].id]].concat());

    let ended = lem.wait().expect(1);
    assert_eq!(ended.verdicts(), ["completed", "killed", "completed"]);
    // A restart that is over before lem looks is seen as the end that it was.
    let ended_it = "something outside of lem ended it";
    assert!(ended.stderr.contains(hint) || ended.stderr.contains(ended_it), "{}", ended.stderr);
    let begun = std::fs::read_to_string(scene.path("results/nightly/begun")).unwrap();
    assert_eq!(begun.lines().count(), 1, "its work is not done twice");
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_container_that_is_paused_ends_its_run(strategy: Strategy) {
    disturbed(strategy, &["pause"], "somebody paused its container");
}

fn a_container_that_is_restarted_ends_its_run_which_is_not_begun_again(strategy: Strategy) {
    let hint = match strategy {
        Strategy::Ephemeral => "somebody restarted its container",
        // Its client ends with it.
        Strategy::Persistent => "something outside of lem ended it",
    };
    disturbed(strategy, &["restart", "--time", "0"], hint);
}

#[test]
fn what_a_shell_keeps_is_not_begun_again_when_its_container_is_restarted() {
    let scene = Scene::new();
    scene.bench_without_inner_lem();
    let hint = "somebody restarted its container";
    disturbed_in(&scene, Strategy::Ephemeral, &["restart", "--time", "0"], hint);
}

fn a_container_that_is_removed_ends_its_run(strategy: Strategy) {
    disturbed(strategy, &["rm", "--force"], "something outside of lem ended it");
}
