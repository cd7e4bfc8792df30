//! Runs that are chosen, and campaigns that changed, in containers.

use crate::support::engine;
use crate::support::{Scene, Strategy, in_both_strategies};

in_both_strategies!(only_the_services_of_chosen_runs_are_needed_and_a_changed_campaign_goes_on);

fn campaign(scene: &Scene, other: &str) {
    scene.write(
        "campaign.yaml",
        &format!(
            "campaign_name: nightly\ngrid: {{backends: [bench, {other}]}}\n\
             command: [sh, -c, 'echo {{backend}} >{{results}}/said']\nexecution: {{cycles: 1}}\n"
        ),
    );
}

fn only_the_services_of_chosen_runs_are_needed_and_a_changed_campaign_goes_on(strategy: Strategy) {
    let scene = Scene::new();
    scene.services(
        "  bench: {image: <busybox>, network_mode: none, user: <me>}\n\
         \x20 second: {image: <busybox>, network_mode: none, user: <me>}\n\
         \x20 absent: {image: 'lem-test-no-such-image:1', network_mode: none}\n",
    );
    campaign(&scene, "absent");
    let part = scene.campaign(strategy, &["--only", "bench"]).expect(0);
    assert_eq!((part.started(), &part.summary()["left_out"]), (vec![1], &1.into()));

    campaign(&scene, "second");
    scene.lem(&["resume", "--yes"]).expect(2).says(&["- absent (0 of 1 done", "+ second"]);
    let resumed = scene.lem(&["resume", "--yes", "--json", "--accept-changes"]).expect(0);
    assert_eq!(resumed.verdicts(), ["completed"]);
    let started = &resumed.all("run_started")[0];
    assert_eq!((&started["service"], &started["position"]), (&"second".into(), &3.into()));
    assert_eq!(resumed.summary()["strategy"], strategy.word(), "as it was begun");
    let said = scene.runs("nightly").pop().unwrap().join("said");
    assert_eq!(std::fs::read_to_string(said).unwrap(), "second\n");
    assert_eq!(engine::containers(&scene.project), []);
}
