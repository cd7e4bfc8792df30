//! Somebody edits the Compose file while a campaign runs.

use crate::support::stubborn::let_go;
use crate::support::{Running, Scene, Strategy, engine, eventually, in_both_strategies};

in_both_strategies!(
    a_service_that_says_something_else_now_ends_the_campaign,
    a_file_of_variables_that_a_service_reads_is_one_of_its_files,
    a_change_that_is_none_of_its_services_is_no_reason_to_end,
);

/// In its first run, which ends when it may.
fn begun(scene: &Scene, strategy: Strategy) -> Running {
    let wait = "touch here; until [ -e $GO ]; do sleep 0.1; done";
    scene.scripts(&[wait, "touch second"], "");
    let lem = scene.start_campaign(strategy, &[]);
    eventually("the first run has begun", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });
    lem
}

const BENCH: &str = "  bench: {image: <busybox>, network_mode: none, user: <me>}\n";

fn a_service_that_says_something_else_now_ends_the_campaign(strategy: Strategy) {
    let scene = Scene::new();
    scene.services(BENCH);
    let mut lem = begun(&scene, strategy);
    let other = BENCH.replace("none,", "none, environment: {BATCH: '8'},");
    scene.services(&other);
    let_go(&scene);

    let ended = lem.wait().expect(2);

    assert_eq!(ended.verdicts(), ["completed"]);
    ended.says(&["compose.yaml` was changed", "service `bench`", "`lem resume`"]);
    assert_eq!(engine::containers(&scene.project), []);
    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.started(), [2]);
}

fn a_change_that_is_none_of_its_services_is_no_reason_to_end(strategy: Strategy) {
    let scene = Scene::new();
    scene.services(BENCH);
    let mut lem = begun(&scene, strategy);
    scene.services(&format!("{BENCH}  other: {{image: <busybox>}}\n"));
    let_go(&scene);

    let ended = lem.wait().expect(0);

    assert_eq!(ended.verdicts(), ["completed", "completed"]);
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_file_of_variables_that_a_service_reads_is_one_of_its_files(strategy: Strategy) {
    let scene = Scene::new();
    scene.write("bench.env", "BATCH=1\n");
    scene.services(&BENCH.replace("none,", "none, env_file: [bench.env],"));
    let mut lem = begun(&scene, strategy);
    scene.write("bench.env", "BATCH=8\n");
    let_go(&scene);

    lem.wait().expect(2).says(&["bench.env` was changed", "service `bench`"]);
}
