//! `lem kill`: exactly the processes with the marker.

use crate::scene::{Running, Scene, is_alive};

#[test]
fn only_the_exact_name_is_ended() {
    let scene = Scene::new("exact");
    let mut exact = Running::start(&mut scene.shell("exec sleep 600"));
    let longer = Scene::named(format!("{}x", scene.run));
    let mut spared = Running::start(&mut longer.shell("exec sleep 600"));
    let mut mentions = longer.shell("exec sleep 600");
    let mut mentions = Running::start(mentions.env("NOT_LEM_RUN_ID", &scene.run));

    let output = scene.lem(&["kill", &scene.run]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"ended 1\n");
    assert_eq!(exact.exit_code(), None);
    assert!(is_alive(spared.pid()) && is_alive(mentions.pid()));

    let output = longer.lem(&["kill", &longer.run, "--grace", "0"]).output().unwrap();
    assert_eq!(output.stdout, b"ended 2\n");
    spared.exit_code();
    mentions.exit_code();
}

#[test]
fn nothing_to_kill_is_no_failure() {
    let scene = Scene::new("nothing");
    let output = scene.lem(&["kill", "no-such-run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"nothing found\n");
}

#[test]
fn a_process_that_ignores_the_question_is_killed_after_the_grace() {
    let scene = Scene::new("deaf");
    let script = "trap '' TERM; echo $$ > $T/deaf; while :; do sleep 600; done";
    let mut deaf = Running::start(&mut scene.shell(script));
    scene.pid("deaf");
    let output = scene.lem(&["kill", &scene.run, "--grace", "0.2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(deaf.exit_code(), None);
}

#[test]
fn the_shell_that_calls_kill_carries_the_marker_and_lives_on() {
    let scene = Scene::new("caller");
    let lem = env!("CARGO_BIN_EXE_lem");
    let output = scene.shell(&format!("{lem} kill $LEM_RUN_ID; echo alive")).output().unwrap();
    assert_eq!(output.stdout, b"nothing found\nalive\n");
}

#[test]
fn a_run_that_is_killed_ends_in_order() {
    let scene = Scene::new("whole-run");
    let script = "echo $$ > $T/command; while :; do sleep 600; done";
    let mut lem = Running::start(&mut scene.run(&["--grace", "1"], script));
    let command = scene.pid("command");
    let output = scene.lem(&["kill", &scene.run]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    lem.exit_code();
    assert!(!is_alive(command));
    assert!(scene.path("ended.json").exists());
}

#[test]
fn an_empty_name_is_refused() {
    assert_eq!(Scene::new("empty").lem(&["kill", ""]).output().unwrap().status.code(), Some(2));
}

#[test]
fn what_the_host_alone_calls_is_hidden_but_explained() {
    let scene = Scene::new("help");
    let text = |arguments: &[&str]| {
        String::from_utf8(scene.lem(arguments).output().unwrap().stdout).unwrap()
    };
    let overview = text(&["--help"]);
    for (command, words) in [("run", "lifeline"), ("hold", "alive"), ("kill", "LEM_RUN_ID")] {
        assert!(!overview.contains(&format!("\n  {command} ")), "{overview}");
        assert!(text(&[command, "--help"]).contains(words));
    }
}
