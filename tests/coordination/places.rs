//! `lem op KIND SERVICE`: names that mean containers, and what is done to those.

use serde_json::Value;

use crate::support::{engine, within};
use crate::world::{PATIENCE, World};

/// A database, what needs it and is restarted with it, and what needs that.
fn shop() -> World {
    let world = World::of_containers();
    let service = "image: <busybox>, network_mode: none, init: true, stop_grace_period: 1s, \
                   command: [sleep, '3600']";
    world.scene.services(&format!(
        "  db: {{{service}}}\n\
         \x20 api: {{{service}, depends_on: {{db: {{condition: service_started, restart: true}}}}}}\n\
         \x20 web: {{{service}, depends_on: [api]}}\n"
    ));
    world
}

fn state(world: &World, service: &str) -> String {
    let all = engine::containers(&world.scene.project);
    let one = all.iter().find(|it| it.service == service);
    one.map_or_else(|| "gone".to_owned(), |it| it.state.clone())
}

fn started_at(world: &World, service: &str) -> String {
    let name = format!("{}-{service}-1", world.scene.project);
    engine::docker(&["inspect", "--format", "{{.State.StartedAt}}", &name])
}

#[test]
fn each_kind_is_done_by_compose_where_no_command_is_given() {
    let world = shop();
    let op = |words: &[&str]| world.lem(&[&["op"], words].concat());
    op(&["health", "web"]).expect(1).says(&["/web has no container", "lem op deploy"]);
    op(&["deploy", "web"]).expect(0);
    assert_eq!(["db", "api", "web"].map(|it| state(&world, it)), ["running"; 3]);
    let health = op(&["health", "web"]).expect(0);
    assert!(health.stdout.contains("-web-1: running"), "{}", health.stdout);

    let before = started_at(&world, "web");
    op(&["restart", "web"]).expect(0);
    assert_ne!(started_at(&world, "web"), before);

    op(&["stop", "web"]).expect(0);
    assert_eq!(state(&world, "web"), "exited");
    op(&["health", "web"]).expect(1);
    op(&["start", "web"]).expect(0);
    assert_eq!(state(&world, "web"), "running");

    op(&["scale", "web"]).expect(2).says(&["--replicas"]);
    op(&["scale", "web", "--replicas", "2"]).expect(0);
    let count =
        engine::containers(&world.scene.project).iter().filter(|it| it.service == "web").count();
    assert_eq!(count, 2);
    op(&["read", "web"]).expect(0);
    op(&["config", "web"]).expect(2).says(&["-- COMMAND"]);
}

#[test]
fn a_start_waits_for_the_restart_of_what_it_needs_and_a_stop_does_not() {
    let world = shop();
    world.lem(&["op", "deploy", "web"]).expect(0);
    let restart = world.hold(&["restart", "api"]);
    world.lem(&["op", "stop", "web"]).expect(0);
    let mut start = world.queue(&["start", "web"]);
    start.says("/api");
    assert!(!start.runs());
    restart.end().expect(0);
    start.wait_for_the_command();
    start.end().expect(0);
}

#[test]
fn what_is_restarted_with_it_is_kept_from_others_too() {
    let world = shop();
    let restart = world.hold(&["restart", "db"]);
    let mut config = world.queue(&["config", "api"]);
    config.says(&format!("waits for operation {} (restart {}/db", restart.id, world.scene.project));
    let alone = world.hold(&["config", "web"]);
    alone.end().expect(0);
    restart.end().expect(0);
    config.wait_for_the_command();
    config.end().expect(0);
}

#[test]
fn a_container_is_the_same_under_all_its_names_and_from_every_folder() {
    let world = shop();
    world.lem(&["op", "deploy", "db"]).expect(0);
    let project = world.scene.project.clone();
    let held = world.hold(&["restart", "db"]);
    let elsewhere = tempfile::tempdir().unwrap();
    for name in [format!("{project}-db-1"), format!("{project}/db")] {
        let mut command = world.scene.command(&["op", "stop", &name, "--json", "--", "true"]);
        let output = command.current_dir(elsewhere.path()).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(75), "{name}: {told}");
        assert_eq!(told["in_the_way"]["holder"]["operation"], held.id, "{name}");
    }
    // A claim of the whole project meets those of its services.
    let all = world.lem(&["op", "deploy", "--project", "--no-wait", "--", "true"]).expect(75);
    all.says(&[&format!("deploy project {project} would have to wait")]);
    held.end().expect(0);
}

#[test]
fn a_name_that_nobody_knows_needs_a_command_and_is_said_to_be_one() {
    let world = shop();
    let refused = world.lem(&["op", "restart", "wbe"]).expect(2);
    refused.says(&["no container and no service `wbe`", "did you mean `web`?"]);
    world.lem(&["op", "deploy", "db"]).expect(0);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = world.scene.command(&["op", "stop", "db"]);
    let output = command.current_dir(elsewhere.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("did you mean `") && said.contains("/db`?"), "{said}");
    let taken = world.lem(&["op", "restart", "wbe", "--", "true"]).expect(0);
    taken.says(&["note: no container and no service is called `wbe` (there is `web`)"]);
}

#[test]
fn a_compose_file_that_changes_is_read_again() {
    let world = shop();
    world.lem(&["op", "read", "web", "--", "true"]).expect(0);
    world.scene.services("  front: {image: <busybox>}\n");
    world.lem(&["op", "restart", "web"]).expect(2);
    let told = world.document(&["op", "read", "front", "--json", "--", "true"], 0);
    assert!(told["resource"].as_str().unwrap().ends_with("/service:front"), "{told}");
}

#[test]
fn a_stop_whose_client_is_killed_keeps_others_out_until_the_engine_is_done() {
    let world = World::of_containers();
    world.scene.services(
        "  slow: {image: <busybox>, network_mode: none, stop_grace_period: 2s, \
         command: [sh, -c, 'trap \"\" TERM; while :; do sleep 1; done']}\n",
    );
    world.lem(&["op", "deploy", "slow"]).expect(0);
    let mut stop = world.start(&["op", "stop", "slow"]);
    within(PATIENCE, "the engine is told to stop", || {
        stop.stderr().contains("Stopping").then_some(())
    });
    // lem, compose and the docker plugin: all that speaks to the engine.
    for pid in crate::support::processes::descendants(stop.pid()) {
        crate::support::processes::kill(pid);
    }
    stop.kill();
    let next = world.lem(&["op", "start", "slow", "--queue"]).expect(0);
    next.says(&["waits for operation"]);
    assert_eq!(state(&world, "slow"), "running");
    let document = world.document(&["op", "health", "slow", "--json"], 0);
    assert_eq!(document["containers"][0]["state"], "running");
}

#[test]
fn a_container_that_is_made_meanwhile_is_kept_apart_by_the_name_that_it_had_before() {
    let world = shop();
    let name = format!("{}-db-1", world.scene.project);
    // As who met it before it was there called it.
    let held = world.hold(&["deploy", &format!("name:{name}")]);
    world.lem(&["op", "deploy", "db"]).expect(0);
    for words in [["op", "restart"], ["op", "stop"]] {
        let words = [&words[..], &[&name, "--no-wait", "--", "true"]].concat();
        world.lem(&words).expect(75);
    }
    world.lem(&["lock", &name, "-n", "--", "true"]).expect(75);
    held.end().expect(0);
    world.lem(&["op", "stop", &name, "--", "true"]).expect(0);
}
