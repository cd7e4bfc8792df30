//! `--runner local`: the same loop with processes of this machine, and no docker anywhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::stubborn::let_go;
use crate::support::{Running, Scene, Stubborn, eventually};

const WORDS: [&str; 6] = ["campaign", "campaign.yaml", "--yes", "--json", "--runner", "local"];
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
    let mut run = Stubborn::start(&scene, &WORDS);

    run.lem.signal(Signal::SIGINT);
    run.leaves_nothing();
    let ended = run.lem.wait().expect(130);
    assert_eq!(ended.verdicts(), ["completed", "interrupted"]);

    let again = scene.lem(&WORDS).expect(2);
    again.says(&["was not finished", "`--resume`", "`--fresh`"]);
    let_go(&scene);
    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.started(), [2, 3]);
    assert_eq!(resumed.summary()["strategy"], "local", "as it was begun");
}

#[test]
fn ctrl_c_after_a_command_has_ended_leaves_it_its_verdict() {
    let scene = Scene::without_containers();
    // It leaves a process behind that takes its time: until that is gone, the run is not over.
    let slow =
        "sh -c \"trap 'touch asked' TERM; touch there; while [ ! -e $GO ]; do sleep 0.05; done\"";
    let script = format!(
        "export GO; {slow} & until [ -e there ]; do sleep 0.05; done; echo '{{}}' >result.json"
    );
    scene.scripts(&[&script, "true"], "stop_grace_period: 60s, require_result: true");
    let mut lem = scene.start(&WORDS);
    eventually("what the command left is asked to end", || {
        scene.runs("nightly").first().filter(|run| run.join("asked").exists()).map(|_| ())
    });

    lem.signal(Signal::SIGINT);
    lem.event("stopping");
    let_go(&scene);
    assert_eq!(lem.wait().expect(130).verdicts(), ["completed"]);
}

#[test]
fn a_lem_that_is_killed_takes_its_run_with_it() {
    let scene = Scene::without_containers();
    let mut run = Stubborn::start(&scene, &WORDS);
    run.lem.kill();
    run.leaves_nothing();
}

#[test]
fn a_second_ctrl_c_ends_a_run_that_has_an_hour_to_end() {
    let scene = Scene::without_containers();
    let mut run = Stubborn::with(&scene, &WORDS, "stop_grace_period: 1h");
    run.signal_twice(Signal::SIGINT);
    run.leaves_nothing();
    run.lem.wait().expect(130);
}

#[test]
fn hangup_ends_everything_too() {
    let scene = Scene::without_containers();
    let mut run = Stubborn::start(&scene, &WORDS);
    run.lem.signal(Signal::SIGHUP);
    run.leaves_nothing();
    run.lem.wait().expect(129);
}

#[test]
fn a_pause_does_not_delay_ctrl_c() {
    let scene = Scene::without_containers();
    scene.scripts(&["true", "echo second"], "config_gap_seconds: 1h");
    let mut lem = scene.start(&WORDS);
    lem.event("gap_started");
    lem.signal(Signal::SIGINT);
    let ended = lem.wait().expect(130);
    assert_eq!(ended.started(), [1]);
    assert_eq!(ended.summary()["remaining"], 1);
}

#[test]
fn a_campaign_that_changed_is_not_resumed() {
    let scene = Scene::without_containers();
    let mut run = Stubborn::start(&scene, &WORDS);
    run.lem.signal(Signal::SIGINT);
    run.lem.wait().expect(130);

    scene.scripts(&["true", "echo changed", "true"], "");
    scene.lem(&["resume", "--yes"]).expect(2).says(&["has changed since it began"]);
    let fresh = scene.lem(&[&WORDS[..], &["--fresh"]].concat()).expect(0);
    assert_eq!(fresh.started(), [1, 2, 3]);
}

#[test]
fn a_campaign_that_runs_is_not_started_twice() {
    let scene = Scene::without_containers();
    let first = Stubborn::start(&scene, &WORDS).lem;
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
    let mut shell = Command::new("sh");
    let ended = Running::start(scene.furnish(&mut shell).arg("script")).wait();
    ended.expect(0);
    let said = scene.runs("nightly")[0].join("said");
    assert_eq!(std::fs::read_to_string(said).unwrap(), "it's 2\n");
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.into_iter().find(|path| Path::is_file(path)).unwrap()
}

#[test]
fn a_resume_right_after_a_kill_waits_for_the_end_of_the_old_try() {
    let scene = Scene::without_containers();
    let script = "[ -e $GO ] && sleep 1 && exit 0; trap '' TERM; touch here; \
                  while :; do sleep 0.1; done";
    scene.scripts(&[script, "true"], "stop_grace_period: 2s");
    let mut lem = scene.start(&WORDS);
    eventually("the run has begun", || {
        scene.runs("nightly").first()?.join("here").exists().then_some(())
    });
    let_go(&scene);
    lem.kill();

    let resumed = scene.lem(&["resume", "--yes", "--json"]).expect(0);
    assert_eq!(resumed.verdicts(), ["completed", "completed"]);
}

#[test]
fn a_campaign_that_makes_its_state_folder_is_not_started_twice_either() {
    let scene = Scene::without_containers();
    scene.scripts(&["sleep 1000"], "stop_grace_period: 0");
    let text = std::fs::read_to_string(scene.path("campaign.yaml")).unwrap();
    scene.write("campaign.yaml", &format!("{text}io: {{state_dir: not/there/yet}}\n"));
    let mut first = scene.start(&WORDS);
    first.event("run_started");
    let refused = scene.lem(&["campaign", "--resume", "--yes", "--runner", "local"]).expect(75);
    refused.says(&[&format!("pid {}", first.pid())]);
}
