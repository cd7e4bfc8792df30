//! The one container that `lem doctor` starts: with a GPU where a service asks for one. An engine
//! that hands out GPUs is made up: a `docker` that says so, and leaves the GPUs out of `run`.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Running, Scene, engine, eventually};

/// `lem doctor` in a project that asks for a GPU; `program` stands for `nvidia-smi` and its argument.
fn doctor(scene: &Scene, program: &str) -> Command {
    scene.services(
        "  bench:\n    image: <busybox>\n    deploy:\n      resources: {reservations: {devices: \
         [{capabilities: [gpu]}]}}\n",
    );
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|folder| folder.join("docker"));
    let real = real.into_iter().find(|docker| docker.is_file()).unwrap();
    let real = real.display();
    scene.write(
        "bin/docker",
        &format!(
            "#!/bin/sh\ncase \"$*\" in\n\
             'info --format {{{{json .}}}}') {real} \"$@\" | sed 's/\"Runtimes\":{{/&\"nvidia\":{{}},/' ;;\n\
             run*)\n  line=$(echo \"$*\" | sed 's/--gpus all//; s/nvidia-smi/{program}/; s/ -L$//')\n\
             \x20 exec {real} $line $ARGUMENT ;;\n\
             *) exec {real} \"$@\" ;;\nesac\n"
        ),
    );
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scene.path("bin/docker"), mode).unwrap();
    let mut command = scene.command(&["doctor", "--json"]);
    let folders = [scene.path("bin")].into_iter().chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(folders).unwrap());
    command
}

fn finding(stdout: &str) -> Value {
    let findings: Vec<Value> = serde_json::from_str(stdout).unwrap();
    findings.into_iter().find(|finding| finding["check"] == "gpu_in_container").unwrap()
}

#[test]
fn a_gpu_is_looked_for_in_the_projects_own_image_and_nothing_stays() {
    let scene = Scene::new();
    let mut lem = doctor(&scene, "echo");
    let ended = Running::start(lem.env("ARGUMENT", "GPU 0: NVIDIA H200")).wait().expect(0);
    let finding = finding(&ended.stdout);
    assert_eq!(finding["status"], "fine", "{finding}");
    assert!(finding["found"].as_str().unwrap().ends_with("GPU 0: NVIDIA H200"), "{finding}");
    assert_eq!((engine::owned(&scene.project), engine::networks(&scene.project)), (vec![], vec![]));
}

#[test]
fn an_image_in_which_no_gpu_is_seen_is_a_failure_with_what_was_said() {
    let scene = Scene::new();
    let mut lem = doctor(&scene, "ls");
    let ended = Running::start(lem.env("ARGUMENT", "/dev/nvidia0")).wait().expect(3);
    let finding = finding(&ended.stdout);
    assert_eq!(finding["status"], "failure", "{finding}");
    assert!(finding["found"].as_str().unwrap().contains("No such file"), "{finding}");
    assert!(finding["fix"].as_str().unwrap().contains("docker run --rm"), "{finding}");
}

#[test]
fn a_look_that_is_broken_off_leaves_no_container() {
    let scene = Scene::new();
    let mut lem = Running::start(doctor(&scene, "sleep").env("ARGUMENT", "100"));
    eventually("the container runs", || {
        let all = engine::owned(&scene.project);
        all.into_iter().find(|container| container.state == "running")
    });
    lem.signal(Signal::SIGINT);
    lem.wait().expect(130);
    assert_eq!(engine::owned(&scene.project), []);
}
