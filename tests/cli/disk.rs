//! Disks that are full, and results folders that go away: the campaign ends with the reason, and
//! goes on when it is gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::small_disk::{SmallDisk, skipped};
use crate::support::{Ended, Scene, eventually};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];
const RESUME: [&str; 3] = ["resume", "--yes", "--json"];

/// Takes all room that there is, which makes no command fail that does not look.
const FILL: &str = "dd if=/dev/zero of=filler bs=4k count=100000 2>/dev/null";

/// The states of the runs by the record.
fn states(scene: &Scene) -> Vec<String> {
    let report = scene.lem(&["status", "nightly", "--json"]).expect(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let runs = report[0]["runs"].as_array().unwrap_or_else(|| panic!("{report}")).clone();
    runs.iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect()
}

/// Ended for lack of room in the middle of the second of three runs, none of which failed.
fn ended_for_lack_of_room(scene: &Scene, ended: Ended, place: &str) {
    let ended = ended.expect(3);
    ended.says(&["there is no room left", place, "free)", "lem resume"]);
    assert_eq!(ended.verdicts(), ["completed"], "{}", ended.stderr);
    let summary = ended.summary();
    assert_eq!((&summary["failed"], &summary["remaining"]), (&0.into(), &2.into()));
    assert_eq!(states(scene), ["completed", "interrupted", "pending"]);
}

#[test]
fn a_full_results_disk_ends_the_campaign_and_a_resume_goes_on_when_there_is_room() {
    for (end, execution) in [
        // The command says that it failed.
        ("exit 1", ""),
        // It does not, and its result is half a one.
        ("printf '{\"run_id\": ' >result.json; exit 0", ""),
        ("exit 0", "require_result: true"),
        // Nobody tries again what can't succeed.
        ("exit 1", "retry: {max_attempts: 3, base_delay: 0.01, on: [failed, no_result]}"),
    ] {
        let scene = Scene::without_containers();
        let Some(disk) = SmallDisk::mount(&scene.path("results"), "1m") else { return };
        let ok = "echo {} >result.json";
        let second = format!("[ -e $GO ] && {ok} && exit 0; {FILL}; {end}");
        scene.scripts(&[ok, &second, ok], execution);
        ended_for_lack_of_room(&scene, scene.lem(&WORDS), "results/nightly");

        disk.grow("64m");
        scene.write("results/nightly/go", "");
        let resumed = scene.lem(&RESUME).expect(0);
        assert_eq!(resumed.started(), [2, 3]);
        assert_eq!(resumed.summary()["completed"], 3);
    }
}

#[test]
fn a_disk_that_is_full_before_a_run_keeps_it_from_beginning() {
    let scene = Scene::without_containers();
    let Some(disk) = SmallDisk::mount(&scene.path("results"), "1m") else { return };
    // It completes, and leaves no room for the next one.
    let first = format!("echo '{{}}' >result.json; echo early >kept; {FILL}; rm kept; true");
    scene.scripts(&[&first, "echo {} >result.json"], "");
    let ended = scene.lem(&WORDS).expect(3);
    ended.says(&["there is no room left", "lem resume"]);
    assert_eq!(ended.summary()["failed"], 0);
    disk.grow("64m");
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!(resumed.summary()["completed"], 2);
}

#[test]
fn where_there_is_no_room_to_begin_with_nothing_begins() {
    for folder in ["results", ".state"] {
        let scene = Scene::without_containers();
        let Some(_disk) = SmallDisk::mount(&scene.path(folder), "64k") else { return };
        scene.scripts(&["true"], "");
        let refused = scene.lem(&WORDS).expect(3);
        refused.says(&["there is no room left", folder]);
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn little_room_is_worth_a_warning() {
    let scene = Scene::without_containers();
    let Some(_disk) = SmallDisk::mount(&scene.path("results"), "8m") else { return };
    scene.scripts(&["true"], "");
    scene.lem(&WORDS).expect(0).says(&["warning: only ", "are free on", "results`"]);
}

#[test]
fn a_full_state_disk_loses_no_result() {
    let scene = Scene::without_containers();
    let Some(disk) = SmallDisk::mount(&scene.path(".state"), "1m") else { return };
    let fill = "dd if=/dev/zero of=../../../.state/filler bs=4k count=100000 2>/dev/null";
    let ok = "echo {} >result.json";
    scene.scripts(&[ok, &format!("{fill}; {ok}"), ok], "");
    let ended = scene.lem(&WORDS).expect(3);
    ended.says(&["there is no room left for the record", ".state/lem.db", "lem resume"]);

    disk.grow("64m");
    let resumed = scene.lem(&RESUME).expect(0);
    assert_eq!(resumed.started(), [3], "the second had ended");
    assert_eq!(resumed.all("run_found")[0]["verdict"], "completed");
    assert_eq!(resumed.summary()["completed"], 3);
}

#[test]
fn results_that_go_away_during_a_run_end_the_campaign() {
    for (loss, words) in [
        ("rm -r $all", "was removed"),
        ("rm -r $all; touch $all", "was replaced"),
        ("mv $all $all-moved; mkdir $all", "was replaced"),
    ] {
        let scene = Scene::without_containers();
        let loss = format!("own=$PWD; all=$(dirname $own); {loss}");
        scene.scripts(&["true", &loss, "true"], "");
        let ended = scene.lem(&WORDS).expect(3);
        ended.says(&["the results folder `", words, "lem resume"]);
        assert_eq!(ended.verdicts(), ["completed"], "{loss}");
        assert!(!ended.stderr.contains("ENTRYPOINT"), "{}", ended.stderr);
        assert_eq!(states(&scene), ["completed", "interrupted", "pending"], "{loss}");
    }
}

#[test]
fn results_that_go_away_between_runs_end_the_campaign_before_the_next_one() {
    for (replaced, words) in [(false, "was removed"), (true, "was replaced")] {
        let scene = Scene::without_containers();
        scene.scripts(&["true", "true"], "config_gap_seconds: 2");
        let (there, moved) = (scene.path("results/nightly"), scene.path("results/moved"));
        let mut lem = scene.start(&WORDS);
        lem.event("gap_started");
        fs::rename(&there, &moved).unwrap();
        if replaced {
            fs::create_dir(&there).unwrap();
        }
        let ended = lem.wait().expect(3);
        ended.says(&["the results folder `", words]);
        assert_eq!(ended.started(), [1]);
        assert_eq!(states(&scene), ["completed", "pending"]);

        let _ = fs::remove_dir(&there);
        fs::rename(&moved, &there).unwrap();
        assert_eq!(scene.lem(&RESUME).expect(0).started(), [2]);
    }
}

#[test]
fn a_results_disk_that_turned_read_only_is_said() {
    let scene = Scene::without_containers();
    let Some(disk) = SmallDisk::mount(&scene.path("results"), "8m") else { return };
    scene.scripts(&["true", "true"], "config_gap_seconds: 1");
    let mut lem = scene.start(&WORDS);
    lem.event("gap_started");
    disk.remount("ro");
    let ended = lem.wait().expect(3);
    ended.says(&["can't be written", "Read-only file system"]);
    assert_eq!(states(&scene), ["completed", "interrupted"]);
    disk.remount("rw");
    assert_eq!(scene.lem(&RESUME).expect(0).started(), [2]);
}

#[test]
fn a_run_whose_folder_lost_its_mode_is_no_failure_of_its_own() {
    let scene = Scene::without_containers();
    if nix::unistd::geteuid().is_root() {
        return skipped("root writes everywhere").unwrap_or_default();
    }
    scene.scripts(&["chmod 0555 .", "true"], "");
    scene.lem(&WORDS).expect(3).says(&["can't be written"]);
    let folder = &scene.runs("nightly")[0];
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    eventually("it is writable again", || fs::write(folder.join("x"), "").ok());
}

/// Its folder is its own affair, and a resume would meet the same again.
#[test]
fn a_run_that_removes_its_own_folder_has_no_result_and_the_next_one_follows() {
    let scene = Scene::without_containers();
    let words = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];
    let own = "cd ..; own=\"${LEM_RESULT_PATH%/*}\"; rm -r \"$own\"";
    scene.scripts(&[own, &format!("{own}; touch \"$own\""), "true"], "");

    let ended = scene.lem(&words).expect(1);

    assert_eq!(ended.verdicts(), ["no_result", "no_result", "completed"]);
    ended.says(&["the run's own folder was removed"]);
}

#[test]
fn a_result_may_have_nearly_the_name_of_an_earlier_trys() {
    let scene = Scene::without_containers();
    let words = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];
    scene.scripts(&["echo '{}' >result-accuracy.json"], "require_result: true");
    assert_eq!(scene.lem(&words).expect(0).verdicts(), ["completed"]);
}
