//! `lem cancel`, `lem wait`, `lem prio` and `lem unlock`: operations are steered by others.

use std::time::Duration;

use crate::support::{eventually, processes, within};
use crate::world::{Held, World};

/// Queues one and finds its number.
fn queued(world: &World, words: &[&str]) -> (Held, i64) {
    let before = numbers(world);
    let held = world.queue(words);
    let id = eventually("it waits", || numbers(world).into_iter().find(|id| !before.contains(id)));
    (held, id)
}

/// The numbers of those that wait, in the order of the queue.
fn numbers(world: &World) -> Vec<i64> {
    let queue = world.document(&["queue", "--json"], 0);
    queue.as_array().unwrap().iter().map(|it| it["id"].as_i64().unwrap()).collect()
}

#[test]
fn a_cancelled_operation_s_command_gets_term_and_everybody_is_told_why() {
    let world = World::of_names();
    let script =
        "trap 'echo asked; exit 3' TERM; echo $LEM_OP_ID >id; while :; do sleep 0.05; done";
    let mut lem = world.start(&["op", "restart", "api", "--", "sh", "-c", script]);
    let id = eventually("it runs", || {
        let id = std::fs::read_to_string(world.scene.path("id")).ok()?.trim().to_owned();
        (!id.is_empty()).then_some(id)
    });
    let cancelled = world.lem(&["cancel", &id, "--reason", "not now"]).expect(0);
    assert!(cancelled.stdout.contains("is cancelled"), "{cancelled:?}");
    let ended = lem.wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(75), "asked\n"), "{ended:?}");
    ended.says(&["was cancelled", "not now"]);
    let own = world.document(&["why", &id, "--json"], 0);
    assert_eq!(own["operation"]["state"], "cancelled");
    assert!(own["operation"]["note"].as_str().unwrap().contains("not now"), "{own}");
    // It is over for good.
    world.lem(&["cancel", &id]).expect(0);
    world.lem(&["wait", &id]).expect(1);
    world.lem(&["wait", &id, "--status", "cancelled"]).expect(0);
    world.lem(&["prio", &id, "9"]).expect(1).says(&["does not wait"]);
    world.lem(&["unlock", "--force", &id, "--reason", "x"]).expect(2).says(&["ended already"]);
}

#[test]
fn one_that_waits_is_cancelled_at_once_and_its_command_never_runs() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api"]);
    let (mut waits, id) = queued(&world, &["config", "api"]);
    world.lem(&["cancel", &id.to_string()]).expect(0);
    let ended = waits.lem.wait();
    assert_eq!(ended.code, Some(75), "{ended:?}");
    ended.says(&["was cancelled"]);
    assert!(!waits.runs());
    assert_eq!(numbers(&world), Vec::<i64>::new());
    held.end().expect(0);
    for words in [&["cancel", "9999"][..], &["wait", "9999"], &["prio", "9999", "3"]] {
        world.lem(words).expect(2).says(&["there is no operation 9999"]);
    }
}

#[test]
fn who_waits_for_an_operation_hears_of_its_end_and_how_it_was() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api"]);
    let id = held.id.to_string();
    world.lem(&["wait", &id, "--timeout", "0.2s"]).expect(124);
    world.lem(&["wait", &id, "--status", "active"]).expect(0);
    let mut waits = world.start(&["wait", &id, "--json"]);
    held.end().expect(0);
    let ended = waits.wait().expect(0);
    let row: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&row["state"], &row["exit_code"]), (&"done".into(), &0.into()));
    let failed = world.document(&["op", "read", "api", "--json", "--", "false"], 1);
    world.lem(&["wait", &failed["operation"].to_string()]).expect(1);
}

#[test]
fn another_priority_is_another_place_in_the_queue() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api"]);
    let (first, one) = queued(&world, &["scale", "api"]);
    let (second, two) = queued(&world, &["config", "api"]);
    assert_eq!(numbers(&world), [one, two]);
    world.lem(&["prio", &two.to_string(), "10"]).expect(0);
    assert_eq!(numbers(&world), [two, one]);
    world.lem(&["prio", &two.to_string(), "11"]).expect(2);
    held.end().expect(0);
    let (mut second, mut first) = (second, first);
    second.wait_for_the_command();
    assert!(!first.runs());
    second.end().expect(0);
    first.wait_for_the_command();
    first.end().expect(0);
}

#[test]
fn nothing_is_taken_from_a_living_owner_unless_it_is_ended() {
    let world = World::of_names();
    let mut held = world.hold(&["restart", "api"]);
    let id = held.id.to_string();
    world.lem(&["unlock", &id, "--reason", "x"]).expect(2).says(&["--force"]);
    world.lem(&["unlock", "--force", &id]).expect(2).says(&["--reason"]);
    world.lem(&["unlock", "--force", &id, "--reason", ""]).expect(2);
    let unlock = ["unlock", "--force", &id, "--reason", "it is in the way"];
    world.lem(&unlock).expect(75).says(&["lives", &format!("lem cancel {id}")]);
    world.lem(&[&unlock[..], &["--kill-stalled"]].concat()).expect(75);
    assert!(!held.lem.has_ended());
    world.lem(&[&unlock[..], &["--kill"]].concat()).expect(0);
    assert!(held.lem.has_ended() || held.lem.wait().code != Some(0));
    assert_eq!(processes::command_line(held.command), "");
    world.lem(&["op", "restart", "api", "--no-wait", "--", "true"]).expect(0);
}

#[test]
fn a_command_that_will_not_end_is_killed_with_its_lem_when_the_operation_is_taken_away() {
    let world = World::of_names();
    let script = "trap '' TERM INT HUP; echo $$ $LEM_OP_ID >id; while :; do sleep 0.05; done";
    let mut lem = world.start(&["op", "restart", "api", "--", "sh", "-c", script]);
    let (pid, id) = eventually("it runs", || {
        let text = std::fs::read_to_string(world.scene.path("id")).ok()?;
        let (pid, id) = text.trim().split_once(' ')?;
        Some((pid.parse::<u32>().ok()?, id.to_owned()))
    });
    lem.kill();
    let unlock = ["unlock", "--force", &id, "--reason", "left behind"];
    world.lem(&unlock).expect(75);
    world.lem(&[&unlock[..], &["--kill"]].concat()).expect(0);
    assert_eq!(processes::command_line(pid), "");
    let own = world.document(&["why", &id, "--json"], 0);
    assert_eq!(own["operation"]["state"], "lost");
    assert!(own["operation"]["note"].as_str().unwrap().contains("left behind"), "{own}");
}

#[test]
fn who_waits_for_one_whose_lem_was_killed_hears_that_it_is_lost_once_it_has_settled() {
    let world = World::of_names();
    let mut held = world.hold(&["restart", "api", "--settle", "1s"]);
    let mut waits = world.start(&["wait", &held.id.to_string(), "--json"]);
    held.lem.kill();
    held.let_go();
    let row = waits.wait().expect(1).stdout;
    assert!(row.contains(r#""state":"lost""#), "{row}");
}

#[test]
fn what_settles_can_be_taken_without_waiting() {
    let world = World::of_names();
    let mut held = world.hold(&["restart", "api", "--settle", "60s"]);
    held.lem.kill();
    held.let_go();
    within(Duration::from_secs(5), "its command has ended", || {
        processes::command_line(held.command).is_empty().then_some(())
    });
    let (mut waits, _) = queued(&world, &["config", "api"]);
    let id = held.id.to_string();
    world.lem(&["unlock", "--force", &id, "--reason", "nothing is there"]).expect(0);
    waits.wait_for_the_command();
    waits.end().expect(0);
}
