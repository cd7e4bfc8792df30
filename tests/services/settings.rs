//! Services that run with settings that are no longer the registry's (F19), and services that nobody
//! has used for a while (F24).

use crate::support::{Ended, ModelServer};
use crate::world::{Kind, World, of_both_kinds};

of_both_kinds!(
    one_with_old_settings_is_used_and_said_to_be_old,
    one_with_old_settings_is_started_anew_on_request_and_once,
);

/// A service that runs, and whose settings were changed since.
fn changed(kind: Kind) -> (World, ModelServer) {
    let mut world = World::for_kind(kind);
    let a = world.service(kind, "a", 1000, "", "");
    world.ensure(&["a"]);
    world.change("--name", "--load\", \"50ms\", \"--name");
    (world, a)
}

fn ensure(world: &World, more: &[&str]) -> Ended {
    world.lem(&[&["service", "ensure", "a"], more].concat()).expect(0)
}

// F19
fn one_with_old_settings_is_used_and_said_to_be_old(kind: Kind) {
    let (world, _a) = changed(kind);
    let ended = ensure(&world, &[]);
    assert!(ended.stderr.contains("--recreate"), "{}", ended.stderr);
    assert_eq!(world.count("a", "started"), 1);
    assert_eq!(world.status("a")["stale"], true);
}

// F19
fn one_with_old_settings_is_started_anew_on_request_and_once(kind: Kind) {
    let (world, _a) = changed(kind);
    ensure(&world, &["--recreate"]);
    assert_eq!(world.count("a", "started"), 2);
    assert_eq!(world.status("a")["stale"], false);
    ensure(&world, &["--recreate"]);
    assert_eq!(world.count("a", "started"), 2, "what is as it should be stays");
}

// F24
#[test]
fn what_nobody_has_used_for_so_long_is_unloaded_and_runs_on() {
    let mut world = World::native();
    let keys = "evict: {kind: ollama}";
    let server = world.service(Kind::Native, "a", 9000, "", keys);
    world.ensure(&["a"]);
    let ended = world.lem(&["service", "evict", "--idle", "10m"]).expect(0);
    assert!(ended.stdout.contains("nothing to do"), "{}", ended.stdout);
    assert_eq!(world.status("a")["vram_used_mib"]["0"], 9000);
    world.lem(&["service", "evict", "--idle", "0s"]).expect(0);
    assert_eq!(world.status("a")["vram_used_mib"]["0"], 0);
    assert!(server.pid().is_some(), "it runs on");
}
