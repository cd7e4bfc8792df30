//! What can be known of the next service is known before the previous one is stopped (F8, F12), and
//! an interrupt hides nothing (F42).

use nix::sys::signal::Signal;

use crate::support::{ModelServer, eventually};
use crate::world::{Kind, World};

/// `a` runs and goes on running, whatever is switched to.
#[track_caller]
fn keeps_a(world: &World, a: &ModelServer, cases: &[(&str, i32, &str)]) {
    world.ensure(&["a"]);
    let pid = a.pid();
    for (name, code, words) in cases {
        let failed = world.document(&["switch", name], *code);
        assert!(failed["error"].as_str().unwrap().contains(words), "{failed}");
        let steps: Vec<_> = failed["steps"].as_array().unwrap().iter().collect();
        assert_eq!((steps.len(), &steps[0]["step"]), (1, &"start".into()), "{failed}");
        assert_eq!((a.pid(), world.state("a").as_str()), (pid, "ready"), "{name}");
        assert_eq!(world.state(name), "error");
        assert_eq!(world.count("a", "told to stop"), 0, "{name}");
    }
}

// F8, F12
#[test]
fn a_native_service_that_can_t_start_stops_nothing() {
    let mut world = World::native();
    let a = world.service(Kind::Native, "a", 20_000, "", "");
    let taken = world.service(Kind::Native, "taken", 20_000, "", "");
    world.scene.write("plain.txt", "no program");
    let plain = world.scene.path("plain.txt").display().to_string();
    for (name, keys) in [
        ("nowhere", "start_cmd: ['/nowhere/at/all']".to_owned()),
        ("unknown", "start_cmd: [no-such-program-of-lem]".to_owned()),
        ("plain", format!("start_cmd: ['{plain}']")),
        ("lost", "start_cmd: [sleep, '600'], directory: /nowhere/at/all".to_owned()),
    ] {
        world.register(name, &format!("type: native, vram_mb: 20000, {keys}"));
    }
    let stranger = taken.start();
    taken.loads();
    keeps_a(
        &world,
        &a,
        &[
            ("taken", 1, "is answered already"),
            ("nowhere", 1, "can't be started"),
            ("unknown", 1, "can't be started"),
            ("plain", 1, "can't be started"),
            ("lost", 1, "can't be started"),
        ],
    );
    assert_eq!(taken.pid(), Some(stranger.0.id()));
    drop(stranger);
    taken.is_silent();
    world.lem(&["switch", "taken"]).expect(0);
    assert_eq!((a.pid(), world.state("a")), (None, "stopped".into()));
}

// F8
#[test]
fn a_container_that_can_t_be_made_stops_nothing() {
    let mut world = World::with_containers();
    let a = world.service(Kind::Container, "a", 50_000, "", "");
    world.compose("  absent: {image: 'lem-test-absent:none'}\n");
    world.register("absent", "type: docker, service: absent, vram_mb: 50000");
    let nobody = format!("{}-nobody", world.scene.project);
    world.register("nobody", &format!("type: docker, container_name: {nobody}, vram_mb: 50000"));
    keeps_a(
        &world,
        &a,
        &[("absent", 3, "lem-test-absent:none"), ("nobody", 3, "has no container")],
    );
    world.lem(&["service", "stop", "a"]).expect(0);
}

// F8, F12: the port is free once the previous one is gone.
#[test]
fn the_port_of_the_previous_one_is_no_reason_not_to_stop_it() {
    for kind in [Kind::Native, Kind::Container] {
        let mut world = World::for_kind(kind);
        // It has no endpoint in the registry: its processes, or its container, tell whose port it is.
        let a = world.service(kind, "a", 50_000, "", "");
        let text = std::fs::read_to_string(world.scene.path("services.yaml")).unwrap();
        let url = format!("health: {{url: '{}', interval: 25ms}}", a.url("/health"));
        assert!(text.contains(&url));
        let b = a.words();
        world.scene.write("services.yaml", &text.replace(&url, "health: {stable: 10ms}"));
        let program = serde_json::to_string(&b).unwrap();
        let mut text = std::fs::read_to_string(world.scene.path("services.yaml")).unwrap();
        text += &format!("  b: {{type: native, start_cmd: {program}, vram_mb: 50000, {url}}}\n");
        world.scene.write("services.yaml", &text);
        world.ensure(&["a"]);
        let pid = a.answers();
        world.lem(&["switch", "b"]).expect(0);
        assert_ne!(a.pid(), Some(pid));
        assert_eq!((world.state("a").as_str(), world.state("b").as_str()), ("stopped", "ready"));
        world.lem(&["service", "stop", "--all"]).expect(0);
    }
}

// F42
#[test]
fn what_an_interrupt_leaves_running_is_told() {
    let mut world = World::native();
    let a = world.service(Kind::Native, "a", 1_000, "--ignore-term", "stop_grace_period: 700ms");
    world.ensure(&["a"]);
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let told = world.count("a", "told to stop");
        let mut stop = world.start(&["service", "stop", "a"]);
        eventually("`a` is told to stop", || {
            (world.count("a", "told to stop") > told).then_some(())
        });
        stop.signal(signal);
        stop.wait().expect(code).says(&["service `a` did not stop", "--force"]);
        assert!(a.pid().is_some());
    }
    world.lem(&["service", "stop", "a", "--force"]).expect(0);
}
