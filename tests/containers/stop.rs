//! Ctrl-C, `kill` and `kill -9` in the middle of a run: what it started is gone, and a resume does
//! what is missing.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::scene::campaign_words;
use crate::support::stubborn::let_go;
use crate::support::{
    Scene, Strategy, Stubborn, engine, eventually, in_both_strategies, processes,
};

in_both_strategies!(
    ctrl_c_ends_everything_and_a_resume_does_what_is_missing,
    term_ends_everything,
    a_lem_that_is_killed_takes_its_run_with_it_and_a_resume_finishes,
);

const RESUME: [&str; 4] = ["resume", "--yes", "--json", "campaign.yaml"];

fn stubborn(scene: &Scene, strategy: Strategy) -> Stubborn {
    scene.bench();
    Stubborn::start(scene, &campaign_words(strategy))
}

fn ctrl_c_ends_everything_and_a_resume_does_what_is_missing(strategy: Strategy) {
    let scene = Scene::new();
    let mut run = stubborn(&scene, strategy);

    run.lem.signal(Signal::SIGINT);
    run.leaves_nothing();
    let ended = run.lem.wait().expect(130);
    assert_eq!(ended.verdicts(), ["completed", "interrupted"]);
    let summary = ended.summary();
    assert_eq!((&summary["state"], &summary["remaining"]), (&"interrupted".into(), &2.into()));
    assert_eq!(engine::containers(&scene.project), []);

    let_go(&scene);
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
    let summary = resumed.summary();
    assert_eq!((&summary["completed"], &summary["campaign_id"]), (&3.into(), &run.campaign.into()));
    assert_eq!(summary["strategy"], strategy.word(), "as it was begun");
    assert_eq!(scene.runs("nightly").len(), 3);
    assert_eq!(engine::containers(&scene.project), []);
}

fn term_ends_everything(strategy: Strategy) {
    let scene = Scene::new();
    let mut run = stubborn(&scene, strategy);

    run.lem.signal(Signal::SIGTERM);
    run.leaves_nothing();
    run.lem.wait().expect(143);
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_lem_that_is_killed_takes_its_run_with_it_and_a_resume_finishes(strategy: Strategy) {
    let scene = Scene::new();
    let mut run = stubborn(&scene, strategy);

    run.lem.kill();
    run.leaves_nothing();
    eventually("no client of the dead lem listens to events", || {
        let owner = format!("dev.lem.owner={}", scene.project);
        let mut lines = processes::command_lines();
        (!lines.any(|line| line.contains("events") && line.contains(&owner))).then_some(())
    });

    let_go(&scene);
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
    assert_eq!(resumed.summary()["completed"], 3);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn who_listens_to_events_ends_also_when_its_keeper_is_killed() {
    let scene = Scene::new();
    let mut run = stubborn(&scene, Strategy::Persistent);
    let keeper = eventually("somebody listens to events", || {
        let mut keepers = processes::children(run.lem.pid()).into_iter();
        keepers.find(|pid| processes::command_line(*pid).contains(" events "))
    });
    let listener = eventually("the client is there", || {
        processes::children(keeper).into_iter().find(|pid| processes::name(*pid) == "docker")
    });

    kill(Pid::from_raw(keeper.try_into().unwrap()), Signal::SIGKILL).unwrap();
    eventually("its listener is gone", || {
        processes::command_line(listener).is_empty().then_some(())
    });

    run.lem.signal(Signal::SIGINT);
    run.lem.wait().expect(130);
    assert_eq!(engine::containers(&scene.project), []);
}
