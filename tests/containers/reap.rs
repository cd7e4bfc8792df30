//! `lem reap`: what a dead lem left goes, what may be a living one's stays.

use std::process::Command;

use crate::support::small_disk::skipped;
use crate::support::wait::eventually;
use crate::support::{Ended, Running, Scene, Strategy, engine};

/// A campaign in a network of its own, in the middle of a run.
fn running(scene: &Scene) -> Running {
    scene.services("  bench: {image: <busybox>, user: <me>}\n");
    scene.scripts(&["touch $GO; sleep 1000"], "stop_grace_period: 0");
    let lem = scene.start_campaign(Strategy::Ephemeral, &[]);
    eventually("the run began", || scene.path("results/nightly/go").exists().then_some(()));
    lem
}

#[test]
fn the_network_of_a_campaign_that_was_killed_is_removed() {
    let scene = Scene::new();
    let mut lem = running(&scene);
    assert_eq!(engine::networks(&scene.project).len(), 1);
    lem.kill();
    eventually("the run's container is gone", || {
        engine::containers(&scene.project).is_empty().then_some(())
    });

    let planned = scene.lem(&["reap", "--dry-run", &scene.project]).expect(0);
    assert!(planned.stdout.starts_with("docker network rm "), "{}", planned.stdout);
    assert_eq!(engine::networks(&scene.project).len(), 1);
    scene.lem(&["reap", &scene.project]).expect(0).says(&["1 networks"]);
    assert_eq!(engine::networks(&scene.project).len(), 0);
}

#[test]
fn the_network_of_a_campaign_that_was_killed_goes_with_the_next_one() {
    let scene = Scene::new();
    let mut lem = running(&scene);
    lem.kill();
    scene.scripts(&["true"], "");

    scene.campaign(Strategy::Ephemeral, &["--fresh"]).expect(0);

    assert_eq!(engine::networks(&scene.project).len(), 0);
}

/// `lem` with another state folder.
fn elsewhere(scene: &Scene, words: &[&str]) -> Ended {
    let mut command = scene.command(words);
    command.env("LEM_STATE_DIR", scene.path("another-users"));
    Running::start(&mut command).wait()
}

#[test]
fn a_living_lem_is_seen_from_another_state_folder_too() {
    for strategy in [Strategy::Ephemeral, Strategy::Persistent] {
        let scene = Scene::new();
        scene.bench();
        scene.scripts(&["touch $GO; sleep 1000"], "stop_grace_period: 0");
        let mut lem = scene.start_campaign(strategy, &[]);
        eventually("the run began", || scene.path("results/nightly/go").exists().then_some(()));
        // Its process may run before the engine says that it does.
        let ids = || engine::containers(&scene.project).into_iter().map(|it| it.id);
        let before: Vec<String> = ids().collect();

        for more in [&[][..], &["--force"]] {
            let words = [&["reap", &scene.project], more].concat();
            elsewhere(&scene, &words).expect(75).says(&["in use by another lem"]);
        }
        scene.campaign_of("second.yaml", "weekly", &["true"], "");
        let words = ["campaign", "second.yaml", "--yes", "--container-strategy", strategy.word()];
        elsewhere(&scene, &words).expect(75).says(&[&scene.project, "another lem"]);
        assert_eq!(ids().collect::<Vec<_>>(), before);

        lem.kill();
        elsewhere(&scene, &words).expect(0);
    }
}

#[test]
fn a_run_of_a_lem_that_is_not_seen_from_here_stays() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("only root hides a lem").unwrap_or_default();
    }
    let scene = Scene::new();
    let _lem = running(&scene);
    let reap = |more: &[&str]| {
        // As from another machine: neither its files nor its names are seen.
        let mut command = Command::new("unshare");
        scene.furnish(&mut command).args(["--net", env!("CARGO_BIN_EXE_lem"), "reap"]);
        command.arg(&scene.project).args(more);
        command.env("LEM_STATE_DIR", scene.path("another-users"));
        Running::start(&mut command).wait()
    };

    reap(&[]).expect(75).says(&["still runs; `--force` removes it"]);
    assert_eq!(engine::containers(&scene.project).len(), 1);
    reap(&["--force"]).expect(0);
    assert_eq!(engine::containers(&scene.project).len(), 0);
}
