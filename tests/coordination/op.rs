//! `lem op KIND NAME -- COMMAND`: begins, waits, is refused.

use crate::support::processes;
use crate::world::World;

#[test]
fn the_second_of_two_restarts_is_refused_and_told_who_is_at_it_since_when_and_until_when() {
    let world = World::of_names();
    let reason = "a new certificate";
    let held =
        world.hold(&["restart", "api", "--agent", "ci-42", "--expect", "120s", "--reason", reason]);
    let refused = world.lem(&["op", "restart", "api", "--", "touch", "second"]).expect(75);
    let id = held.id.to_string();
    refused.says(&[
        "error: restart api is blocked: a second restart repeats the first",
        &format!("operation {id}: restart api: `sh -c"),
        "by ci-42 (",
        reason,
        "expected to end at",
        "(in 1m 5",
        "hint: `--queue` waits for your turn, `--join` for its result",
        &format!("`lem why {id}`"),
        &format!("`lem cancel {id}`"),
    ]);
    assert!(!world.scene.path("second").exists());

    let told = world.document(&["op", "restart", "api", "--json", "--", "touch", "second"], 75);
    let holder = &told["in_the_way"]["holder"];
    assert_eq!(holder["operation"], held.id);
    assert_eq!(holder["agent"], "ci-42");
    assert_eq!(holder["liveness"], "lives");
    assert_eq!((&told["state"], &told["exit_code"]), (&"rejected".into(), &75.into()));
    assert!(holder["expected_left_s"].as_f64().unwrap() > 100.0, "{told}");

    held.end().expect(0);
    world.lem(&["op", "restart", "api", "--", "touch", "second"]).expect(0);
    assert!(world.scene.path("second").exists());
}

#[test]
fn with_queue_the_second_restart_runs_after_the_first() {
    let world = World::of_names();
    let held = world.hold(&["restart", "api"]);
    let mut second = world.queue(&["restart", "api", "--queue"]);
    second.says(&format!("waits for operation {} (restart api", held.id));
    assert!(!second.runs());
    held.end().expect(0);
    second.wait_for_the_command();
    second.end().expect(0);
}

#[test]
fn a_change_of_the_configuration_waits_behind_a_restart_and_two_that_look_overlap() {
    let world = World::of_names();
    let restart = world.hold(&["restart", "api"]);
    let mut config = world.queue(&["config", "api"]);
    config.says("a restart reads the configuration while it is being written");
    let (one, two) = (world.hold(&["read", "api"]), world.hold(&["read", "api"]));
    assert!(!config.runs());
    one.end().expect(0);
    two.end().expect(0);
    restart.end().expect(0);
    config.wait_for_the_command();
    config.end().expect(0);
}

#[test]
fn the_exit_code_of_the_command_is_passed_on_with_its_streams() {
    let world = World::of_names();
    let ended =
        world.lem(&["op", "read", "api", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    let ended = ended.expect(7);
    assert_eq!(ended.stdout, "out\n");
    ended.says(&["err\n"]);
    world.lem(&["op", "read", "api", "--", "no-such-program"]).expect(127);
    world.lem(&["op", "read", "api", "--", "sh", "-c", "kill -9 $$"]).expect(137);
}

#[test]
fn one_that_takes_too_long_is_ended_with_all_that_it_started() {
    let world = World::of_names();
    let script = "sh -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 0.1; done' & wait";
    let words = ["op", "restart", "api", "--timeout", "0.5s", "--", "sh", "-c", script];
    let ended = world.lem(&words).expect(124);
    ended.says(&["took longer than 0.5s", "--timeout"]);
    let child = std::fs::read_to_string(world.scene.path("child")).unwrap();
    // One that nobody has asked about yet has no words any more.
    assert_eq!(processes::command_line(child.trim().parse().unwrap()), "");
}

#[test]
fn what_is_no_operation_is_refused_with_what_there_is() {
    let world = World::of_names();
    world.lem(&["op", "reboot", "api"]).expect(2).says(&["restart"]);
    world.lem(&["op", "restart"]).expect(2).says(&["CONTAINER"]);
    world.lem(&["op", "restart", "api", "--priority", "11", "--", "true"]).expect(2).says(&["10"]);
}
