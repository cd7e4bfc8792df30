//! Who uses something keeps it: what is decided under a permit, what is refused beside what is
//! done, and what a dry run says of both (F2–F5, F7, F19, F24, F26–F28, F35).

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{ModelServer, Running, eventually};
use crate::world::{Kind, World};

/// A command that uses a service until it is killed.
fn lock(world: &World, name: &str, more: &[&str]) -> Running {
    let command = ["--", "sh", "-c", "echo in; sleep 60"];
    let lock = world.start(&[&["lock", "--needs", name], more, &command[..]].concat());
    eventually("the command runs", || lock.stdout().contains("in").then_some(()));
    lock
}

fn steps(document: &Value) -> Vec<String> {
    let steps = document["steps"].as_array().unwrap().iter();
    steps.map(|it| format!("{} {}", it["step"], it["service"]).replace('"', "")).collect()
}

/// Somebody who stops `db` while `app`, which needs it, is being started.
fn stop_in_the_middle(words: &[&str]) -> (World, [ModelServer; 2], Running, Running) {
    let mut world = World::native();
    let db = world.service(Kind::Native, "db", 1_000, "--load 2s", "");
    let app = world.service(Kind::Native, "app", 1_000, "", "depends_on: [db]");
    let ensure = world.start(&["service", "ensure", "app"]);
    eventually("`db` starts", || (world.count("db", "started") == 1).then_some(()));
    let stop = world.start(words);
    eventually("it waits", || stop.stderr().contains("waiting for").then_some(()));
    (world, [db, app], ensure, stop)
}

// F26, F35
#[test]
fn a_stop_that_waited_for_a_start_sees_who_needs_the_service_now() {
    let (world, _servers, mut ensure, mut stop) = stop_in_the_middle(&["service", "stop", "db"]);
    ensure.wait().expect(0);
    stop.wait().expect(75).says(&["app"]);
    assert_eq!((world.state("db"), world.state("app")), ("ready".into(), "ready".into()));
}

// F26, F35
#[test]
fn a_cascade_that_waited_for_a_start_takes_along_who_needs_the_service_now() {
    let (world, _servers, mut ensure, mut stop) =
        stop_in_the_middle(&["service", "stop", "db", "--cascade"]);
    ensure.wait().expect(0);
    stop.wait().expect(0);
    assert_eq!((world.state("db"), world.state("app")), ("stopped".into(), "stopped".into()));
    assert!(world.when("app", "stopped") <= world.when("db", "told to stop"));
}

// F7, F27, F35
#[test]
fn what_a_leased_service_needs_outlives_a_stop_of_everything() {
    let mut world = World::native();
    let db = world.service(Kind::Native, "db", 1_000, "", "");
    let app = world.service(Kind::Native, "app", 1_000, "", "depends_on: [db]");
    let other = world.service(Kind::Native, "other", 1_000, "", "");
    world.ensure(&["app", "other"]);
    let _lock = lock(&world, "app", &[]);
    let before = (db.pid(), app.pid());
    let everything = ["service", "stop", "--all"];
    let planned = world.document(&[&everything[..], &["--dry-run"]].concat(), 75);
    let done = world.document(&everything, 75);
    assert_eq!(steps(&planned), ["stop other"]);
    assert_eq!(steps(&planned), steps(&done));
    assert_eq!(
        (&planned["errors"], planned["errors"].as_array().unwrap().len()),
        (&done["errors"], 2)
    );
    assert_eq!((db.pid(), app.pid(), other.pid()), (before.0, before.1, None));
    world.lem(&["service", "stop", "db", "--cascade"]).expect(75);
    assert_eq!((db.pid(), app.pid()), before);
}

// F35
#[test]
fn what_can_not_be_stopped_keeps_what_it_needs() {
    let mut world = World::native();
    let db = world.service(Kind::Native, "db", 1_000, "", "");
    let keys = "depends_on: [db], stop_grace_period: 100ms";
    let app = world.service(Kind::Native, "app", 1_000, "--ignore-term", keys);
    world.ensure(&["app"]);
    world.lem(&["service", "stop", "--all"]).expect(1).says(&["`app` did not stop", "need `db`"]);
    assert!(db.pid().is_some() && app.pid().is_some());
    world.lem(&["service", "stop", "--all", "--force"]).expect(0);
    assert!(db.pid().is_none() && app.pid().is_none());
}

// F19, F27, F35
#[test]
fn a_service_started_anew_takes_nobody_s_ground_away_and_brings_back_what_needs_it() {
    let mut world = World::native();
    let db = world.service(Kind::Native, "db", 1_000, "", "priority: 3");
    let app = world.service(Kind::Native, "app", 1_000, "", "depends_on: [db]");
    world.ensure(&["app"]);
    world.change("priority: 3", "environment: {NEW: '1'}");
    let before = (db.pid(), app.pid());
    let mut lock = lock(&world, "app", &[]);
    let anew = ["service", "ensure", "db", "--recreate"];
    let holder = format!("(pid {}", lock.pid());
    world.lem(&anew).expect(75).says(&["`app` is in use", &holder]);
    assert_eq!((db.pid(), app.pid()), before);
    lock.kill();
    let done = world.document(&anew, 0);
    assert_eq!(steps(&done), ["stop app", "stop db", "start db", "start app"]);
    assert!(db.pid().is_some() && db.pid() != before.0);
    assert!(app.pid().is_some() && app.pid() != before.1);

    world.change("NEW: '1'", "NEW: '2'");
    world.change("depends_on: [db]", "depends_on: [db], pinned: true");
    let before = (db.pid(), app.pid());
    world.lem(&anew).expect(75).says(&["app"]);
    assert_eq!((db.pid(), app.pid()), before);
}

// F3, F4, F19
#[test]
fn services_started_anew_at_once_have_to_fit_together() {
    let mut world = World::native();
    let x = world.service(Kind::Native, "x", 10_000, "", "priority: 3");
    let y = world.service(Kind::Native, "y", 10_000, "", "priority: 3");
    world.ensure(&["x", "y"]);
    let before = (x.pid(), y.pid());
    world.change("priority: 3", "environment: {NEW: '1'}");
    world.change("vram_mb: 10000", "vram_mb: 50000");
    world.lem(&["service", "ensure", "x", "y", "--recreate"]).expect(4);
    assert_eq!((x.pid(), y.pid()), before);
    world.change("vram_mb: 50000", "vram_mb: 30000");
    world.lem(&["service", "ensure", "x", "y", "--recreate"]).expect(0);
    assert!(x.pid() != before.0 && y.pid() != before.1);
}

// F2, F5
#[test]
fn a_switch_to_what_runs_already_stops_the_others_and_restarts_nothing() {
    let mut world = World::native();
    let x = world.service(Kind::Native, "x", 10_000, "", "");
    let y = world.service(Kind::Native, "y", 10_000, "", "");
    let above = world.service(Kind::Native, "above", 10_000, "", "priority: 90");
    let pinned = world.service(Kind::Native, "pinned", 10_000, "", "pinned: true");
    world.ensure(&["x", "y", "above", "pinned"]);
    let stay = (x.pid(), above.pid(), pinned.pid());
    let done = world.document(&["switch", "x"], 0);
    assert_eq!(steps(&done), ["stop y", "reuse x"]);
    assert_eq!((x.pid(), above.pid(), pinned.pid()), stay);
    assert_eq!(y.pid(), None);
}

// F7, F24, F27
#[test]
fn a_dry_run_refuses_what_the_real_run_refuses() {
    let mut world = World::native();
    let evict = "evict: {kind: vllm-sleep}";
    let _free = world.service(Kind::Native, "free", 1_000, "", evict);
    let _leased = world.service(Kind::Native, "leased", 1_000, "", evict);
    let _gone = world.service(Kind::Native, "gone", 1_000, "", evict);
    let _plain = world.service(Kind::Native, "plain", 1_000, "", "");
    world.ensure(&["free", "leased", "plain"]);
    let _lock = lock(&world, "leased", &[]);
    for (names, code, services) in
        [(&["free"][..], 0, 1), (&["leased", "free"], 75, 1), (&["gone"], 1, 0), (&["plain"], 2, 0)]
    {
        let real = [&["service", "evict"], names].concat();
        let planned = world.document(&[&real[..], &["--dry-run"]].concat(), code);
        let done = world.document(&real, code);
        for document in [&planned, &done] {
            assert_eq!(document["exit_code"], json!(code), "{document}");
            assert_eq!(document["services"].as_array().unwrap().len(), services, "{document}");
        }
        assert_eq!(planned["errors"], done["errors"]);
    }
}

// F4, F28
#[test]
fn what_can_never_fit_is_refused_at_once_though_somebody_has_the_gpu() {
    let mut world = World::native();
    let _pinned = world.service(Kind::Native, "pinned", 50_000, "", "pinned: true");
    let _large = world.service(Kind::Native, "large", 50_000, "", "");
    let _lock = lock(&world, "pinned", &["--exclusive"]);
    let refused = world.lem(&["service", "ensure", "large"]).expect(4);
    refused.says(&["service `pinned` (50000 MiB, pinned)"]);
    assert!(!refused.stderr.contains("waiting for"), "{}", refused.stderr);
}

// F27
#[test]
fn a_gpu_that_somebody_has_for_itself_is_kept_from_services_that_declare_no_memory() {
    let mut world = World::native();
    let _holder = world.service(Kind::Native, "holder", 1_000, "", "");
    world.register(
        "sneaky",
        "type: native, gpus: [0], start_cmd: [sleep, '60'], health: {stable: 0s}",
    );
    world.register(
        "other",
        "type: native, gpus: none, start_cmd: [sleep, '60'], health: {stable: 0s}",
    );
    let lock = lock(&world, "holder", &["--exclusive"]);
    let holder = format!("(pid {}", lock.pid());
    world.lem(&["service", "ensure", "sneaky", "--no-wait"]).expect(75).says(&["GPU", &holder]);
    world.lem(&["service", "ensure", "other", "--no-wait"]).expect(0);
    world.lem(&["service", "stop", "other", "--force"]).expect(0);
}

// F24, F26
#[test]
fn a_service_that_computes_again_is_not_idle_any_more() {
    let mut world = World::native();
    let keys = "evict: {kind: vllm-sleep}";
    let _x = world.service(Kind::Native, "x", 1_000, "--evict-lag 60s", keys);
    world.ensure(&["x"]);
    let mut first = world.start(&["service", "evict", "x"]);
    eventually("it has the permit", || (!world.status("x")["holder"].is_null()).then_some(()));
    let mut second = world.start(&["service", "evict", "--idle", "0s"]);
    eventually("it waits", || second.stderr().contains("waiting for").then_some(()));
    world.fake.change(|state| {
        for process in state["gpus"][0]["processes"].as_array_mut().unwrap() {
            process["utilization"] = json!(50);
        }
    });
    assert_eq!(world.state("x"), "busy");
    first.signal(Signal::SIGINT);
    first.wait();
    let ended = second.wait().expect(0);
    assert!(ended.stdout.contains("nothing to do"), "{ended:?}");
}
