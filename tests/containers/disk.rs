//! A results disk that runs full, and results that go away, under runs in containers.

use crate::support::scene::campaign_words;
use crate::support::small_disk::SmallDisk;
use crate::support::{Scene, Strategy, engine, in_both_strategies};

in_both_strategies!(
    a_full_results_disk_ends_the_campaign_and_a_resume_goes_on_when_there_is_room,
    results_that_go_away_during_a_run_end_the_campaign,
);

/// A second run that fills the disk.
const FULL: [&str; 3] = [
    // The client of docker can't write the log.
    "dd if=/dev/zero bs=4k count=1000; exit 0",
    // The command says that it failed, or not, and its result is torn.
    "dd if=/dev/zero of=filler bs=4k count=1000; exit 1",
    "dd if=/dev/zero of=filler bs=4k count=1000; echo '{' >result.json; exit 0",
];

const OK: &str = "echo {} >result.json";

fn a_full_results_disk_ends_the_campaign_and_a_resume_goes_on_when_there_is_room(
    strategy: Strategy,
) {
    // The log is written by the client of each strategy, results are read by the same code.
    match strategy {
        Strategy::Ephemeral => goes_on_after(&FULL, strategy),
        Strategy::Persistent => goes_on_after(&FULL[..1], strategy),
    }
}

#[test]
#[ignore = "takes long: make test-slow"]
fn whatever_fills_the_results_disk_of_held_containers() {
    goes_on_after(&FULL[1..], Strategy::Persistent);
}

fn goes_on_after(fillers: &[&str], strategy: Strategy) {
    for full in fillers {
        let scene = Scene::new();
        let Some(disk) = SmallDisk::mount(&scene.path("results"), "1m") else { return };
        scene.bench();
        let second = format!("[ -e $GO ] && {OK} && exit 0; {full}");
        scene.scripts(&[OK, &second, OK], "require_result: true");

        let ended = scene.campaign(strategy, &[]).expect(3);
        ended.says(&["there is no room left", "results/nightly", "lem resume"]);
        assert_eq!(ended.verdicts(), ["completed"], "{full}");
        assert_eq!(ended.summary()["failed"], 0);
        assert_eq!(engine::containers(&scene.project), []);

        disk.grow("64m");
        scene.write("results/nightly/go", "");
        let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
        assert_eq!(resumed.started(), [2, 3], "{full}");
        assert_eq!(resumed.summary()["completed"], 3);
        assert_eq!(engine::containers(&scene.project), []);
    }
}

fn results_that_go_away_during_a_run_end_the_campaign(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&[OK, "touch here; while :; do sleep 0.1; [ -e here ] || exit 0; done", OK], "");
    let mut lem = scene.start(&campaign_words(strategy));
    crate::support::eventually("the second run has begun", || {
        scene.runs("nightly").get(1)?.join("here").exists().then_some(())
    });
    std::fs::rename(scene.path("results/nightly"), scene.path("results/moved")).unwrap();
    let runs = scene.runs("moved");
    std::fs::remove_file(runs[1].join("here")).unwrap();

    let ended = lem.wait().expect(3);
    ended.says(&["the results folder `", "was removed", "lem resume"]);
    assert!(!ended.stderr.contains("ENTRYPOINT"), "{}", ended.stderr);
    assert_eq!(engine::containers(&scene.project), []);

    std::fs::rename(scene.path("results/moved"), scene.path("results/nightly")).unwrap();
    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.summary()["completed"], 3);
}
