//! What becomes of operations whose lem is killed.

use std::time::{Duration, Instant};

use crate::support::{eventually, processes};
use crate::world::World;

/// For a machine that has other things to do; what is promised is a second.
const SOON: Duration = Duration::from_secs(3);

#[test]
fn who_waits_begins_within_a_second_when_the_holder_and_its_command_are_killed() {
    let world = World::of_names();
    let mut held = world.hold(&["restart", "api"]);
    let mut next = world.queue(&["restart", "api", "--queue"]);
    next.says("waits for operation");
    held.lem.kill();
    processes::kill(held.command);
    let killed = Instant::now();
    next.wait_for_the_command();
    assert!(killed.elapsed() < SOON, "{:?}", killed.elapsed());
    next.end().expect(0);
}

#[test]
fn the_command_of_a_killed_lem_has_what_it_had_until_it_ends() {
    let world = World::of_names();
    let mut held = world.hold(&["restart", "api"]);
    held.lem.kill();
    let refused = world.lem(&["op", "restart", "api", "--", "true"]).expect(75);
    refused.says(&["its lem is dead; what that started has it"]);
    let mut next = world.queue(&["restart", "api", "--queue"]);
    next.says("waits for operation");
    held.let_go();
    next.wait_for_the_command();
    next.end().expect(0);
}

#[test]
fn what_an_operation_settles_for_is_waited_for_and_not_longer() {
    let world = World::of_names();
    let mut held = world.hold(&["restart", "api", "--settle", "2s"]);
    held.lem.kill();
    processes::kill(held.command);
    let killed = Instant::now();
    // What the command started ends a moment after it.
    eventually("the operation settles", || {
        let told =
            world.document(&["op", "restart", "api", "--no-wait", "--json", "--", "true"], 75);
        let holder = &told["in_the_way"]["holder"];
        (holder["liveness"] == "dead").then(|| assert!(holder["settles_s"].as_f64().unwrap() > 0.0))
    });
    let mut next = world.queue(&["restart", "api", "--queue"]);
    next.wait_for_the_command();
    let waited = killed.elapsed();
    assert!(waited > Duration::from_secs(2) && waited < SOON * 2, "{waited:?}");
    next.end().expect(0);
}

#[test]
fn a_waiter_that_is_killed_is_in_nobodys_way() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api"]);
    let mut first = world.queue(&["scale", "api", "--priority", "9"]);
    first.says("waits for operation");
    let mut second = world.queue(&["scale", "api"]);
    second.says("waits for operation");
    first.lem.kill();
    held.end().expect(0);
    second.wait_for_the_command();
    second.end().expect(0);
    assert!(!first.runs());
}
