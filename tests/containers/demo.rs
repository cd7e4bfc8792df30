//! The demo campaign, and what a campaign leaves alone.

use crate::support::{Scene, Strategy, engine, images, in_both_strategies};

in_both_strategies!(
    the_demo_completes_and_leaves_nothing,
    what_was_there_before_stays,
    a_network_that_nobody_uses_yet_stays,
);

fn the_demo_completes_and_leaves_nothing(strategy: Strategy) {
    let scene = Scene::new();
    for name in
        ["compose/demo.compose.yaml", "compose/demo/Dockerfile", "fixtures/campaigns/demo.yaml"]
    {
        let original = concat!(env!("CARGO_MANIFEST_DIR"), "/");
        scene.write(name, &std::fs::read_to_string(format!("{original}{name}")).unwrap());
    }
    let words = ["campaign", "fixtures/campaigns/demo.yaml", "--yes", "--json"];
    let named = ["--project-name", &scene.project, "--container-strategy", strategy.word()];
    let ended = scene.lem(&[&words[..], &named].concat()).expect(0);

    assert_eq!(ended.verdicts(), ["completed"; 8]);
    let summary = ended.summary();
    assert_eq!((&summary["completed"], &summary["total"]), (&8.into(), &8.into()));
    assert_eq!(summary["strategy"], strategy.word());
    let runs = scene.runs("demo");
    assert_eq!(runs.len(), 8);
    assert!(runs.iter().all(|run| run.join("result.json").is_file()), "{runs:?}");
    assert_eq!(engine::containers(&scene.project), []);
    assert_eq!(engine::owned(&scene.project), []);
}

/// A neighbour is a service that no run needs.
fn what_was_there_before_stays(strategy: Strategy) {
    let scene = Scene::new();
    let busybox = images::tag("busybox");
    scene.services(&format!(
        "  bench: {{image: {busybox}}}\n\
         \x20 neighbour: {{image: {busybox}, networks: [theirs], init: true}}\n\
         networks: {{theirs: {{}}}}\n"
    ));
    scene.compose(&["up", "--detach", "neighbour"]);
    let before = engine::containers(&scene.project);
    let networks = engine::networks(&scene.project);
    scene.scripts(&["true"], "");

    let ended = scene.campaign(strategy, &[]).expect(0);

    assert_eq!(ended.verdicts(), ["completed"]);
    assert_eq!(engine::containers(&scene.project), before);
    assert_eq!(before[0].state, "running");
    assert_eq!(engine::networks(&scene.project), networks, "`default` was lem's and is gone");
}

/// As an `up` that was taken down by hand leaves it: with other people's plans for it, perhaps.
fn a_network_that_nobody_uses_yet_stays(strategy: Strategy) {
    let scene = Scene::new();
    scene.services(&format!("  bench: {{image: {}}}\n", images::tag("busybox")));
    scene.compose(&["up", "--detach", "--scale", "bench=0", "bench"]);
    let networks = engine::networks(&scene.project);
    assert_eq!(networks.len(), 1);
    scene.scripts(&["true"], "");

    scene.campaign(strategy, &[]).expect(0);

    assert_eq!(engine::networks(&scene.project), networks);
    assert_eq!(engine::containers(&scene.project), []);
}
