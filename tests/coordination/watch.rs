//! Containers of a real engine as `lem ops` shows them, and `lem ops watch` with and without
//! `--recover`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::clock::Clock;
use crate::support::engine;
use crate::support::{Running, eventually, images};
use crate::world::World;

/// A service that runs, and two that end with 3 until a file is there.
fn stage() -> World {
    let world = World::of_containers();
    let folder = world.scene.path("shared");
    fs::create_dir(&folder).unwrap();
    let (folder, image) = (folder.display(), images::tag("busybox"));
    let one = |name: &str, script: &str| {
        format!(
            "  {name}: {{image: {image}, network_mode: none, init: true, stop_grace_period: 1s, \
             volumes: ['{folder}:/shared'], command: [sh, -c, '{script}']}}\n"
        )
    };
    let breaks = "test -e /shared/well && exec sleep 3600; exit 3";
    let all = [one("api", "exec sleep 3600"), one("weak", breaks), one("down", breaks)];
    world.scene.services(&all.concat());
    world.scene.compose(&["up", "--detach"]);
    for name in ["api", "weak", "down"] {
        world.lem(&["op", "read", name, "--", "true"]).expect(0);
    }
    eventually("two have ended", || {
        let ended = engine::containers(&world.scene.project);
        (ended.iter().filter(|it| it.state == "exited").count() == 2).then_some(())
    });
    world
}

fn shown(world: &World, service: &str) -> Value {
    let seen = world.document(&["ops", "--json"], 0);
    let name = format!("{}/{service}", world.scene.project);
    let all = seen["containers"].as_array().unwrap();
    let own = all.iter().find(|it| it["name"] == name.as_str());
    own.unwrap_or_else(|| panic!("no {name} in {seen}")).clone()
}

fn state(world: &World, service: &str) -> String {
    let all = engine::containers(&world.scene.project);
    all.into_iter().find(|it| it.service == service).map(|it| it.state).unwrap_or_default()
}

/// The lines of a watch about one service.
fn events(watch: &Running, world: &World, service: &str) -> Vec<Value> {
    let name = format!("{}/{service}", world.scene.project);
    let lines = watch.stdout();
    let all = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    all.filter(|it| it["container"] == name.as_str()).collect()
}

#[test]
fn a_container_is_shown_as_what_is_done_to_it_and_else_as_the_engine_says() {
    let world = stage();
    let api = shown(&world, "api");
    assert_eq!((&api["state"], &api["observed"]), (&"running".into(), &"running".into()), "{api}");
    assert!(api["observed_seconds_ago"].as_f64().is_some(), "{api}");
    let weak = shown(&world, "weak");
    assert_eq!(
        (&weak["state"], &weak["detail"]),
        (&"error".into(), &"it ended with exit code 3".into())
    );
    let held = world.hold(&["restart", "api"]);
    let api = shown(&world, "api");
    assert_eq!(
        (&api["state"], &api["observed"]),
        (&"restarting".into(), &"running".into()),
        "{api}"
    );
    assert_eq!(api["operation"], held.id);
    held.end().expect(0);
    world.scene.compose(&["stop", "api"]);
    assert_eq!(shown(&world, "api")["state"], "stopped");
    world.scene.compose(&["rm", "--force", "api"]);
    assert_eq!(shown(&world, "api")["state"], "absent");

    // An engine that hangs.
    let docker = world.scene.path("bin/docker");
    world.scene.write("bin/docker", "#!/bin/sh\nexec sleep 600\n");
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = world.scene.command(&["ops", "--json"]);
    let path = format!("{}:{}", world.scene.path("bin").display(), std::env::var("PATH").unwrap());
    let begun = Instant::now();
    let ended = Running::start(command.env("PATH", path)).wait().expect(0);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let seen: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(seen["containers"][0]["state"], "unknown", "{seen}");
    assert!(seen["engine_error"].as_str().unwrap().contains("took longer than"), "{seen}");
}

#[test]
fn what_broke_is_started_again_and_what_somebody_stopped_is_not() {
    let world = stage();
    world.lem(&["op", "stop", "down", "--", "true"]).expect(0);
    // A minute of the watch is no minute of the test.
    let clock = Clock::new(&world.scene);
    let words = ["ops", "watch", "--recover", "--interval", "0.3s", "--json"];
    let watch = Running::start(clock.furnish(&mut world.scene.command(&words)));
    clock.set(60);
    let told = eventually("the first try", || {
        events(&watch, &world, "weak").into_iter().find(|it| it["event"] == "started")
    });
    assert_eq!((&told["try"], &told["why"]), (&1.into(), &"it ended with exit code 3".into()));
    let id = told["operation"].to_string();
    let own = world.document(&["why", &id, "--json"], 0)["operation"].clone();
    assert_eq!((&own["agent"], &own["priority"]), (&"lem-recover".into(), &3.into()));
    assert_eq!((&own["kind"], &own["state"]), (&"start".into(), &"done".into()));
    // From now on it stays up.
    fs::write(world.scene.path("shared/well"), "").unwrap();
    clock.set(120);
    eventually("the second try helps", || (state(&world, "weak") == "running").then_some(()));
    eventually("that is told", || {
        let told = events(&watch, &world, "weak");
        let last = told.iter().rfind(|it| it["event"] == "changed")?;
        (last["state"] == "running").then_some(())
    });
    assert_eq!(state(&world, "down"), "exited");
    let down = events(&watch, &world, "down");
    assert!(down.iter().all(|it| it["event"] == "changed"), "{down:?}");
}

#[test]
fn a_watch_tells_what_changes_and_changes_nothing_by_itself() {
    let world = stage();
    let mut watch = world.start(&["ops", "watch", "--interval", "0.2s", "--json"]);
    eventually("all are told", || (events(&watch, &world, "api").len() == 1).then_some(()));
    world.scene.compose(&["kill", "api"]);
    let told = eventually("its end is told", || events(&watch, &world, "api").get(1).cloned());
    assert_eq!((&told["before"]["state"], &told["state"]), (&"running".into(), &"stopped".into()));
    watch.signal(nix::sys::signal::Signal::SIGINT);
    watch.wait().expect(130);
    let all = world.document(&["ops", "--all", "--json"], 0);
    assert!(all.as_array().unwrap().iter().all(|it| it["kind"] == "read"), "{all}");
    // Without lem, one that was killed was stopped by somebody.
    assert_eq!(state(&world, "weak"), "exited");
}
