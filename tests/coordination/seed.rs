//! The scenarios and the examples of the system that this one takes after: its eight containers,
//! and what its own tests went through.

use crate::support::eventually;
use crate::world::World;

/// Its containers, with what they need.
fn world() -> World {
    let world = World::of_names();
    for (name, port, needs) in [
        ("api", "8000", &[][..]),
        ("webui", "3000", &["api"]),
        ("postgres", "5432", &[]),
        ("redis", "6379", &[]),
        ("worker", "0", &["api", "redis", "postgres"]),
        ("voice-interaction-service", "8006", &["api"]),
        ("chat-service", "8007", &["api"]),
        ("prometheus", "9090", &[]),
    ] {
        let mut words = vec!["ops", "register", name];
        if port != "0" {
            words.extend(["--port", port]);
        }
        words.extend(needs.iter().flat_map(|need| ["--needs", need]));
        world.lem(&words).expect(0);
    }
    world
}

#[test]
fn containers_are_registered_and_a_circle_is_refused_with_the_way_round_it() {
    let world = world();
    let said = world.lem(&["ops", "register", "api", "--needs", "worker"]).expect(2).stderr;
    assert!(
        said.contains("api") && said.contains("worker") && said.contains("none could"),
        "{said}"
    );
    world.lem(&["ops", "register", "api", "--needs", "api"]).expect(2);
    // One that is registered needs no command to be known, and no note where it has one.
    let taken = world.lem(&["op", "restart", "api", "--", "true"]).expect(0);
    assert_eq!(taken.stderr, "");
    world.lem(&["op", "restart", "api"]).expect(2).says(&["-- COMMAND"]);
    world.lem(&["ops", "register", "api", "--forget"]).expect(0);
    world.lem(&["op", "restart", "api", "--", "true"]).expect(0).says(&["note: "]);
}

#[test]
fn conflicts_are_found_and_answered_by_their_severity() {
    let world = world();
    // Critical: blocked.
    let restart = world.hold(&["restart", "api", "--agent", "agent-1"]);
    world.lem(&["op", "restart", "api", "--agent", "agent-2", "--", "true"]).expect(75);
    // High: queued.
    let mut config = world.queue(&["config", "api", "--agent", "config-agent"]);
    config.says("waits for operation");
    restart.end().expect(0);
    config.wait_for_the_command();
    config.end().expect(0);
    // Medium: runs, and both are warned.
    let one = world.hold(&["config", "api", "--key", "A"]);
    let other = world.lem(&["op", "config", "api", "--key", "B", "--", "true"]).expect(0);
    other.says(&[&format!("warning: beside operation {}: the two change different keys", one.id)]);
    let note = world.document(&["why", &one.id.to_string(), "--json"], 0);
    assert!(note["operation"]["note"].as_str().unwrap().contains("beside operation"), "{note}");
    // The same key: one after the other.
    world.lem(&["op", "config", "api", "--key", "A", "--no-wait", "--", "true"]).expect(75);
    one.end().expect(0);
    // None: at once, on the same container and on others.
    let (a, b) = (world.hold(&["read", "api"]), world.hold(&["read", "webui"]));
    world.lem(&["op", "read", "api", "--", "true"]).expect(0);
    a.end().expect(0);
    b.end().expect(0);
}

#[test]
fn a_restart_of_high_priority_is_queued_behind_a_change_and_runs_by_itself_after_it() {
    let world = world();
    let config = world.hold(&["config", "api", "--agent", "config-agent"]);
    let mut low = world.queue(&["scale", "api", "--agent", "low", "--priority", "2"]);
    low.says("waits for operation");
    let mut restart =
        world.queue(&["restart", "api", "--agent", "restart-agent", "--priority", "8"]);
    restart.says("waits for operation");
    config.end().expect(0);
    restart.wait_for_the_command();
    assert!(!low.runs());
    restart.end().expect(0);
    low.wait_for_the_command();
    low.end().expect(0);
}

#[test]
fn what_needs_a_container_that_restarts_waits_and_what_needs_it_not_does_not() {
    let world = world();
    let api = world.hold(&["restart", "api"]);
    let mut webui = world.queue(&["restart", "webui"]);
    webui.says("webui needs api");
    world.lem(&["op", "read", "webui", "--", "true"]).expect(0);
    world.lem(&["op", "restart", "prometheus", "--no-wait", "--", "true"]).expect(0);
    api.end().expect(0);
    webui.wait_for_the_command();
    webui.end().expect(0);
}

#[test]
fn the_status_tells_what_runs_what_waits_and_what_was_done_today_to_every_process() {
    let world = world();
    world.lem(&["op", "health", "redis", "--", "true"]).expect(0);
    let deploy = [
        "deploy",
        "voice-interaction-service",
        "--agent",
        "deployment-agent",
        "--expect",
        "120",
        "--priority",
        "9",
        "--reason",
        "Deploy voice service to port 8006",
    ];
    let held = world.hold(&deploy);
    let mut waits = world.queue(&["scale", "voice-interaction-service"]);
    waits.says("waits for operation");
    eventually("the status shows both", || {
        let status = world.document(&["ops", "--json"], 0);
        let text = status.to_string();
        let is_there = text.contains("deployment-agent") && text.contains("scale");
        is_there.then(|| assert!(text.contains("Deploy voice service to port 8006"), "{text}"))
    });
    let locks = world.lem(&["locks"]).expect(0).stdout;
    assert!(locks.contains("voice-interaction-service"), "{locks}");
    held.end().expect(0);
    waits.wait_for_the_command();
    waits.end().expect(0);
}
