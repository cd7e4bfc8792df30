//! A service that is used while a command runs stays (F27).

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{ModelServer, Running, eventually, within};
use crate::world::{Kind, World};

/// `x`, which a lem leases until it is killed, and `y`, which has no room beside it.
fn leased(more: &[&str]) -> (World, ModelServer, ModelServer, Running) {
    let mut world = World::native();
    let x = world.service(Kind::Native, "x", 50_000, "", "priority: 1");
    let y = world.service(Kind::Native, "y", 50_000, "", "priority: 90");
    let words = [&["lock", "--needs", "x"], more, &["--", "sh", "-c", "echo in; sleep 60"]];
    let lock = world.start(&words.concat());
    eventually("the command runs", || lock.stdout().contains("in").then_some(()));
    (world, x, y, lock)
}

#[test]
fn a_leased_service_is_neither_evicted_nor_stopped_until_that_is_forced() {
    let (world, x, y, lock) = leased(&[]);
    let holder = format!("sh -c echo in; sleep 60 (pid {}", lock.pid());
    let row = world.status("x");
    assert_eq!(row["state"], "busy", "{row}");
    assert!(row["leases"][0].as_str().unwrap().starts_with(&holder), "{row}");
    let pid = x.pid();
    for words in [&["switch", "y"][..], &["service", "ensure", "y", "--preempt"]] {
        world.lem(words).expect(75).says(&["service `x` (50000 MiB, in use)"]);
    }
    world.lem(&["service", "stop", "x"]).expect(75).says(&[&holder]);
    world.lem(&["service", "stop", "--all"]).expect(75).says(&[&holder]);
    assert_eq!((x.pid(), y.pid()), (pid, None));
    world.lem(&["service", "stop", "x", "--force"]).expect(0);
    assert_eq!(x.pid(), None);
}

#[test]
fn a_lease_ends_with_a_lem_that_is_killed() {
    let (world, x, y, mut lock) = leased(&[]);
    lock.kill();
    assert_eq!(world.status("x")["leases"].as_array().unwrap().len(), 0);
    world.lem(&["switch", "y"]).expect(0);
    assert!(x.pid().is_none() && y.pid().is_some());
}

#[test]
fn an_exclusive_lease_keeps_everybody_else_from_starting_on_its_gpu() {
    let (mut world, x, _y, mut lock) = leased(&["--exclusive"]);
    let small = world.service(Kind::Native, "small", 1_000, "", "");
    let holder = format!("(pid {}", lock.pid());
    world.lem(&["service", "ensure", "small", "--no-wait"]).expect(75).says(&[&holder, "GPU"]);
    // What runs there already may be used.
    world.lem(&["service", "ensure", "x", "--no-wait"]).expect(0);
    let mut waiting = world.start(&["service", "ensure", "small"]);
    eventually("it waits", || waiting.stderr().contains("waiting for").then_some(()));
    lock.kill();
    waiting.wait().expect(0);
    assert!(small.pid().is_some() && x.pid().is_some());
}

#[test]
fn the_command_s_exit_code_and_a_signal_pass_through() {
    let mut world = World::native();
    let x = world.service(Kind::Native, "x", 1_000, "", "");
    let lock = |script: &str| world.start(&["lock", "--needs", "x", "--", "sh", "-c", script]);
    let ended = lock("echo out; echo err >&2; exit 37").wait().expect(37);
    assert_eq!(ended.stdout, "out\n");
    ended.says(&["err"]);
    lock("kill -KILL $$").wait().expect(137);
    let missing = world.lem(&["lock", "--needs", "x", "--", "/nowhere/at/all"]);
    assert!(missing.code != Some(0) && missing.stderr.contains("/nowhere/at/all"), "{missing:?}");
    let mut polite = lock("trap 'echo bye; exit 5' TERM; echo in; while :; do sleep 0.05; done");
    eventually("the command runs", || polite.stdout().contains("in").then_some(()));
    polite.signal(Signal::SIGTERM);
    let ended = polite.wait().expect(5);
    assert!(ended.stdout.contains("bye"), "{}", ended.stdout);
    // What it used is there for the next one.
    assert!(x.pid().is_some());
    assert_eq!(world.state("x"), "ready");
}

#[test]
fn several_may_use_a_service_at_once_and_the_last_of_them_frees_it() {
    let (world, _x, _y, mut first) = leased(&[]);
    let words = ["lock", "--needs", "x", "--wait", "0", "--", "sh", "-c", "echo in; sleep 60"];
    let mut second = world.start(&words);
    eventually("the second runs", || second.stdout().contains("in").then_some(()));
    first.kill();
    world.lem(&["service", "stop", "x"]).expect(75);
    second.kill();
    within(Duration::from_secs(5), "it is free", || {
        (world.status("x")["state"] == "ready").then_some(())
    });
    world.lem(&["service", "stop", "x"]).expect(0);
}

// A lock of a GPU for use is no lease: nobody counts it, so it is waited for.
#[test]
fn nothing_starts_on_a_gpu_that_somebody_shares() {
    let mut world = World::native();
    let x = world.service(Kind::Native, "x", 1_000, "", "");
    let mut lock = world.start(&["lock", "gpu:0", "-s", "--", "sh", "-c", "echo in; sleep 60"]);
    eventually("the command runs", || lock.stdout().contains("in").then_some(()));
    world.lem(&["service", "ensure", "x", "--no-wait"]).expect(75).says(&["GPU"]);
    assert_eq!(x.pid(), None);
    lock.signal(Signal::SIGTERM);
    lock.wait();
    world.lem(&["service", "ensure", "x"]).expect(0);
}

#[test]
fn who_leases_a_service_is_known_before_anything_is_stopped() {
    let (world, x, _y, _lock) = leased(&[]);
    let ledger = world.scene.path("machine/local/coordination/ledger.db");
    let hidden = ledger.with_extension("hidden");
    std::fs::rename(&ledger, &hidden).unwrap();
    std::fs::create_dir(&ledger).unwrap();
    for words in [&["switch", "y"][..], &["service", "stop", "x"]] {
        world.lem(words).expect(3).says(&["ledger"]);
    }
    assert!(x.pid().is_some());
    std::fs::remove_dir(&ledger).unwrap();
    std::fs::rename(&hidden, &ledger).unwrap();
}
