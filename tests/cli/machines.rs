//! A machine that lacks something is told apart from a file that is wrong: exit code 3, and the
//! next thing to type.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Ended, Running, Scene};

const COMPOSE_FILE: &str = "services: {bench: {image: 'none:1'}}\n";

fn scene() -> Scene {
    let scene = Scene::without_containers();
    scene.scripts(&["true"], "");
    scene.write("compose.yaml", COMPOSE_FILE);
    std::fs::create_dir(scene.path("bin")).unwrap();
    scene
}

/// Puts a program of its own on the scene's `PATH`, which has nothing else.
fn program(scene: &Scene, name: &str, script: &str) {
    let name = format!("bin/{name}");
    scene.write(&name, &format!("#!/bin/sh\n{script}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scene.path(&name), mode).unwrap();
}

/// A docker client that answers `info` with this, and knows no other word.
fn docker(scene: &Scene, info: &str) {
    let unknown = "echo \"docker: '$1' is not a docker command\" >&2; exit 1";
    program(scene, "docker", &format!("[ \"$1\" = info ] || {{ {unknown}; }}\necho '{info}'"));
}

fn lem(scene: &Scene) -> Ended {
    let mut command: Command = scene.command(&["campaign", "--yes", "--json"]);
    Running::start(command.env("PATH", scene.path("bin"))).wait()
}

#[track_caller]
fn lacking(scene: &Scene, words: &[&str]) {
    let ended = lem(scene).expect(3);
    ended.says(words);
    assert_eq!(ended.stdout, "");
    assert!(!scene.path("results").exists() && !scene.path(".state").exists());
}

#[test]
fn without_docker_it_is_named_with_its_package() {
    lacking(&scene(), &["docker", "apt-get install docker.io"]);
}

#[test]
fn without_compose_its_packages_are_named() {
    let scene = scene();
    docker(&scene, r#"{"ID":"A","ServerVersion":"20.10.24","ClientInfo":{"Plugins":[]}}"#);
    lacking(&scene, &["no `compose` plugin", "docker-compose-plugin"]);
}

#[test]
fn compose_of_version_1_is_not_enough() {
    let scene = scene();
    docker(&scene, r#"{"ID":"A","ServerVersion":"20.10.24","ClientInfo":{"Plugins":[]}}"#);
    program(&scene, "docker-compose", "echo 1.29.2");
    lacking(&scene, &["1.29.2, which is Compose v1", "docker-compose-plugin"]);
}

#[test]
fn compose_that_is_too_old_is_not_enough() {
    let scene = scene();
    docker(
        &scene,
        r#"{"ID":"A","ServerVersion":"20.10.24",
            "ClientInfo":{"Plugins":[{"Name":"compose","Version":"v2.10.0"}]}}"#,
    );
    lacking(&scene, &["2.10.0", "docker-compose-plugin"]);
}

#[test]
fn an_engine_that_is_too_old_is_not_enough() {
    let scene = scene();
    docker(
        &scene,
        r#"{"ID":"A","ServerVersion":"19.03.5",
            "ClientInfo":{"Plugins":[{"Name":"compose","Version":"v2.26.0"}]}}"#,
    );
    lacking(&scene, &["19.03.5", "upgrade the engine"]);
}

#[test]
fn an_engine_that_does_not_answer_is_said_with_its_own_words() {
    let scene = scene();
    docker(
        &scene,
        r#"{"ServerErrors":["Cannot connect to the Docker daemon at unix:///nonexistent"],
            "ClientInfo":{"Plugins":[{"Name":"compose","Version":"v2.26.0"}]}}"#,
    );
    lacking(&scene, &["unix:///nonexistent", "systemctl start docker"]);
}

#[test]
fn the_real_client_without_an_engine_is_said_the_same() {
    let scene = scene();
    let mut command = scene.command(&["campaign", "--yes", "--json"]);
    let ended = Running::start(command.env("DOCKER_HOST", "unix:///nonexistent")).wait();
    ended.expect(3).says(&["nonexistent", "DOCKER_HOST"]);
}
