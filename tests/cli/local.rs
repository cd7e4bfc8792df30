//! `--runner local`: the same loop with processes of this machine, and no docker anywhere.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Running, Scene, eventually, processes, within};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];
/// Deaf to everything but KILL, and forked away from its parents in each of the usual ways.
const STUBBORN: &str = "[ -e $GO ] && exit 0; trap '' TERM INT HUP; \
     setsid sh -c 'sleep 1000 & sleep 1000' & \
     (sleep 1000 & env -i sleep 1000 &) & \
     touch here; while :; do sleep 1; done";

fn here(scene: &Scene, run: usize) -> Option<()> {
    scene.runs("nightly").get(run)?.join("here").exists().then_some(())
}

/// A campaign whose second run hangs, in that run, with the campaign's id.
fn in_the_second_run(scene: &Scene) -> (Running, String) {
    scene.scripts(&["true", STUBBORN, "true"], "stop_grace_period: 1s");
    let mut lem = scene.start(&WORDS);
    let id = lem.event("campaign_started")["campaign_id"].as_str().unwrap().to_owned();
    eventually("the second run has begun", || here(scene, 1));
    assert!(processes::of_campaign(&id).len() >= 4);
    (lem, id)
}

fn nothing_is_left_of(id: &str) {
    let limit = Duration::from_secs(1 + 5);
    within(limit, "nothing of the run is left", || {
        processes::of_campaign(id).is_empty().then_some(())
    });
}

#[test]
fn runs_need_no_docker_and_are_judged_as_in_containers() {
    let scene = Scene::without_containers();
    scene.scripts(&["echo '{}' >result.json", "exit 3", "exec no-such-program", "true"], "");
    let sh = which("sh");
    std::fs::create_dir(scene.path("bin")).unwrap();
    std::os::unix::fs::symlink(sh, scene.path("bin/sh")).unwrap();

    let ended = Running::start(scene.command(&WORDS).env("PATH", scene.path("bin"))).wait();

    let ended = ended.expect(1);
    assert_eq!(ended.verdicts(), ["completed", "failed", "not_found", "completed"]);
    let summary = ended.summary();
    assert_eq!((&summary["strategy"], &summary["without_result"]), (&"local".into(), &1.into()));
    assert_eq!(scene.runs("nightly").len(), 4);
}

#[test]
fn ctrl_c_ends_everything_and_a_resume_does_what_is_missing() {
    let scene = Scene::without_containers();
    let (lem, id) = in_the_second_run(&scene);

    lem.signal(Signal::SIGINT);
    nothing_is_left_of(&id);
    let ended = lem.wait().expect(130);
    assert_eq!(ended.verdicts(), ["completed", "interrupted"]);

    let again = scene.lem(&WORDS).expect(2);
    again.says(&["was not finished", "`--resume`", "`--fresh`"]);
    scene.write("results/nightly/go", "");
    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
    assert_eq!(resumed.summary()["strategy"], "local", "as it was begun");
}

#[test]
fn a_lem_that_is_killed_takes_its_run_with_it() {
    let scene = Scene::without_containers();
    let (lem, id) = in_the_second_run(&scene);
    lem.kill();
    nothing_is_left_of(&id);
}

#[test]
fn hangup_ends_everything_too() {
    let scene = Scene::without_containers();
    let (lem, id) = in_the_second_run(&scene);
    lem.signal(Signal::SIGHUP);
    nothing_is_left_of(&id);
    lem.wait().expect(129);
}

#[test]
fn a_campaign_that_changed_is_not_resumed() {
    let scene = Scene::without_containers();
    let (lem, _) = in_the_second_run(&scene);
    lem.signal(Signal::SIGINT);
    lem.wait().expect(130);

    scene.scripts(&["true", "echo changed", "true"], "");
    scene.lem(&["resume", "--yes"]).expect(2).says(&["not the one that was interrupted"]);
    let fresh = scene.lem(&[&WORDS[..], &["--fresh"]].concat()).expect(0);
    assert_eq!(fresh.started(), [1, 2, 3]);
}

#[test]
fn a_campaign_that_runs_is_not_started_twice() {
    let scene = Scene::without_containers();
    let (first, _) = in_the_second_run(&scene);
    let refused = scene.lem(&WORDS).expect(75);
    refused.says(&["campaign `nightly`", &format!("pid {}", first.pid())]);
}

#[test]
fn a_dry_run_piped_into_a_shell_does_the_runs() {
    let scene = Scene::without_containers();
    scene.scripts(&["echo \"it's $((1 + 1))\" >said", "true"], "");
    let before = scene.listing();
    let script = scene.lem(&["campaign", "--dry-run", "--runner", "local"]).expect(0).stdout;
    assert_eq!(scene.listing(), before);

    scene.write("script", &script);
    let mut shell = std::process::Command::new("sh");
    let ended = Running::start(scene.furnish(&mut shell).arg("script")).wait();
    ended.expect(0);
    let said = scene.runs("nightly")[0].join("said");
    assert_eq!(std::fs::read_to_string(said).unwrap(), "it's 2\n");
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.into_iter().find(|path| Path::is_file(path)).unwrap()
}
