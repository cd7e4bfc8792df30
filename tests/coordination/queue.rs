//! The queue through `lem`: its limits, its order, and those who leave it.

use crate::support::{eventually, within};
use crate::world::{Held, World};

fn length(world: &World) -> usize {
    world.document(&["queue", "--json"], 0).as_array().unwrap().len()
}

#[test]
fn a_waiter_that_is_killed_leaves_the_queue() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api"]);
    let mut waits = world.queue(&["scale", "api"]);
    let mut last = world.queue(&["config", "api"]);
    eventually("both wait", || (length(&world) == 2).then_some(()));
    waits.lem.kill();
    within(std::time::Duration::from_secs(5), "it is gone", || (length(&world) == 1).then_some(()));
    held.end().expect(0);
    last.wait_for_the_command();
    last.end().expect(0);
    assert!(!waits.runs());
}

#[test]
fn one_agent_has_twenty_in_the_queue_and_others_still_get_in() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api"]);
    let words = ["config", "api", "--agent", "eager"];
    let many: Vec<Held> = (0..20).map(|_| world.queue(&words)).collect();
    eventually("twenty wait", || (length(&world) == 20).then_some(()));
    let words = [&["op"], &words[..], &["--", "true"]].concat();
    world.lem(&words).expect(75).says(&["`eager` has 20 operations in the queue", "lem queue"]);
    let other = world.queue(&["config", "api", "--agent", "calm"]);
    eventually("another one waits", || (length(&world) == 21).then_some(()));
    drop((many, other));
    held.end().expect(0);
}

#[test]
fn the_more_urgent_of_two_that_wait_is_first_whoever_came_first() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api"]);
    let mut low = world.queue(&["scale", "api", "--priority", "2"]);
    low.says("waits for");
    let mut high = world.queue(&["config", "api", "--priority", "9"]);
    high.says("waits for");
    let queue = world.document(&["queue", "--json"], 0);
    assert_eq!((&queue[0]["priority"], &queue[0]["position"]), (&9.into(), &1.into()));
    assert_eq!((&queue[1]["priority"], &queue[1]["position"]), (&2.into(), &2.into()));
    held.end().expect(0);
    high.wait_for_the_command();
    assert!(!low.runs());
    high.end().expect(0);
    low.wait_for_the_command();
    low.end().expect(0);
}

#[test]
fn who_waits_no_longer_than_it_said_is_told_who_was_before_it() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api", "--agent", "ci-42"]);
    let words = ["op", "config", "api", "--wait", "0.3s", "--", "true"];
    world.lem(&words).expect(75).says(&["did not get its turn", "ci-42"]);
    let all = world.document(&["ops", "--all", "--json"], 0);
    assert_eq!(all[0]["state"], "expired");
    held.end().expect(0);
}
