//! `--join`: the result of who does the same already.

use crate::support::Running;
use crate::world::World;

fn join(world: &World, words: &[&str]) -> Running {
    let words = [&["op"], words, &["--join", "--", "touch", "done-twice"]].concat();
    let joined = world.start(&words);
    crate::support::eventually("lem joins", || {
        joined.stderr().contains("joins operation").then_some(())
    });
    joined
}

#[test]
fn who_joins_ends_with_the_other_one_as_that_ended_and_does_nothing_itself() {
    let world = World::of_names();
    let held = world.hold(&["deploy", "api"]);
    let mut joined = join(&world, &["deploy", "api"]);
    held.end().expect(0);
    joined.wait().expect(0);

    let mut held = world.hold(&["deploy", "api"]);
    let mut joined = join(&world, &["deploy", "api"]);
    crate::support::processes::kill(held.command);
    held.lem.wait().expect(137);
    joined.wait().expect(1).says(&["was joined, and is failed: signal 9"]);
    assert!(!world.scene.path("done-twice").exists());
}

#[test]
fn who_joins_one_that_dies_hears_that_it_is_lost() {
    let world = World::of_names();
    let mut held = world.hold(&["deploy", "api"]);
    let mut joined = join(&world, &["deploy", "api"]);
    held.lem.kill();
    crate::support::processes::kill(held.command);
    joined.wait().expect(1).says(&["was joined, and is lost"]);
}

#[test]
fn only_the_same_is_joined() {
    let world = World::of_names();
    let held = world.hold(&["deploy", "api"]);
    let refused = world.lem(&["op", "stop", "api", "--join", "--", "true"]).expect(75);
    refused.says(&["stop api is blocked"]);
    held.end().expect(0);
}
