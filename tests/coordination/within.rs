//! A lem that is started by an operation is part of it.

use crate::world::World;

const LEM: &str = env!("CARGO_BIN_EXE_lem");

#[test]
fn what_the_operation_has_its_command_may_do_and_the_same_is_refused_to_others() {
    let world = World::of_names();
    let script = format!("{LEM} op restart api -- sh -c 'echo inner $LEM_OP_ID >inner'");
    world.lem(&["op", "deploy", "api", "--", "sh", "-c", &script]).expect(0);
    assert!(std::fs::read_to_string(world.scene.path("inner")).unwrap().starts_with("inner "));
}

#[test]
fn what_the_operation_has_not_its_command_is_refused_where_it_would_wait_for_itself() {
    let world = World::of_names();
    // A change of the configuration holds off deployments, and covers none.
    let script = format!("{LEM} op deploy api --queue -- true");
    let refused = world.lem(&["op", "config", "api", "--", "sh", "-c", &script]).expect(2);
    refused.says(&["is not covered by operation", "would wait for it for ever"]);
}

#[test]
fn an_operation_beside_its_own_waits_for_others_as_everybody_does() {
    let world = World::of_names();
    let other = world.hold(&["restart", "db"]);
    let script = format!("{LEM} op restart db --no-wait -- true");
    let refused = world.lem(&["op", "deploy", "api", "--", "sh", "-c", &script]).expect(75);
    refused.says(&["restart db is blocked"]);
    other.end().expect(0);
}

#[test]
fn the_command_knows_its_operation() {
    let world = World::of_names();
    let script = "echo $LEM_OP_ID $LEM_LOCK_TOKEN $LEM_LOCK_ID";
    let said = world.lem(&["op", "read", "api", "--", "sh", "-c", script]).expect(0).stdout;
    let words: Vec<&str> = said.split_whitespace().collect();
    let [id, token, lock] = words[..] else { panic!("{said}") };
    assert!(id == lock && token.parse::<i64>().unwrap() > 0, "{said}");
}
