//! What is wrong is said before anything starts, with the exit code of its kind.

use crate::support::{Ended, Scene, Strategy, engine, in_both_strategies};

const FRESH: Strategy = Strategy::Ephemeral;

in_both_strategies!(an_image_that_can_not_be_had_is_the_machines_fault);

/// Fails, and leaves neither containers nor results.
#[track_caller]
fn refused(scene: &Scene, ended: Ended, code: i32, words: &[&str]) {
    let ended = ended.expect(code);
    ended.says(words);
    assert!(!ended.stdout.contains("campaign_started"), "{}", ended.stdout);
    assert_eq!(engine::containers(&scene.project), []);
    assert!(!scene.path("results").is_dir());
}

#[test]
fn a_compose_file_that_is_missing() {
    let scene = Scene::new();
    scene.scripts(&["true"], "");
    refused(&scene, scene.campaign(FRESH, &[]), 2, &["compose.yaml` does not exist"]);
}

#[test]
fn a_compose_file_that_compose_refuses() {
    let scene = Scene::new();
    scene.services("  bench: {imagine: busybox}\n");
    scene.scripts(&["true"], "");
    refused(&scene, scene.campaign(FRESH, &[]), 2, &["Compose refuses", "imagine"]);
}

#[test]
fn a_service_that_the_compose_file_lacks() {
    let scene = Scene::new();
    scene.services("  bench2: {image: <busybox>}\n");
    scene.scripts(&["true"], "");
    let words = ["needs service `bench`", "did you mean `bench2`?"];
    refused(&scene, scene.campaign(FRESH, &[]), 2, &words);
}

#[test]
fn a_place_in_the_command_that_names_nothing() {
    let scene = Scene::new();
    scene.bench();
    scene.write(
        "campaign.yaml",
        "campaign_name: nightly\ngrid: {backends: [bench]}\ncommand: [echo, '{modle}']\n",
    );
    refused(&scene, scene.campaign(FRESH, &[]), 2, &["`{modle}`"]);
}

#[test]
fn results_that_the_service_mounts_read_only() {
    let scene = Scene::new();
    scene.services("  bench: {image: <busybox>, volumes: ['.:/w:ro']}\n");
    scene.scripts(&["true"], "");
    refused(&scene, scene.campaign(FRESH, &[]), 2, &["read-only", "`/w`"]);
}

#[test]
fn results_that_can_not_be_written() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["true"], "");
    scene.write("file", "");
    let ended = scene.campaign(FRESH, &["--results-dir", "file/results"]);
    refused(&scene, ended, 3, &["can't be written"]);
}

#[test]
fn a_question_that_nobody_can_answer() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["true"], "");
    let ended = scene.lem(&["campaign", "--container-strategy", "persistent"]);
    refused(&scene, ended, 2, &["--yes", "less isolation"]);
}

fn an_image_that_can_not_be_had_is_the_machines_fault(strategy: Strategy) {
    let scene = Scene::new();
    // Nobody listens there, which takes no time to find out.
    scene.services("  bench: {image: '127.0.0.1:1/none:1', network_mode: none}\n");
    scene.scripts(&["true"], "");
    let ended = scene.campaign(strategy, &[]);
    refused(&scene, ended, 3, &["image `127.0.0.1:1/none:1` of service `bench`"]);
}
