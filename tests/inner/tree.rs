//! Whatever a command starts, nothing of it is left, and nothing else is touched.

use std::time::{Duration, Instant};

use crate::scene::{Running, Scene, eventually, is_alive};

/// Starts processes that try hard to stay, each of which ignores TERM and writes its number.
const STUBBORN: &str = r#"
    trap '' TERM HUP INT
    stay='echo $$ > $0; while :; do sleep 60; done'
    setsid sh -c "$stay" $T/session &
    (setsid sh -c "$stay" $T/orphan & ) &
    (env -i setsid sh -c "$stay" $T/unmarked & ) &
    (exec sh -c "$stay" $T/child) &
"#;
const NAMES: [&str; 4] = ["session", "orphan", "unmarked", "child"];

fn stubborn(end: &str) -> String {
    format!(
        "{STUBBORN}\nfor f in {}; do until [ -s $T/$f ]; do sleep 0.01; done; done\n{end}",
        NAMES.join(" ")
    )
}

#[test]
fn a_command_that_forks_leaves_nothing_when_the_lifeline_is_cut() {
    let scene = Scene::new("cut");
    let script = stubborn("echo $$ > $T/command; while :; do sleep 60; done");
    let mut lem = Running::start(&mut scene.run(&["--grace", "1"], &script));
    let command = scene.pid("command");
    let pids = NAMES.map(|name| scene.pid(name));
    assert!(pids.into_iter().all(is_alive));

    let cut_at = Instant::now();
    lem.cut();
    assert_eq!(lem.exit_code(), Some(143));
    assert!(cut_at.elapsed() < Duration::from_secs(3), "{:?}", cut_at.elapsed());
    assert!(!is_alive(command));
    assert!(!pids.into_iter().any(is_alive));
    let ended = scene.ended();
    assert_eq!(ended["reason"], "lifeline_cut");
    assert_eq!(ended["signal"], 9);
}

#[test]
fn what_a_command_leaves_over_is_ended_and_counted() {
    let scene = Scene::new("leftovers");
    let mut lem = Running::start(&mut scene.run(&["--grace", "0.2"], &stubborn("exit 6")));
    assert_eq!(lem.exit_code(), Some(6));
    assert!(!NAMES.map(|name| scene.pid(name)).into_iter().any(is_alive));
    let ended = scene.ended();
    assert_eq!(ended["reason"], "exited");
    // Each of the four is a shell that waits for its `sleep`.
    assert!((4..=12).contains(&ended["leftovers"].as_u64().unwrap()), "{ended}");
}

#[test]
fn leftovers_that_end_when_asked_cost_no_grace() {
    let scene = Scene::new("polite");
    let start = Instant::now();
    let mut lem =
        Running::start(&mut scene.run(&["--grace", "600"], "sleep 600 & sleep 600 & exit 0"));
    assert_eq!(lem.exit_code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(scene.ended()["leftovers"], 2);
}

#[test]
fn a_halted_process_is_ended_within_the_grace() {
    let scene = Scene::new("halted");
    let script =
        "sh -c 'echo $$ > $T/halted; kill -STOP $$' & until [ -s $T/halted ]; do sleep 0.01; done";
    let mut lem = Running::start(&mut scene.run(&["--grace", "600"], script));
    assert_eq!(lem.exit_code(), Some(0));
    assert!(!is_alive(scene.pid("halted")));
}

#[test]
fn a_process_that_forks_away_from_every_look_is_caught() {
    let scene = Scene::new("hopper");
    std::fs::write(scene.path("hop"), "trap '' TERM\necho hop >> $T/hops\nsh $T/hop &\n").unwrap();
    let mut lem = Running::start(&mut scene.run(&["--grace", "0.1"], "sh $T/hop & exit 0"));
    assert_eq!(lem.exit_code(), Some(0));
    let hops = || std::fs::metadata(scene.path("hops")).map_or(0, |file| file.len());
    let at_end = hops();
    let watched_until = Instant::now() + Duration::from_millis(300);
    eventually("nothing hops", || (Instant::now() > watched_until).then_some(()));
    assert_eq!(hops(), at_end);
}

#[test]
fn a_process_with_the_marker_that_is_no_descendant_is_ended() {
    let scene = Scene::new("beside");
    let mut beside = Running::start(&mut scene.shell("exec sleep 600"));
    let mut lem = Running::start(&mut scene.run(&["--grace", "600"], "exit 0"));
    assert_eq!(lem.exit_code(), Some(0));
    assert_eq!(beside.exit_code(), None);
    assert_eq!(scene.ended()["leftovers"], 1);
}

#[test]
fn another_runs_processes_in_the_same_container_are_not_touched() {
    let other = Scene::new("other");
    let mut other_lem = Running::start(
        &mut other.run(&["--grace", "0"], "sleep 600 & echo $! > $T/sleep; wait; exit 5"),
    );
    let sleep = other.pid("sleep");

    let scene = Scene::new("first");
    let mut lem = Running::start(&mut scene.run(&["--grace", "0.1"], &stubborn("exit 0")));
    assert_eq!(lem.exit_code(), Some(0));
    assert!(is_alive(sleep));

    other_lem.cut();
    assert_eq!(other_lem.exit_code(), Some(143));
    assert!(!is_alive(sleep));
}

#[test]
fn the_shell_above_a_run_carries_the_marker_and_lives_on() {
    let scene = Scene::new("above");
    let script = format!("{} run --no-lifeline -- true; echo alive", env!("CARGO_BIN_EXE_lem"));
    let output = scene.shell(&script).output().unwrap();
    assert_eq!(output.stdout, b"alive\n");
}

#[test]
fn without_a_marker_descendants_are_ended_all_the_same() {
    let scene = Scene::new("unnamed");
    let mut command = scene.run(&["--grace", "0.1"], &stubborn("exit 0"));
    let mut lem = Running::start(command.env_remove("LEM_RUN_ID"));
    assert_eq!(lem.exit_code(), Some(0));
    assert!(!NAMES.map(|name| scene.pid(name)).into_iter().any(is_alive));
    assert!(scene.ended()["run"].is_null());
}
