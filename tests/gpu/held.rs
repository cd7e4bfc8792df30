//! Held containers that keep a GPU full, or lose it.

use std::process::Command;

use serde_json::{Value, json};

use crate::place::{Place, WAITS};
use crate::support::{Running, Strategy, engine, eventually, in_both_strategies};

in_both_strategies!(what_a_dependency_takes_when_it_starts_is_the_campaigns_own);

const HELD: Strategy = Strategy::Persistent;

fn started_at(id: &str) -> String {
    engine::docker(&["inspect", "--format", "{{.State.StartedAt}}", id])
}

fn pid(id: &str) -> u32 {
    engine::docker(&["inspect", "--format", "{{.State.Pid}}", id]).trim().parse().unwrap()
}

/// The held container, once the first run is in it.
fn held(place: &Place) -> String {
    place.run_is_there(0);
    engine::containers(&place.scene.project)[0].id.clone()
}

#[test]
fn a_container_that_leaks_is_restarted_and_counted() {
    let place = Place::in_containers(1);
    place.campaign(&[WAITS, "echo again"], "wait: 1");
    let mut lem = place.start(HELD);
    let held = held(&place);
    let before = started_at(&held);
    place.fill(0, json!([{"pid": pid(&held), "mib": 79_000}]));
    place.go();
    eventually("the engine restarts the container", || (started_at(&held) != before).then_some(()));
    place.fake.set(0, "used_mib", json!(600));

    let ended = lem.wait().expect(0);
    assert_eq!(ended.verdicts(), ["completed"; 2]);
    assert_eq!(ended.summary()["restarts"], json!([["bench", 1]]));
    let restarted = json!(
        {"event": "service_restarted", "service": "bench", "restarts": 1, "reason": "gpu_full"}
    );
    assert_eq!(ended.all("service_restarted"), [restarted]);
    let waiting = &ended.all("gate_waiting")[0]["obstacles"][0]["holders"][0]["container"];
    assert_eq!(waiting, &json!(format!("{}-bench-1", place.scene.project)));
    assert_eq!(engine::containers(&place.scene.project), []);
}

#[test]
fn restarts_have_a_limit_and_the_campaign_goes_on_without() {
    let place = Place::in_containers(1);
    place.campaign(&[WAITS, "true", "true; true"], "wait: 0.2, max_restarts: 2");
    let mut lem = place.start(HELD);
    held(&place);
    // Nobody knows who holds it.
    place.fill(0, json!(null));
    place.go();

    let ended = lem.wait().expect(1);
    assert_eq!(ended.verdicts(), ["completed", "gpu_busy", "gpu_busy"]);
    assert_eq!(ended.summary()["restarts"], json!([["bench", 2]]));
    let line = ended.all("run_ended")[1]["last_lines"].to_string();
    assert!(line.contains("the driver does not say by whom"), "{line}");
}

#[test]
fn nothing_is_restarted_that_is_not_to_be() {
    let place = Place::in_containers(1);
    place.campaign(&[WAITS, "true"], "wait: 0.2, restart_on_failure: false");
    let mut lem = place.start(HELD);
    let held = held(&place);
    place.fill(0, json!([{"pid": pid(&held), "mib": 79_000}]));
    place.go();
    let ended = lem.wait().expect(1);
    assert_eq!(ended.verdicts(), ["completed", "gpu_busy"]);
    assert_eq!(ended.summary()["restarts"], json!([]));
}

/// A server that is healthy as soon as there is a file `loaded`, and a service that waits for it.
fn with_a_server() -> Place {
    let place = Place::in_containers(1);
    place.scene.services(
        "  server:\n    image: <busybox>\n    network_mode: none\n    init: true\n    volumes: ['.:/w']\n    \
         healthcheck: {test: [CMD, test, -e, /w/loaded], interval: 200ms}\n  bench: {image: \
         <busybox>, network_mode: none, depends_on: {server: {condition: service_healthy}}}\n",
    );
    place.campaign(&["true"], "wait: 0, max_used_before_run: 1GiB");
    place
}

/// The server fills the GPU before it is healthy, as it is meant to.
fn what_a_dependency_takes_when_it_starts_is_the_campaigns_own(strategy: Strategy) {
    let place = with_a_server();
    let mut lem = place.start(strategy);
    eventually("the server starts", || engine::containers(&place.scene.project).first().cloned());
    place.fill(0, json!(null));
    place.scene.write("loaded", "");
    let ended = lem.wait().expect(0);
    assert_eq!(ended.verdicts(), ["completed"]);
}

#[test]
fn what_a_stranger_takes_while_a_dependency_starts_is_not_the_campaigns_own() {
    let mut stranger = Command::new("sleep").arg("1000").spawn().unwrap();
    let place = with_a_server();
    let mut lem = place.start(HELD);
    eventually("the server starts", || engine::containers(&place.scene.project).first().cloned());
    place.fill(0, json!([{"pid": stranger.id(), "mib": 79_400}]));
    place.scene.write("loaded", "");
    let ended = lem.wait();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(ended.expect(4).verdicts(), ["gpu_busy"]);
}

#[test]
fn what_a_container_held_before_the_campaign_is_its_own_too() {
    let place = Place::in_containers(1);
    place.campaign(&["true"], "wait: 0, max_used_before_run: 1GiB");
    place.lem(HELD, &["--auto-teardown", "false"]).expect(0);
    let id = engine::containers(&place.scene.project)[0].id.clone();
    place.fill(0, json!([{"pid": pid(&id), "mib": 79_400}]));
    let ended = place.lem(HELD, &[]).expect(0);
    assert_eq!(ended.verdicts(), ["completed"]);
    assert_eq!(ended.summary()["restarts"], json!([]));
}

#[test]
fn a_run_that_lost_the_gpu_gets_the_next_one_a_new_container() {
    let place = Place::in_containers(1);
    let lost = "touch here; echo $HOSTNAME >../first; \
                echo 'Failed to initialize NVML: Unknown Error' >&2; exit 255";
    place.campaign(&[lost, "echo $HOSTNAME >../second"], "wait: 1");
    let ended = place.start(HELD).wait().expect(1);
    assert_eq!(ended.verdicts(), ["gpu_lost", "completed"]);
    let restarted: Vec<Value> = ended.all("service_restarted");
    assert_eq!(restarted[0]["reason"], "gpu_lost");
    let name = |file: &str| {
        std::fs::read_to_string(place.scene.path("results/nightly").join(file)).unwrap()
    };
    assert_ne!(name("first"), name("second"));
    assert_eq!(engine::containers(&place.scene.project), []);
}

#[test]
fn where_this_machine_has_no_driver_the_container_is_asked() {
    let place = Place::in_containers(0);
    place.scene.services(
        "  bench:\n    image: <busybox>\n    network_mode: none\n    environment: \
         [NVIDIA_VISIBLE_DEVICES=all]\n    volumes: ['./smi:/smi', './smi/nvidia-smi:/bin/nvidia-smi']\n",
    );
    let script =
        "#!/bin/sh\ncase \"$1\" in --query-gpu*) cat /smi/gpus;; *) cat /smi/processes;; esac\n";
    place.scene.write("smi/nvidia-smi", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.scene.path("smi/nvidia-smi"), mode).unwrap();
    let used = |mib: u32| {
        let gpu = format!("0, GPU-a, 570.1, [N/A], {mib}, 1, 81920, 35, 60.00, 700.00, 0, H200\n");
        place.scene.write("smi/gpus", &gpu);
        place.scene.write("smi/processes", "GPU-a, 4194304, 79000\n");
    };
    let run = || {
        let words = crate::support::scene::campaign_words(HELD);
        let mut command = place.scene.command(&words);
        command.env("LEM_NVML_LIBRARY", "/nonexistent.so");
        Running::start(&mut command).wait()
    };
    place.campaign(&["true"], "wait: 0, restart_on_failure: false");
    used(600);
    assert_eq!(run().expect(0).verdicts(), ["completed"]);
    used(80_000);
    let ended = run().expect(4);
    let line = ended.all("run_ended")[0]["last_lines"].to_string();
    assert!(line.contains("held by pid 4194304 with 79000 MiB"), "{line}");
}
