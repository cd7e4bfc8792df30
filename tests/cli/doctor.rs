//! `lem doctor`: each finding is right on machines that lack something, and nothing is changed.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::gpu::FakeGpu;
use crate::support::{Running, Scene};

/// What was found, by check.
struct Findings(Vec<Value>);

impl Findings {
    /// Runs `lem doctor --json`, changed by `change`, and expects an exit code.
    #[track_caller]
    fn of(scene: &Scene, code: i32, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = scene.command(&["doctor", "--json"]);
        // No GPU of the machine that tests this.
        command.env("LEM_NVML_LIBRARY", "/nonexistent");
        change(&mut command);
        let before = scene.listing();
        let ended = Running::start(&mut command).wait().expect(code);
        assert_eq!(scene.listing(), before, "the doctor only looks");
        assert_eq!(ended.stderr, "");
        Self(serde_json::from_str(&ended.stdout).unwrap())
    }

    #[track_caller]
    fn get(&self, check: &str) -> &Value {
        self.0.iter().find(|finding| finding["check"] == check).expect(check)
    }

    /// Fails unless the check has this status, and its words and its fix together all of `words`.
    #[track_caller]
    fn is(&self, check: &str, status: &str, words: &[&str]) {
        let finding = self.get(check);
        assert_eq!(finding["status"], status, "{finding}");
        let said = format!("{} {}", finding["found"], finding["fix"]);
        for word in words {
            assert!(said.contains(word), "no `{word}` in {finding}");
        }
        if matches!(status, "warning" | "failure") {
            assert!(finding["fix"].is_string(), "no way out of {finding}");
        }
    }

    fn failures(&self) -> Vec<&str> {
        let failed = self.0.iter().filter(|finding| finding["status"] == "failure");
        failed.map(|finding| finding["check"].as_str().unwrap()).collect()
    }
}

/// A scene without files of its own.
fn empty() -> Scene {
    let scene = Scene::without_containers();
    std::fs::remove_file(scene.path(".lem-config.yaml")).unwrap();
    scene
}

/// Puts a program of its own on the scene's `PATH`, which has nothing else.
fn program(scene: &Scene, name: &str, script: &str) {
    let name = format!("bin/{name}");
    scene.write(&name, &format!("#!/bin/sh\n{script}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scene.path(&name), mode).unwrap();
}

/// A docker client with this Compose plugin and this engine.
fn docker(scene: &Scene, plugins: &str, engine: &str) {
    let client = format!(r#"{{"Version":"28.2.2","Plugins":[{plugins}]}}"#);
    let script = format!(
        "case \"$*\" in\n*ClientInfo*) echo '{client}';;\ninfo*) echo '{engine}';;\n\
         context*) echo unix:///dev/null;;\n*) exit 1;;\nesac"
    );
    program(scene, "docker", &script);
}

const COMPOSE: &str = r#"{"Name":"compose","Version":"2.26.1-4"}"#;

#[test]
fn a_machine_without_docker_is_told_so_and_the_rest_is_looked_at_all_the_same() {
    let scene = empty();
    scene.write("bin/none", "");
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("PATH", scene.path("bin"));
    });
    assert_eq!(found.failures(), ["docker_client"]);
    found.is("docker_client", "failure", &["no `docker`", "apt-get install docker.io"]);
    for check in ["engine", "compose", "mounts", "clock", "limits", "engine_disk"] {
        found.is(check, "not_applicable", &[]);
    }
    found.is("container_build", "fine", &["static"]);
    found.is("results_folder", "fine", &["results can be made", "free"]);
    found.is("gpu", "not_applicable", &["no NVIDIA driver"]);
    found.is("campaign", "not_applicable", &["lem init"]);
}

#[test]
fn an_engine_that_is_down_is_told_from_a_client_that_is_missing() {
    let scene = empty();
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("DOCKER_HOST", "unix:///nonexistent");
    });
    assert_eq!(found.failures(), ["docker_socket", "engine"]);
    found.is("docker_client", "fine", &["/docker"]);
    found.is("docker_socket", "failure", &["/nonexistent does not exist", "systemctl start"]);
    found.is("engine", "failure", &["Cannot connect", "unix:///nonexistent"]);
    found.is("compose", "fine", &["2."]);
}

#[test]
fn an_engine_that_never_answers_keeps_nobody_waiting_for_long() {
    let scene = empty();
    scene.write("compose.yaml", "services: {a: {image: i}}\n");
    scene.write("campaign.yaml", "campaign_name: x\ngrid: {backends: [a]}\n");
    let socket = scene.path("socket");
    let _accepts = UnixListener::bind(&socket).unwrap();
    let begun = Instant::now();
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    });
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(found.failures(), ["engine"]);
    found.is("engine", "failure", &["took longer than", "docker info"]);
    found.is("docker_socket", "fine", &[]);
    found.is("compose_file", "fine", &["service a"]);
}

#[test]
fn compose_of_version_1_is_not_enough() {
    let scene = empty();
    docker(&scene, "", r#"{"ServerVersion":"20.10.24","OSType":"linux"}"#);
    program(&scene, "docker-compose", "echo 1.29.2");
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("PATH", scene.path("bin"));
    });
    found.is("compose", "failure", &["1.29.2, which is Compose v1", "docker-compose-plugin"]);
    found.is("compose_file", "not_applicable", &["no Compose"]);
}

#[test]
fn what_is_too_old_is_said_with_its_version() {
    let scene = empty();
    let plugin = r#"{"Name":"compose","Version":"v2.10.0"}"#;
    docker(&scene, plugin, r#"{"ServerVersion":"19.03.5","OSType":"linux"}"#);
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("PATH", scene.path("bin"));
    });
    found.is("engine", "failure", &["19.03.5", "upgrade the engine"]);
    found.is("compose", "failure", &["2.10.0"]);
}

#[test]
fn an_engine_elsewhere_has_none_of_the_folders_here() {
    let scene = empty();
    let engine = r#"{"ServerVersion":"28.5.1","OSType":"linux","KernelVersion":"4.4.0-elsewhere",
        "Name":"far","DockerRootDir":"/var/lib/docker","SystemTime":"2020-01-01T00:00:00Z"}"#;
    docker(&scene, COMPOSE, engine);
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("PATH", scene.path("bin"));
    });
    found.is("engine", "fine", &["28.5.1"]);
    found.is("mounts", "warning", &["`far`", "unset DOCKER_HOST"]);
    found.is("clock", "warning", &["behind", "set-ntp"]);
    found.is("engine_disk", "not_applicable", &[]);
}

#[test]
fn rubbish_from_docker_is_a_finding() {
    let scene = empty();
    program(&scene, "docker", "echo Emulate Docker CLI using something else");
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("PATH", scene.path("bin"));
    });
    assert_eq!(found.failures(), ["docker_client", "engine", "compose"]);
}

#[test]
fn a_socket_of_somebody_else_names_the_group() {
    let scene = empty();
    let socket = scene.path("socket");
    let _listens = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(scene.path(""), mode).unwrap();
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("DOCKER_HOST", format!("unix://{}", socket.display())).env("HOME", scene.path(""));
        if nix::unistd::geteuid().is_root() {
            // Root may use any socket.
            lem.uid(65534).gid(65534);
        }
    });
    found.is("docker_socket", "failure", &["may not use", "usermod -aG docker"]);
}

#[test]
fn folders_that_cannot_be_written_are_named_for_root_too() {
    let scene = empty();
    scene.write(".lem-config.yaml", "results_dir: /sys/results\n");
    scene.write(
        "campaign.yaml",
        "campaign_name: x\ngrid: {backends: [a]}\nio: {state_dir: state}\n",
    );
    scene.write("compose.yaml", "services: {a: {image: i}}\n");
    scene.write("state", "a file in the way");
    symlink("/nonexistent", scene.path("locks")).unwrap();
    let found = Findings::of(&scene, 3, |lem| {
        lem.env("LEM_STATE_DIR", scene.path("locks/below"));
    });
    let folders = ["results_folder", "record_folder", "locks_folder"];
    assert_eq!(found.failures(), folders);
    found.is("results_folder", "failure", &["/sys can't be written", "results_dir"]);
    found.is("record_folder", "failure", &["state is no folder", "state_dir"]);
    found.is("locks_folder", "failure", &["locks is a link", "LEM_STATE_DIR"]);
}

#[test]
fn a_file_that_is_wrong_is_said_with_its_place_and_is_not_the_machines_fault() {
    let scene = empty();
    scene.write(".lem-config.yaml", "resluts_dir: out\n");
    scene.write("user/lem/config.yaml", "docker: [\n");
    scene.write("campaign.yaml", "campaign_name: x\nconfigs: [a.yaml]\n");
    scene.write("compose.yaml", "services: {a: {imgae: i}}\n");
    let found = Findings::of(&scene, 2, |lem| {
        lem.env("LEM_RUNNER", "elsewhere");
    });
    let files = ["project_config", "user_config", "variables", "campaign", "compose_file"];
    assert_eq!(found.failures(), files);
    found.is("project_config", "failure", &[".lem-config.yaml:1:1", "did you mean `results_dir`"]);
    found.is("user_config", "failure", &["config.yaml"]);
    found.is("variables", "failure", &["elsewhere", "LEM_"]);
    found.is("campaign", "failure", &["a.yaml` does not exist"]);
    found.is("compose_file", "failure", &["imgae", "docker compose config"]);
}

#[test]
fn a_campaign_file_that_is_named_must_be_there() {
    let scene = empty();
    let found = Findings::of(&scene, 2, |lem| {
        lem.arg("nightly.yaml");
    });
    assert_eq!(found.failures(), ["campaign"]);
    found.is("campaign", "failure", &["nightly.yaml"]);
}

#[test]
fn a_service_that_the_compose_file_lacks_is_found_before_a_campaign_needs_it() {
    let scene = empty();
    scene.write("campaign.yaml", "campaign_name: x\ngrid: {backends: [bnech]}\n");
    scene.write("compose.yaml", "services: {bench: {image: i}}\n");
    let found = Findings::of(&scene, 2, |_| {});
    found.is("compose_file", "failure", &["`bnech`", "did you mean `bench`"]);
}

#[test]
fn a_gpu_is_only_missed_where_a_service_asks_for_one() {
    const ASKS: &str = "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}";
    let scene = empty();
    let engine = r#"{"ServerVersion":"28.5.1","OSType":"linux","Runtimes":{"runc":{}}}"#;
    docker(&scene, COMPOSE, engine);
    program(&scene, "docker-compose", "exit 1");
    let gpu = FakeGpu::idle(2);
    let found = Findings::of(&scene, 3, |lem| {
        gpu.furnish(lem).env("PATH", scene.path("bin"));
    });
    found.is("gpu", "fine", &["NVIDIA H200, NVIDIA H200", "driver 570"]);
    found.is("gpu_in_engine", "warning", &["hands none out", "nvidia-ctk"]);
    gpu.fail("nvmlInit_v2", Some(18));
    let found = Findings::of(&scene, 3, |lem| {
        gpu.furnish(lem).env("PATH", scene.path("bin"));
    });
    found.is("gpu", "warning", &["different versions", "reboot"]);

    let scene = empty();
    scene.write(
        "compose.yaml",
        &format!("services: {{a: {{image: i, {ASKS}}}, b: {{image: i}}}}\n"),
    );
    let found = Findings::of(&scene, 3, |_| {});
    if found.get("gpu_in_engine")["status"] != "fine" {
        assert_eq!(found.failures(), ["gpu_in_engine"]);
        found.is("gpu_in_engine", "failure", &["service `a` asks for a GPU"]);
        found.is("gpu_in_container", "not_applicable", &[]);
    }
    scene.write("campaign.yaml", "campaign_name: x\ngrid: {backends: [b]}\n");
    let found = Findings::of(&scene, 0, |_| {});
    found.is("gpu_in_container", "not_applicable", &["no service of a project here asks"]);
}

#[test]
fn people_read_the_same_with_marks_and_arrows() {
    let scene = empty();
    scene.write("campaign.yaml", "campaign_name: x\ngird: {}\n");
    let ended = scene.lem(&["doctor"]).expect(2);
    for line in ["✓ engine            docker ", "✗ campaign          unknown key `gird`"] {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    assert!(ended.stdout.contains("    → did you mean `grid`?"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("\n1 failure, 0 warnings\n"), "{}", ended.stdout);
}

#[test]
fn ctrl_c_ends_it_at_once() {
    let scene = empty();
    let socket = scene.path("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut command = scene.command(&["doctor"]);
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let mut lem = Running::start(&mut command);
    // Somebody asked: the doctor is waiting for the answer.
    let _connection = listener.accept().unwrap();
    lem.signal(nix::sys::signal::Signal::SIGINT);
    lem.wait().expect(130);
}

/// `make test` prepares the machine; on it, everything is fine.
#[test]
fn a_healthy_machine_is_told_so() {
    let scene = empty();
    assert!(
        Path::new("/var/run/docker.sock").exists() || std::env::var_os("DOCKER_HOST").is_some()
    );
    let found = Findings::of(&scene, 0, |_| {});
    for check in ["docker_client", "engine", "compose", "container_build", "results_folder"] {
        found.is(check, "fine", &[]);
    }
}
