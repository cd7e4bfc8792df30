//! What is left of a start that failed or was interrupted (F16, F17, F41, F42).

use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::small_disk::SmallDisk;
use crate::support::{ModelServer, eventually};
use crate::world::{Kind, World, of_both_kinds};

of_both_kinds!(
    after_the_last_failure_nothing_runs_and_the_memory_is_back,
    what_this_command_started_goes_with_an_interrupt_and_the_rest_stays,
    a_second_interrupt_gives_no_grace,
);

// F16, F17, F37
fn after_the_last_failure_nothing_runs_and_the_memory_is_back(kind: Kind) {
    let mut world = World::for_kind(kind);
    let retry = "retry: {attempts: 3, delay: 100ms, factor: 2, jitter: 0}";
    let _crashes = world.service(kind, "crashes", 20_000, "--crash-loop", retry);
    let keys = "retry: {attempts: 2, delay: 10ms, jitter: 0}, stop_grace_period: 200ms";
    let sick = world.service(kind, "sick", 20_000, "--status 500 --ignore-term", keys);
    let text = std::fs::read_to_string(world.scene.path("services.yaml")).unwrap();
    world.scene.write("services.yaml", &text.replace("interval: 25ms", "timeout: 700ms"));

    let failed = world.document(&["service", "ensure", "crashes"], 1);
    assert_eq!(failed["steps"][0]["attempts"], 3, "{failed}");
    assert_eq!(world.count("crashes", "started"), 3);
    let line = world.journal().pop().unwrap();
    assert_eq!((&line["outcome"], &line["to"]), (&json!("failed"), &json!("error")), "{line}");
    assert_eq!((&line["attempts"], &line["pauses"]), (&json!(3), &json!([0.1, 0.2])), "{line}");

    let failed = world.document(&["service", "ensure", "sick"], 1);
    assert_eq!(failed["steps"][0]["attempts"], 2, "{failed}");
    assert_eq!((world.count("sick", "started"), sick.processes()), (2, vec![]));
    for name in ["crashes", "sick"] {
        world.lem(&["service", "status", name]).expect(1);
        assert!(!world.status(name)["failed"].is_null());
    }
    if kind == Kind::Container {
        assert_eq!(world.containers(), []);
    }
    let used = world.document(&["gpu"], 0)["gpus"][0]["memory"]["used_mib"].clone();
    assert_eq!(used, 600);
    // A stop is the end of it.
    world.lem(&["service", "stop", "--all"]).expect(0);
    assert_eq!((world.state("crashes"), world.state("sick")), ("stopped".into(), "stopped".into()));
}

// F16
#[test]
fn a_start_that_fails_at_first_is_tried_until_it_succeeds() {
    let mut world = World::native();
    let count = world.scene.path("count").display().to_string();
    let options = format!("--fails 2 --exit-code 3 --count {count}");
    let retry = "retry: {attempts: 5, delay: 20ms}";
    let a = world.service(Kind::Native, "a", 1_000, &options, retry);
    let ended = world.lem(&["service", "ensure", "a"]).expect(0);
    ended.says(&["exit code 3; again in 0.0s", "starting, try 2 of 5", "starting, try 3 of 5"]);
    assert!(a.pid().is_some());
    assert_eq!((world.count("a", "started"), world.state("a")), (3, "ready".into()));
}

// F16
#[test]
fn what_stays_wrong_is_not_tried_again() {
    let mut world = World::with_containers();
    world.compose("  absent: {image: 'lem-test-absent:none'}\n");
    world.register("absent", "type: docker, service: absent");
    let taken = world.service(Kind::Native, "taken", 1_000, "", "");
    let _large = world.service(Kind::Native, "large", 90_000, "", "");
    world.register("nowhere", "type: native, start_cmd: ['/nowhere/at/all']");
    let stranger = taken.start();
    taken.loads();
    for (name, code, words) in [
        ("absent", 3, "lem-test-absent:none"),
        ("taken", 1, "is answered already"),
        ("nowhere", 1, "can't be started"),
    ] {
        let failed = world.document(&["service", "ensure", name], code);
        assert!(failed["error"].as_str().unwrap().contains(words), "{failed}");
        assert_eq!(failed["steps"][0]["attempts"], 1, "{failed}");
    }
    world.lem(&["service", "ensure", "large"]).expect(4);
    assert_eq!(world.count("large", "started"), 0);
    assert_eq!(taken.pid(), Some(stranger.0.id()));
}

/// `a` runs; a switch to `b`, which can't start, is tried.
fn failed_switch(keys: &str) -> (World, ModelServer, serde_json::Value) {
    let mut world = World::native();
    let a = world.service(Kind::Native, "a", 50_000, "", "");
    let keys = format!("retry: {{attempts: 1}}, {keys}");
    let _b = world.service(Kind::Native, "b", 50_000, "--crash-loop", &keys);
    world.ensure(&["a"]);
    let report = world.document(&["switch", "b"], 1);
    assert_eq!(world.state("b"), "error");
    (world, a, report)
}

// F41
#[test]
fn a_switch_that_fails_brings_the_previous_one_back_where_that_is_wanted() {
    let (world, a, report) = failed_switch("restore_on_failure: true");
    assert_eq!(report["restored"], json!(["a"]), "{report}");
    assert_eq!((world.state("a"), world.count("a", "started")), ("ready".into(), 2));
    assert!(a.pid().is_some());
    let line = world.journal().pop().unwrap();
    assert_eq!((&line["act"], &line["service"]), (&json!("start"), &json!("a")), "{line}");
}

// F41
#[test]
fn without_that_a_switch_that_fails_leaves_nothing_running_and_says_so() {
    let (world, a, report) = failed_switch("");
    assert_eq!(report["restored"], json!([]), "{report}");
    assert_eq!((world.state("a"), a.pid()), ("stopped".into(), None));
}

// F41: what is back counts once.
#[test]
fn several_previous_ones_are_all_brought_back() {
    let mut world = World::native();
    let _a = world.service(Kind::Native, "a", 40_000, "", "");
    let _b = world.service(Kind::Native, "b", 30_000, "", "");
    let _with = world.service(Kind::Native, "with", 20_000, "", "");
    let keys = "retry: {attempts: 1}, restore_on_failure: true, depends_on: [with]";
    let _next = world.service(Kind::Native, "next", 50_000, "--crash-loop", keys);
    world.ensure(&["a", "b"]);
    let report = world.document(&["switch", "next"], 1);
    let mut restored: Vec<_> = report["restored"].as_array().unwrap().iter().collect();
    restored.sort_by_key(ToString::to_string);
    assert_eq!(restored, ["a", "b"], "{report}");
    let states = ["a", "b", "with", "next"].map(|name| world.state(name));
    assert_eq!(states, ["ready", "ready", "stopped", "error"]);
}

// F17
#[test]
fn what_was_started_for_one_that_can_t_start_is_stopped_and_the_rest_stays() {
    let mut world = World::native();
    let _before = world.service(Kind::Native, "before", 1_000, "", "");
    let _with = world.service(Kind::Native, "with", 1_000, "", "");
    let _own = world.service(Kind::Native, "own", 1_000, "", "");
    let _asked = world.service(Kind::Native, "asked", 1_000, "", "depends_on: [own]");
    let keys = "retry: {attempts: 1}, depends_on: [asked, before, with]";
    let _front = world.service(Kind::Native, "front", 1_000, "--crash-loop", keys);
    world.ensure(&["before"]);
    world.lem(&["service", "ensure", "asked", "front"]).expect(1);
    let names = ["before", "with", "own", "asked", "front"];
    let states = names.map(|name| world.state(name));
    assert_eq!(states, ["ready", "stopped", "ready", "ready", "error"]);
}

// F42
fn what_this_command_started_goes_with_an_interrupt_and_the_rest_stays(kind: Kind) {
    let mut world = World::for_kind(kind);
    let before = world.service(kind, "before", 1_000, "", "");
    let with = world.service(kind, "with", 1_000, "", "");
    let front = world.service(kind, "front", 1_000, "--load 50s", "depends_on: [before, with]");
    world.ensure(&["before"]);
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let starts = world.count("front", "started");
        let mut lem = world.start(&["service", "ensure", "front"]);
        eventually("`front` loads", || {
            (world.count("front", "started") > starts && lem.stderr().contains("front: not yet"))
                .then_some(())
        });
        assert!(with.pid().is_some());
        lem.signal(signal);
        lem.wait().expect(code);
        assert_eq!((front.pid(), with.pid()), (None, None));
        assert!(before.pid().is_some());
        let states = ["before", "with", "front"].map(|name| world.state(name));
        assert_eq!(states, ["ready", "stopped", "stopped"]);
        let line = world.journal().into_iter().rfind(|line| line["service"] == "front").unwrap();
        assert_eq!(line["outcome"], "interrupted", "{line}");
        let line = world.journal().pop().unwrap();
        let told = ["act", "service", "from", "to"].map(|key| line[key].as_str().unwrap());
        assert_eq!(told, ["stop", "with", "ready", "stopped"]);
    }
    assert_eq!(world.count("before", "started"), 1);
    world.lem(&["service", "ensure", "with", "--no-wait"]).expect(0);
    if kind == Kind::Container {
        assert_eq!(world.containers().len(), 2);
    }
}

// F42
fn a_second_interrupt_gives_no_grace(kind: Kind) {
    let mut world = World::for_kind(kind);
    let a = world.service(kind, "a", 1_000, "--load 50s --stop 50s", "");
    let mut lem = world.start(&["service", "ensure", "a"]);
    eventually("`a` loads", || lem.stderr().contains("a: not yet").then_some(()));
    lem.signal(Signal::SIGINT);
    eventually("`a` is told to stop", || (world.count("a", "told to stop") == 1).then_some(()));
    let begun = Instant::now();
    lem.insist(Signal::SIGINT);
    lem.wait().expect(130);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!((a.pid(), world.state("a")), (None, "stopped".into()));
    assert_eq!(world.containers(), []);
}

// F42, F8: half of a stop is worth nothing.
#[test]
fn an_interrupt_while_the_previous_one_stops_lets_it_stop_and_starts_nothing() {
    let mut world = World::native();
    let a = world.service(Kind::Native, "a", 50_000, "--stop 700ms", "");
    let _b = world.service(Kind::Native, "b", 50_000, "", "");
    world.ensure(&["a"]);
    let mut lem = world.start(&["switch", "b"]);
    eventually("`a` stops", || (world.count("a", "told to stop") == 1).then_some(()));
    lem.signal(Signal::SIGINT);
    lem.wait().expect(130);
    assert_eq!((a.processes(), world.count("b", "started")), (vec![], 0));
    assert_eq!((world.state("a"), world.state("b")), ("stopped".into(), "stopped".into()));
}

// The ledger alone has no room: what was begun is done all the same, and its user is told.
#[test]
fn a_ledger_that_is_full_in_the_middle_of_a_switch_does_not_end_it() {
    let mut world = World::with_containers();
    let ledger = world.scene.path("machine/local/coordination");
    let Some(_disk) = SmallDisk::mount(&ledger, "1m") else { return };
    // Of the last block of the log there is room left for three notes, whatever fills the disk.
    let a = world.service(Kind::Container, "a", 35_000, "--stop 3s", "");
    let c = world.service(Kind::Container, "c", 35_000, "--stop 3s", "");
    let b = world.service(Kind::Container, "b", 70_000, "", "");
    world.ensure(&["a", "c"]);
    let mut switch = world.start(&["switch", "b"]);
    let told = || world.count("a", "told to stop") + world.count("c", "told to stop");
    eventually("one stops", || (told() == 1).then_some(()));
    let mut stuffing = std::fs::File::create(ledger.join("stuffing")).unwrap();
    while stuffing.write_all(&[0; 4096]).is_ok() {}
    switch.wait().expect(0).says(&["was not noted before it was said", "no room left"]);
    assert!(a.pid().is_none() && c.pid().is_none() && b.pid().is_some());
}
