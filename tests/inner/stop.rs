//! What ends a run from outside: the time limit and signals; and the container that is held.

use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::scene::{Running, Scene, eventually, is_alive, signal};

const FOREVER: &str = "echo $$ > $T/command; while :; do sleep 60; done";
const DEAF: &str = "trap '' TERM INT; echo $$ > $T/command; while :; do sleep 60; done";

#[test]
fn the_time_limit_ends_a_run_and_says_so() {
    let scene = Scene::new("limit");
    let mut lem = Running::start(&mut scene.run(&["--time-limit", "0.5", "--grace", "1"], FOREVER));
    assert_eq!(lem.exit_code(), Some(124));
    let message = lem.output().stderr;
    assert_eq!(message, b"lem: time limit of 0.5s reached, stopping the run\n");
    let ended = scene.ended();
    assert_eq!(ended["reason"], "time_limit");
    assert_eq!(ended["leftovers"], 0);
    assert!(ended["wall_seconds"].as_f64().unwrap() >= 0.5);
}

#[test]
fn the_time_limit_works_when_nobody_reads_and_the_pipes_are_full() {
    let scene = Scene::new("full");
    let script = "yes & exec yes >&2";
    let mut lem = Running::start(&mut scene.run(&["--time-limit", "0.3", "--grace", "1"], script));
    // The pipes stay open and are never read.
    assert_eq!(lem.exit_code(), Some(124));
    assert_eq!(scene.ended()["reason"], "time_limit");
}

#[test]
fn the_time_limit_works_when_the_host_is_gone() {
    let scene = Scene::new("gone");
    let options = ["--no-lifeline", "--time-limit", "0.3", "--grace", "0.3"];
    let mut lem = Running::start(&mut scene.run(&options, DEAF));
    lem.go_away();
    assert_eq!(lem.exit_code(), Some(124));
    assert!(!is_alive(scene.pid("command")));
}

#[test]
fn a_stop_signal_ends_the_run_and_is_in_the_mark() {
    let stops = [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)];
    for (stop, code) in stops {
        let scene = Scene::new("stop");
        let mut lem = Running::start(&mut scene.run(&[], FOREVER));
        let command = scene.pid("command");
        signal(lem.pid(), stop);
        assert_eq!(lem.exit_code(), Some(code));
        assert!(!is_alive(command));
        let ended = scene.ended();
        assert_eq!(ended["reason"], "stopped");
        assert_eq!(ended["signal"], stop as i32);
    }
}

#[test]
fn a_second_stop_signal_ends_the_grace() {
    let scene = Scene::new("twice");
    let mut lem = Running::start(&mut scene.run(&["--grace", "600"], DEAF));
    let command = scene.pid("command");
    // Two signals that are pending together are one to the receiver, so the second is repeated.
    let mut next = Instant::now();
    eventually("the run ends", || {
        if Instant::now() >= next && is_alive(lem.pid()) {
            signal(lem.pid(), Signal::SIGTERM);
            next += Duration::from_millis(50);
        }
        (!is_alive(lem.pid())).then_some(())
    });
    assert_eq!(lem.exit_code(), Some(143));
    assert!(!is_alive(command));
}

#[test]
fn what_comes_through_the_lifeline_means_nothing() {
    let scene = Scene::new("chatter");
    let mut lem =
        Running::start(&mut scene.run(&[], "until [ -e $T/go ]; do sleep 0.01; done; exit 7"));
    lem.lifeline.as_mut().unwrap().write_all(&vec![b'x'; 300_000]).unwrap();
    std::fs::write(scene.path("go"), "").unwrap();
    assert_eq!(lem.exit_code(), Some(7));
}

#[test]
fn a_held_container_ends_at_once_when_asked() {
    for stop in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let scene = Scene::new("hold");
        let mut hold = Running::start(&mut scene.lem(&["hold"]));
        let status = format!("/proc/{}/status", hold.pid());
        // A signal before it is blocked would end the process as any other.
        eventually("hold listens", || {
            let text = std::fs::read_to_string(&status).ok()?;
            let blocked = text.lines().find_map(|line| line.strip_prefix("SigBlk:\t"))?;
            blocked.contains(|digit| digit != '0').then_some(())
        });
        signal(hold.pid(), stop);
        assert_eq!(hold.exit_code(), Some(0));
    }
}

#[test]
fn a_held_container_reaps_its_orphans() {
    let scene = Scene::new("orphans");
    let lem = env!("CARGO_BIN_EXE_lem");
    let script = format!(
        "sh -c 'until [ -e $T/go ]; do sleep 0.01; done' & echo $! > $T/orphan; exec {lem} hold"
    );
    let mut hold = Running::start(&mut scene.shell(&script));
    let orphan = format!("/proc/{}", scene.pid("orphan"));
    std::fs::write(scene.path("go"), "").unwrap();
    eventually("the orphan is reaped", || (!std::path::Path::new(&orphan).exists()).then_some(()));
    signal(hold.pid(), Signal::SIGTERM);
    assert_eq!(hold.exit_code(), Some(0));
}

/// To save something takes programs, which begin after everybody was asked to end.
#[test]
fn a_handler_that_starts_programs_has_the_grace_for_them() {
    let scene = Scene::new("handler");
    let script = "trap 'sleep 0.3 && echo saved > $T/saved; exit 0' TERM; \
                  echo $$ > $T/command; while :; do sleep 0.1; done";
    let options = ["--time-limit", "0.5", "--grace", "20"];
    let mut lem = Running::start(&mut scene.run(&options, script));
    assert_eq!(lem.exit_code(), Some(124));
    assert!(scene.path("saved").exists());
}
