//! Healthy is what has been seen to do its work, and what does not answer any more is started anew
//! (F14, F18, F30).

use serde_json::{Value, json};

use crate::support::{ModelServer, eventually};
use crate::world::World;

fn steps(report: &Value) -> Vec<&str> {
    report["steps"].as_array().unwrap().iter().map(|it| it["step"].as_str().unwrap()).collect()
}

// F14, F30
#[test]
fn what_never_did_its_work_is_not_healthy_because_the_lem_that_asked_is_dead() {
    let world = World::native();
    let a = ModelServer::new("a");
    let write = |options: &str, timeout: &str| {
        let mut words = a.words();
        words.extend(options.split_whitespace().map(str::to_owned));
        let text = format!(
            "services: {{a: {{type: native, start_cmd: {}, health: {{url: '{}', interval: 25ms, \
             timeout: {timeout}}}, ready: {{post: '{}', body: {{}}}}}}}}\n",
            serde_json::to_string(&words).unwrap(),
            a.url("/health"),
            a.url("/generate"),
        );
        world.scene.write("services.yaml", &text);
    };
    write("--generate-status 500", "600s");
    let mut start = world.start(&["service", "ensure", "a"]);
    eventually("`ready` is asked", || start.stderr().contains("does it do its work").then_some(()));
    assert_eq!(world.state("a"), "starting");
    start.kill();
    let pid = a.pid();
    let row = eventually("nobody is at it", || {
        Some(world.status("a")).filter(|row| row["holder"].is_null())
    });
    assert_eq!((&row["state"], &row["health"]), (&json!("starting"), &json!("loading")), "{row}");

    write("--generate-status 500", "3s");
    let failed = world.document(&["service", "ensure", "a"], 1);
    assert_eq!(steps(&failed), ["await"], "{failed}");
    assert_eq!((world.state("a").as_str(), a.pid()), ("error", pid));
    // It was waited for once, and is not again.
    write("", "3s");
    let report = world.document(&["service", "ensure", "a"], 0);
    assert_eq!(steps(&report), ["stop", "start"], "{report}");
    assert_ne!(a.pid(), pid);
    assert_eq!(steps(&world.document(&["service", "ensure", "a"], 0)), ["reuse"]);
    assert_eq!(world.state("a"), "ready");
    world.lem(&["service", "stop", "a"]).expect(0);
}

// F14, F18: one that somebody else started may do its work: it is asked, once.
#[test]
fn a_container_that_somebody_else_started_is_asked_whether_it_does_its_work() {
    let mut world = World::with_containers();
    let server = ModelServer::new("a");
    let text = format!(
        "  a: {{image: <model>, command: {}, ports: ['127.0.0.1:{}:{}']}}\n",
        server.command_in_image(),
        server.port,
        server.port
    );
    world.compose(&text);
    let keys = format!(
        "type: docker, service: a, health: {{url: '{}', timeout: 20s}}, ready: {{post: '{}', body: {{}}}}",
        server.url("/health"),
        server.url("/generate")
    );
    world.register("a", &keys);
    world.scene.compose(&["up", "--detach", "a"]);
    server.loads();
    assert_eq!(world.state("a"), "starting");
    let report = world.document(&["service", "ensure", "a"], 0);
    assert_eq!(steps(&report), ["await"], "{report}");
    assert_eq!(steps(&world.document(&["service", "ensure", "a"], 0)), ["reuse"]);
    assert_eq!(world.state("a"), "ready");
    // Started again, it is another one.
    world.scene.compose(&["restart", "--timeout", "1", "a"]);
    server.loads();
    assert_eq!(world.state("a"), "starting");
    world.lem(&["service", "stop", "a"]).expect(0);
}

// F18
#[test]
fn one_that_is_silent_for_longer_than_it_may_take_is_started_anew_unless_it_is_pinned() {
    let mut world = World::native();
    let once = world.scene.path("once").display().to_string();
    let mut silent = |name: &str, keys: &str| {
        let server = ModelServer::new(name);
        let words = server.words().join(" ");
        // The first one ends and leaves a shell that answers nobody.
        let line = format!(
            "mkdir {once}-{name} && {{ {words} --exit-after 1500ms; exec sleep 600; }}; exec {words}"
        );
        world.register(
            name,
            &format!(
                "type: native, start_cmd: \"{line}\", {keys} \
                 health: {{url: '{}', interval: 25ms, timeout: 1s}}",
                server.url("/health")
            ),
        );
        server
    };
    let a = silent("a", "");
    let pinned = silent("pinned", "pinned: true,");
    world.ensure(&["a", "pinned"]);
    for (server, name) in [(&a, "a"), (&pinned, "pinned")] {
        server.is_silent();
        eventually("it is late", || (world.state(name) == "error").then_some(()));
    }
    let report = world.document(&["service", "ensure", "a"], 0);
    assert_eq!(steps(&report), ["stop", "start"], "{report}");
    assert!(a.pid().is_some());
    let failed = world.document(&["service", "ensure", "pinned"], 1);
    assert_eq!(steps(&failed), ["await"], "{failed}");
    world.lem(&["service", "stop", "--all"]).expect(0);
}
