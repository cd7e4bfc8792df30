//! `lem lock RES -- COMMAND`: what it has, nobody else has, or nobody changes.

use crate::support::{Running, eventually, within};
use crate::world::World;

/// `lem lock WORDS` whose command says that it runs and then waits until `go` is there.
fn locked(world: &World, words: &[&str], go: &str) -> Running {
    let script = format!("echo in; until [ -e {go} ]; do sleep 0.02; done");
    let lock = world.start(&[&["lock"], words, &["--", "sh", "-c", &script]].concat());
    eventually("the command runs", || lock.stdout().contains("in").then_some(()));
    lock
}

#[test]
fn what_one_has_alone_another_waits_for_or_is_refused() {
    let world = World::of_names();
    let mut one = locked(&world, &["name:nightly", "-x"], "go");
    let refused = world.lem(&["lock", "name:nightly", "-n", "--", "true"]).expect(75);
    refused.says(&["would have to wait", "both want nightly"]);
    world.lem(&["lock", "name:nightly", "-n", "-E", "9", "--", "true"]).expect(9);
    world.lem(&["lock", "name:nightly", "-s", "-w", "0.2s", "--", "true"]).expect(75);
    world.lem(&["lock", "name:other", "-n", "--", "true"]).expect(0);
    let mut two = world.start(&["lock", "name:nightly", "--", "sh", "-c", "echo two"]);
    eventually("it waits", || two.stderr().contains("waits for").then_some(()));
    let held = world.document(&["locks", "--json"], 0);
    assert_eq!((&held[0]["name"], &held[0]["mode"]), (&"nightly".into(), &"exclusive".into()));
    assert_eq!(two.stdout(), "");
    world.scene.write("go", "");
    one.wait().expect(0);
    assert_eq!(two.wait().expect(0).stdout, "two\n");
}

#[test]
fn several_share_what_nobody_changes_meanwhile() {
    let world = World::of_names();
    let mut one = locked(&world, &["api", "-s"], "go");
    let mut two = locked(&world, &["api", "-s", "-n"], "go");
    world.lem(&["op", "restart", "api", "--no-wait", "--", "true"]).expect(75);
    world.lem(&["op", "read", "api", "--no-wait", "--", "true"]).expect(0);
    world.scene.write("go", "");
    one.wait().expect(0);
    two.wait().expect(0);
    world.lem(&["op", "restart", "api", "--no-wait", "--", "true"]).expect(0);
}

#[test]
fn several_things_are_got_at_once_or_not_at_all() {
    let world = World::of_names();
    let _a = locked(&world, &["name:a"], "go");
    let mut both = world.start(&["lock", "name:a", "name:b", "gpu:GPU-1", "--", "true"]);
    eventually("it waits", || both.stderr().contains("waits for").then_some(()));
    world.lem(&["lock", "name:b", "-n", "--", "true"]).expect(75);
    world.scene.write("go", "");
    both.wait().expect(0);
}

#[test]
fn the_command_is_told_its_number_and_ends_with_its_own_code() {
    let world = World::of_names();
    let script = "echo $LEM_OP_ID $LEM_LOCK_ID $LEM_LOCK_TOKEN; exit 7";
    let ended = world.lem(&["lock", "name:a", "--", "sh", "-c", script]).expect(7);
    let words: Vec<i64> = ended.stdout.split_whitespace().map(|it| it.parse().unwrap()).collect();
    assert_eq!((words.len(), words[0]), (3, words[1]));
    let all = world.document(&["ops", "--all", "--json"], 0);
    assert_eq!((&all[0]["state"], &all[0]["exit_code"]), (&"failed".into(), &7.into()));
    world.lem(&["lock", "name:a", "--", "no-such-program"]).expect(127);
}

#[test]
fn what_a_killed_lock_left_behind_keeps_it_unless_that_was_closed() {
    let world = World::of_names();
    let mut kept = locked(&world, &["name:a"], "go");
    let mut closed = locked(&world, &["name:b", "--close"], "go");
    kept.kill();
    closed.kill();
    within(std::time::Duration::from_secs(5), "b is free", || {
        (world.lem(&["lock", "name:b", "-n", "--", "true"]).code == Some(0)).then_some(())
    });
    world.lem(&["lock", "name:a", "-n", "--", "true"]).expect(75);
    world.scene.write("go", "");
    within(std::time::Duration::from_secs(5), "a is free", || {
        (world.lem(&["lock", "name:a", "-n", "--", "true"]).code == Some(0)).then_some(())
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let world = World::of_names();
    world.lem(&["lock", "--", "true"]).expect(2);
    world.lem(&["lock", "name:a", "-s", "-x", "--", "true"]).expect(2);
    world.lem(&["lock", "name:a", "--needs", "x", "--", "true"]).expect(2);
    world.lem(&["lock", "name:a"]).expect(2);
}
