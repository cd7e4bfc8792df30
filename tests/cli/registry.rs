//! F1: the registry of services: where it is found, what is wrong with it, and that native services
//! need no docker (F2, F40).

use serde_json::Value;

use crate::support::{Ended, Scene};

/// What `lem service check` makes of the registry here.
fn check(scene: &Scene, words: &[&str]) -> Value {
    let words = [&["service", "check", "--json"], words].concat();
    serde_json::from_str(&scene.lem(&words).expect(0).stdout).unwrap()
}

fn names(document: &Value) -> Vec<&str> {
    document["services"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// A registry of one native service.
fn one(name: &str) -> String {
    format!("services: {{{name}: {{start_cmd: [./run.sh]}}}}\n")
}

#[test]
fn a_wrong_registry_is_named_with_its_line_and_the_way_out() {
    let scene = Scene::without_containers();
    for (text, says) in [
        (
            "services:\n  a:\n    start_cmd: x\n    vrma: 1GiB\n",
            &["services.yaml:4:5", "unknown key `services.a.vrma`", "did you mean `vram`?"][..],
        ),
        ("services:\n  a:\n    type: docker\n", &["services.yaml:3", "`container_name`"]),
        ("services:\n  a:\n    type: native\n", &["services.yaml:3", "`start_cmd`"]),
        (
            "services:\n  a: {container_name: c}\n  b:\n    container_name: c\n",
            &["services.yaml:4", "`c` is taken by `a`", "services.yaml:2"],
        ),
        (
            "services:\n  a: {start_cmd: x, health_endpoint: 'http://localhost:1/'}\n  b:\n    \
             start_cmd: x\n    health: {url: 'http://127.0.0.1:1'}\n",
            &["services.yaml:5", "`health.url` of service `b`", "is taken by `a`"],
        ),
        (
            "services:\n  vidi:\n    start_cmd: x\n    stop_cmd: pkill -f vidi\n",
            &["services.yaml:4", "leave `stop_cmd` out"],
        ),
        ("services: {}\n", &["services.yaml", "there is none"]),
    ] {
        scene.write("services.yaml", text);
        scene.lem(&["service", "check"]).expect(2).says(says);
    }
}

#[test]
fn the_registry_is_found_as_documented() {
    let scene = Scene::without_containers();
    let missing = scene.lem(&["service", "check"]).expect(2);
    missing.says(&["there is no registry", "services.yaml", "`lem init --services`"]);

    scene.write("user/lem/services.yaml", &one("users"));
    assert_eq!(names(&check(&scene, &[])), ["users"]);

    scene.write("compose.yaml", "services: {vllm: {image: i, x-lem: {vram: 1GiB}}}\n");
    let without_docker = |folder: &str| -> Ended {
        let mut command = scene.command(&["service", "check", "--json"]);
        command.current_dir(scene.path(folder)).env("PATH", scene.path("empty"));
        crate::support::Running::start(&mut command).wait().expect(0)
    };
    std::fs::create_dir_all(scene.path("below/it")).unwrap();
    let found = |folder: &str| -> Vec<String> {
        let document: Value = serde_json::from_str(&without_docker(folder).stdout).unwrap();
        names(&document).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(found("below/it"), ["vllm"]);

    // The one above counts before a Compose file that is nearer; its own x-lem adds to it.
    scene.write("services.yml", &one("here"));
    assert_eq!(found("below/it"), ["here", "vllm"]);
    scene.write("below/services.yaml", &one("nearer"));
    assert_eq!(found("below/it"), ["nearer"]);

    scene.write("far/elsewhere.yaml", &one("named"));
    assert_eq!(names(&check(&scene, &["--registry", "far/elsewhere.yaml"])), ["named"]);
    let mut command = scene.command(&["service", "check", "--json"]);
    command.env("LEM_SERVICES", "far/elsewhere.yaml");
    let ended = crate::support::Running::start(&mut command).wait().expect(0);
    assert_eq!(names(&serde_json::from_str(&ended.stdout).unwrap()), ["named"]);
    scene.lem(&["service", "check", "--registry", "gone.yaml"]).expect(2).says(&["gone.yaml"]);
}

#[test]
fn native_services_are_understood_where_there_is_no_docker() {
    let scene = Scene::without_containers();
    scene.write("compose.yaml", "services: {vllm: {image: i}}\n");
    scene.write(
        "services.yaml",
        "services:\n  native: {start_cmd: x, vram_mb: 20000}\n  vllm: {service: vllm}\n",
    );
    let mut command = scene.command(&["service", "check", "--json"]);
    command.env("PATH", scene.path("empty"));
    let ended = crate::support::Running::start(&mut command).wait().expect(0);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["services"]["native"]["vram"], "20000 MiB");
    assert_eq!(document["services"]["vllm"]["project"], Value::Null);
    assert!(document["warnings"][0].as_str().unwrap().contains("no `docker`"), "{document}");
}

// F1
#[test]
fn a_compose_file_whose_only_key_is_mistyped_is_named() {
    let scene = Scene::without_containers();
    scene.write("compose.yaml", "services:\n  vllm:\n    image: i\n    x-lem: {vrma: 1GiB}\n");
    let ended = scene.lem(&["service", "check"]).expect(2);
    ended.says(&["compose.yaml:4", "`x-lem.vrma` of service `vllm`", "did you mean `vram`?"]);
}

// F3
#[test]
fn a_service_for_which_no_memory_is_checked_is_remarked_by_check_alone() {
    let scene = Scene::without_containers();
    scene.write(
        "services.yaml",
        "services:\n  said: {start_cmd: x, vram: 0GiB}\n  none: {start_cmd: x, gpus: none}\n  \
         open: {start_cmd: x}\n",
    );
    let document = check(&scene, &[]);
    let [remark] = document["warnings"].as_array().unwrap().as_slice() else {
        panic!("{document}")
    };
    assert!(remark.as_str().unwrap().contains("`open` has no `vram`"), "{remark}");
    let status = scene.lem(&["service", "status"]).expect(0);
    assert!(!status.stderr.contains("has no `vram`"), "{}", status.stderr);
}

// F31
#[test]
fn a_compose_service_without_docker_is_for_the_machine_to_mend() {
    let scene = Scene::without_containers();
    scene.write("compose.yaml", "services: {vllm: {image: i, x-lem: {vram: 1GiB}}}\n");
    for verb in ["ensure", "stop"] {
        let mut command = scene.command(&["service", verb, "vllm"]);
        command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
        let ended = crate::support::Running::start(&mut command).wait().expect(3);
        ended.says(&["docker does not answer, so nobody knows whether `vllm` runs", "lem doctor"]);
        assert!(ended.stderr.matches("services in containers can't be seen").count() <= 1);
    }
}

// F25
#[test]
fn a_phase_that_is_no_number_is_told_what_a_phase_is() {
    let scene = Scene::without_containers();
    scene.lem(&["phase", "one"]).expect(2).says(&["a phase is a number"]);
    scene.write("services.yaml", &one("any"));
    scene.lem(&["phase", "1"]).expect(2).says(&["no service has `pipeline_phases`"]);
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let scene = Scene::without_containers();
    scene.write(
        "services.yaml",
        "services:\n  a:\n    start_cmd: x\n    environment: {HF_TOKEN: hidden}\n    \
         health: {url: 'http://me:hidden@h/x', headers: {Authorization: hidden}}\n",
    );
    for words in [&["service", "check"][..], &["service", "check", "--json"]] {
        let shown = scene.lem(words).expect(0).stdout;
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(shown.contains("HF_TOKEN") && shown.contains("http://h/x"), "{shown}");
    }
}

#[test]
fn the_registry_that_init_writes_has_the_four_services_and_is_understood() {
    let scene = Scene::without_containers();
    scene.lem(&["init", "p", "--services"]).expect(0).says(&["services.yaml", "lem service check"]);
    let document = check(&scene, &["--registry", "p/services.yaml"]);
    assert_eq!(names(&document), ["comfyui", "cosyvoice", "ollama", "vidi"]);
    let services = &document["services"];
    assert_eq!(services["comfyui"]["vram"], "20000 MiB");
    assert_eq!(services["comfyui"]["warm_time"], 30.0);
    assert_eq!(services["ollama"]["evict"]["url"], "http://127.0.0.1:11434");
    assert_eq!(services["vidi"]["pipeline_phases"][0], 2);

    scene.lem(&["init", "p", "--services"]).expect(2).says(&["already has `services.yaml`"]);
    scene.write("q/services.yml", "theirs");
    scene.lem(&["init", "q", "--services"]).expect(2).says(&["already has `services.yml`"]);
    // A Compose file of one's own is in nobody's way.
    scene.write("r/docker-compose.yml", "theirs");
    scene.lem(&["init", "r", "--services"]).expect(0);
    scene.lem(&["init", "s", "--services", "--image", "a:1"]).expect(2);
}

#[test]
fn the_schema_knows_every_key_and_refuses_others() {
    let scene = Scene::without_containers();
    let schema: Value =
        serde_json::from_str(&scene.lem(&["schema", "services"]).expect(0).stdout).unwrap();
    let service = &schema["$defs"]["ServiceKeys"];
    for key in ["vram", "vram_mb", "health", "health_endpoint", "evict_api", "container_name"] {
        assert!(service["properties"].get(key).is_some(), "{key}");
    }
    assert_eq!(service["additionalProperties"], false);
}

#[test]
fn whoever_asks_for_campaigns_where_services_are_is_told_of_those_too() {
    let scene = Scene::without_containers();
    scene.write("services.yaml", &one("any"));
    let status = scene.lem(&["status"]).expect(0);
    status.says(&["no campaign runs", "`lem service status`"]);
    scene.lem(&["logs"]).says(&["no campaign was ever started here", "`lem service logs NAME`"]);
    scene.lem(&["ensure", "any"]).expect(2).says(&["`lem service ensure NAME`"]);
}
