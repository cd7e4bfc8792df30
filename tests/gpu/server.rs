//! The made-up model servers hold memory of the made-up GPUs as real ones do: what the tests of
//! services stand on.

use serde_json::{Value, json};

use crate::support::gpu::FakeGpu;
use crate::support::{ModelServer, Running, Scene, engine, eventually};

/// What `lem gpu` says of the first GPU.
fn gpu(scene: &Scene, fake: &FakeGpu) -> Value {
    let ended = Running::start(fake.furnish(&mut scene.command(&["gpu", "--json"]))).wait();
    let document: Value = serde_json::from_str(&ended.expect(0).stdout).unwrap();
    document["gpus"][0].clone()
}

fn uses(scene: &Scene, fake: &FakeGpu, mib: u64) {
    eventually(&format!("{mib} MiB are used"), || {
        (gpu(scene, fake)["memory"]["used_mib"] == mib).then_some(())
    });
}

#[test]
fn a_native_server_takes_its_memory_while_it_loads_and_gives_it_back_at_its_end() {
    let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
    let server = ModelServer::new("a").on(&fake, 0, 9000);
    let server = server.with("--load 500ms --utilization 35");
    let started = server.start();
    assert_eq!(server.answers(), started.0.id());
    server.loads();
    let loaded = gpu(&scene, &fake);
    assert_eq!(loaded["memory"]["used_mib"], 9600);
    assert_eq!(loaded["processes"][0]["pid"], started.0.id());
    assert_eq!(loaded["processes"][0]["utilization_percent"], 35);
    fake.fail("nvmlDeviceGetProcessUtilization", Some(3));
    assert_eq!(gpu(&scene, &fake)["processes"][0]["utilization_percent"], Value::Null);
    // A kill leaves no time to give anything back.
    drop(started);
    let after = gpu(&scene, &fake);
    assert_eq!((&after["memory"]["used_mib"], &after["processes"]), (&json!(600), &json!([])));
}

#[test]
fn each_way_to_evict_frees_the_memory_and_a_stubborn_server_keeps_it() {
    let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
    for (path, body, options, left) in [
        ("/sleep", json!({}), "", 600),
        ("/free", json!({"unload_models": true}), "", 600),
        ("/api/generate", json!({"model": "y", "keep_alive": 0}), "--models x,y", 1600),
        ("/sleep", json!({}), "--vram-keeps", 2600),
    ] {
        let server = ModelServer::new("a").on(&fake, 0, 2000).with(options);
        let _started = server.start();
        server.loads();
        uses(&scene, &fake, 2600);
        server.post(path, &body).unwrap();
        uses(&scene, &fake, left);
    }
    let lazy = ModelServer::new("lazy").on(&fake, 0, 2000).with("--lazy --evict-lag 100ms");
    let _started = lazy.start();
    lazy.loads();
    uses(&scene, &fake, 600);
    lazy.post("/api/generate", &json!({"model": "model", "prompt": "?"})).unwrap();
    assert_eq!(lazy.get("/api/ps").unwrap()["models"][0]["name"], "model");
    uses(&scene, &fake, 2600);
}

#[test]
fn a_server_in_a_container_holds_memory_under_its_pid_of_the_host() {
    let (scene, fake) = (Scene::new(), FakeGpu::idle(1));
    let server = ModelServer::new("a").on(&fake, 0, 5000);
    let folder = fake.folder().display();
    scene.services(&format!(
        "  a: {{image: <model>, command: {}, ports: ['127.0.0.1:{}:{}'], volumes: ['{folder}:{folder}']}}\n",
        server.command_in_image(),
        server.port,
        server.port,
    ));
    scene.compose(&["up", "--detach"]);
    server.loads();
    let container = &engine::containers(&scene.project)[0];
    let pid = engine::docker(&["inspect", "--format", "{{.State.Pid}}", &container.id]);
    let loaded = gpu(&scene, &fake);
    assert_eq!(loaded["memory"]["used_mib"], 5600);
    let process = &loaded["processes"][0];
    assert_eq!(process["pid"], pid.trim().parse::<u32>().unwrap());
    assert_eq!(process["container_id"], container.id.as_str());
    scene.compose(&["stop"]);
    uses(&scene, &fake, 600);
    assert_eq!(engine::containers(&scene.project)[0].state, "exited");
}

#[test]
fn a_server_that_forks_or_becomes_a_daemon_works_elsewhere() {
    let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
    for options in ["--fork", "--daemon", "--fork --clear-environment"] {
        let server = ModelServer::new("a").on(&fake, 0, 5000).with(options);
        let started = server.start();
        server.loads();
        let pid = server.pid().unwrap();
        assert_ne!(pid, started.0.id(), "{options}");
        drop(started);
        assert_eq!(server.pid(), Some(pid), "{options}");
        uses(&scene, &fake, 5600);
        server.kill();
        server.is_silent();
        uses(&scene, &fake, 600);
    }
}
