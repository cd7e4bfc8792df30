//! F1, F19, F35: services that are described in a Compose file, as Compose itself reads it.

use serde_json::Value;

use crate::support::Scene;

fn check(scene: &Scene) -> Value {
    let ended = scene.lem(&["service", "check", "--json"]).expect(0);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn what_compose_says_is_what_the_registry_has() {
    let scene = Scene::new();
    scene.services(
        "  vllm:\n    image: <busybox>\n    restart: always\n    stop_grace_period: 1m30s\n    \
         depends_on: [proxy]\n    x-lem:\n      vram: ${NEED:-20GiB}\n      \
         health: {url: 'http://127.0.0.1:1/a$$b'}\n  proxy: {image: <busybox>, depends_on: [db]}\n  \
         db: {image: <busybox>, x-lem: {priority: 3}}\n  other: {image: <busybox>}\n",
    );
    scene.write("services.yaml", "services: {native: {start_cmd: x, depends_on: [vllm]}}\n");
    let document = check(&scene);
    let services = document["services"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["db", "native", "vllm"]);
    let vllm = &services["vllm"];
    assert_eq!((&vllm["vram"], &vllm["stop_grace_period"]), (&"20480 MiB".into(), &90.0.into()));
    assert_eq!(vllm["health"]["url"], "http://127.0.0.1:1/a$b");
    assert_eq!(vllm["project"], scene.project.as_str());
    assert_eq!(vllm["depends_on"][0], "db", "by way of a service that is none here");
    let warnings = document["warnings"].as_array().unwrap();
    let restarts = |it: &&serde_json::Value| it.as_str().unwrap().contains("restart: always");
    assert_eq!(warnings.iter().filter(restarts).count(), 1, "{warnings:?}");
}

#[test]
fn a_service_is_described_once_and_exists() {
    let scene = Scene::new();
    for (x_lem, registry, says) in [
        (
            "{vram: 1GiB}",
            "services: {vllm: {start_cmd: x}}\n",
            &["compose.yaml:6", "services.yaml:1", "keep one"][..],
        ),
        (
            "{vram: 1GiB}",
            "services: {other: {service: vllm}}\n",
            &["compose.yaml:6", "services.yaml:1", "keep one"],
        ),
        (
            "{inner: false}",
            "services: {a: {service: vlm}}\n",
            &["services.yaml:1", "has no service `vlm`", "did you mean `vllm`?"],
        ),
        (
            "{inner: false}",
            "services: {a: {service: vllm}, b: {container_name: of-compose}}\n",
            &["services.yaml:1", "the container `of-compose` is taken by `a`"],
        ),
        (
            "{priorty: 1}",
            "services: {a: {service: vllm}}\n",
            &["compose.yaml:6", "`x-lem.priorty`", "did you mean `priority`?"],
        ),
        (
            "{health: {ulr: x}}",
            "services: {a: {start_cmd: x}}\n",
            &["compose.yaml:6", "unknown key `health.ulr`", "did you mean `url`?"],
        ),
        (
            "{start_cmd: x}",
            "services: {a: {start_cmd: x}}\n",
            &["compose.yaml:6", "`start_cmd` of service `vllm`", "only a native service"],
        ),
    ] {
        scene.services(&format!(
            "  vllm:\n    image: <busybox>\n    container_name: of-compose\n    x-lem: {x_lem}\n"
        ));
        scene.write("services.yaml", registry);
        scene.lem(&["service", "check"]).expect(2).says(says);
    }
}

#[test]
fn a_campaign_takes_no_offence_at_what_its_service_is_elsewhere() {
    let scene = Scene::new();
    scene.services(
        "  bench: {image: <busybox>, network_mode: none, user: <me>, x-lem: {vram: 1GiB, \
         health: {url: 'http://127.0.0.1:1/'}}}\n",
    );
    scene.scripts(&["true"], "require_result: false");
    scene.lem(&["campaign", "campaign.yaml", "--yes"]).expect(0);
}
