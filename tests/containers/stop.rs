//! Ctrl-C, `kill` and `kill -9` in the middle of a run: what it started is gone, and a resume does
//! what is missing.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{
    Running, Scene, Strategy, engine, eventually, in_both_strategies, processes, within,
};

in_both_strategies!(
    ctrl_c_ends_everything_and_a_resume_does_what_is_missing,
    term_ends_everything,
    a_lem_that_is_killed_takes_its_run_with_it_and_a_resume_finishes,
);

/// Deaf to everything but KILL, and forked away from its parents in each of the usual ways.
const STUBBORN: &str = "[ -e $GO ] && exit 0; trap '' TERM INT HUP; \
     setsid sh -c 'sleep 1000 & sleep 1000' & \
     (sleep 1000 & env -i sleep 1000 &) & \
     touch here; while :; do sleep 1; done";
const GRACE: &str = "stop_grace_period: 1s";

/// The grace, and what the engine may take on a busy machine.
const SOON: Duration = Duration::from_secs(1 + 5);

/// A campaign of three runs that is in its second, with the campaign's id.
fn in_the_second_run(scene: &Scene, strategy: Strategy) -> (Running, String) {
    scene.bench();
    scene.scripts(&["touch first", STUBBORN, "touch third"], GRACE);
    let mut lem = scene.start_campaign(strategy, &[]);
    let id = lem.event("campaign_started")["campaign_id"].as_str().unwrap().to_owned();
    let here = || scene.runs("nightly").get(1)?.join("here").exists().then_some(());
    eventually("the second run has begun", here);
    let alive = processes::of_campaign(&id);
    assert!(alive.len() >= 4, "this test must be able to see the run's processes: {alive:?}");
    (lem, id)
}

fn nothing_is_left_of(id: &str) {
    within(SOON, "nothing of the run is left", || {
        processes::of_campaign(id).is_empty().then_some(())
    });
}

fn ctrl_c_ends_everything_and_a_resume_does_what_is_missing(strategy: Strategy) {
    let scene = Scene::new();
    let (lem, id) = in_the_second_run(&scene, strategy);

    lem.signal(Signal::SIGINT);
    nothing_is_left_of(&id);
    let ended = lem.wait().expect(130);
    assert_eq!(ended.verdicts(), ["completed", "interrupted"]);
    let summary = ended.summary();
    assert_eq!((&summary["state"], &summary["remaining"]), (&"interrupted".into(), &2.into()));
    assert_eq!(engine::containers(&scene.project), []);

    scene.write("results/nightly/go", "");
    let resumed = scene.lem(&["resume", "--yes", "--json", "campaign.yaml"]).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
    let summary = resumed.summary();
    assert_eq!((&summary["completed"], &summary["campaign_id"]), (&3.into(), &id.into()));
    assert_eq!(summary["strategy"], strategy.word(), "as it was begun");
    assert_eq!(scene.runs("nightly").len(), 3);
    assert_eq!(engine::containers(&scene.project), []);
}

fn term_ends_everything(strategy: Strategy) {
    let scene = Scene::new();
    let (lem, id) = in_the_second_run(&scene, strategy);

    lem.signal(Signal::SIGTERM);
    nothing_is_left_of(&id);
    lem.wait().expect(143);
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_lem_that_is_killed_takes_its_run_with_it_and_a_resume_finishes(strategy: Strategy) {
    let scene = Scene::new();
    let (lem, id) = in_the_second_run(&scene, strategy);

    lem.kill();
    nothing_is_left_of(&id);

    scene.write("results/nightly/go", "");
    let words = ["resume", "--yes", "--json", "campaign.yaml"];
    let resumed = scene.lem(&words).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
    assert_eq!(resumed.summary()["completed"], 3);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn a_resume_without_a_name_finds_the_campaign_of_this_folder() {
    let (scene, strategy) = (Scene::new(), Strategy::Ephemeral);
    let (lem, _) = in_the_second_run(&scene, strategy);
    lem.signal(Signal::SIGINT);
    lem.wait().expect(130);

    let again = scene.campaign(strategy, &[]).expect(2);
    again.says(&["was not finished", "--resume"]);
    scene.write("results/nightly/go", "");
    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
}
