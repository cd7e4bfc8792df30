//! Native services through `lem`: F30–F34, and `lem service logs` of both kinds.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{Scene, eventually, processes};

/// A scene with one native service, `job`, that counts as ready once it has run for a moment. What
/// is left of it is killed at the end. `<n>` in its script is a number that no other scene has.
struct Place {
    scene: Scene,
    argument: String,
}

impl Place {
    fn of(script: &str) -> Self {
        Self::with(script, "")
    }

    fn with(script: &str, keys: &str) -> Self {
        let scene = Scene::without_containers();
        let argument = format!("sleep {}", scene.number());
        let script = script.replace("<n>", &scene.number());
        let place = Self { scene, argument };
        let keys = format!(
            "stop_grace_period: 1s, health: {{stable: 50ms}}, retry: {{attempts: 1}}{keys}"
        );
        let start = serde_json::to_string(&script).unwrap();
        place.scene.write(
            "services.yaml",
            &format!("services:\n  job: {{type: native, start_cmd: {start}, {keys}}}\n"),
        );
        place
    }

    fn sleepers(&self) -> Vec<u32> {
        let is_mine = |pid: &u32| processes::command_line(*pid).trim_end() == self.argument;
        processes::pids().filter(is_mine).collect()
    }

    fn state(&self) -> String {
        let ended = self.scene.lem(&["service", "status", "job", "--json"]);
        let rows: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        rows[0]["state"].as_str().unwrap().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.scene.lem(&["service", "stop", "job", "--force", "--grace", "0"]);
        for pid in self.sleepers() {
            let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
            let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
        }
    }
}

#[test]
fn what_forks_changes_its_session_and_ignores_its_signal_is_gone_after_a_forced_stop() {
    // F32
    let place = Place::of(
        "trap '' TERM INT HUP; setsid sh -c 'sleep <n> & sleep <n>' & \
         (sleep <n> & env -i setsid sleep <n> &) & while :; do sleep 0.2; done",
    );
    place.scene.lem(&["service", "ensure", "job"]).expect(0);
    eventually("all of it is there", || (place.sleepers().len() == 4).then_some(()));
    // Without force it stays, and that is said.
    let ended = place.scene.lem(&["service", "stop", "job", "--grace", "200ms"]).expect(1);
    ended.says(&["did not stop", "(sleep)", "--force"]);
    assert_eq!(place.sleepers().len(), 4);
    place.scene.lem(&["service", "stop", "job", "--force", "--grace", "200ms"]).expect(0);
    assert_eq!(place.sleepers(), [0_u32; 0]);
    assert_eq!(place.state(), "stopped");
}

#[test]
fn a_lem_that_is_killed_while_it_starts_a_service_leaves_one_that_the_next_lem_knows() {
    // F30: whether or not it had written down what it had started.
    let place = Place::with("sleep <n>", ", warm_time: 1h");
    for _ in 0..5 {
        let mut lem = place.scene.start(&["service", "ensure", "job"]);
        eventually("the program is there", || (!place.sleepers().is_empty()).then_some(()));
        lem.kill();
        assert_ne!(place.state(), "stopped");
        place.scene.lem(&["service", "stop", "job"]).expect(0);
        assert_eq!(place.sleepers(), [0_u32; 0]);
        assert_eq!(place.state(), "stopped");
    }
}

#[test]
fn a_service_holds_no_lock_of_the_command_that_started_it() {
    // 6.4: `flock` leaves its file open for what it starts.
    let place = Place::of("sleep <n>");
    let mut command = Command::new("flock");
    place.scene.furnish(&mut command);
    command.args(["lock", env!("CARGO_BIN_EXE_lem"), "service", "ensure", "job"]);
    assert!(command.status().unwrap().success());
    assert_eq!(place.sleepers().len(), 1);
    let lock = std::fs::File::open(place.scene.path("lock")).unwrap();
    lock.try_lock().unwrap();
}

#[test]
fn a_program_that_is_not_there_is_an_error_at_once() {
    // F16: and not tried again.
    let place = Place::of("");
    place.scene.write(
        "services.yaml",
        "services:\n  job: {type: native, start_cmd: [no-such-program], retry: {attempts: 3, delay: 1h}}\n",
    );
    let ended = place.scene.lem(&["service", "ensure", "job"]).expect(1);
    ended.says(&["`job` can't be started", "there is no program `no-such-program`", "start_cmd"]);
}

#[test]
fn a_log_is_there_while_a_service_runs_and_after_its_end() {
    // F34
    let place = Place::of("echo one; echo two >&2; echo three; sleep <n>");
    let ended = place.scene.lem(&["service", "logs", "job"]).expect(1);
    ended.says(&["`job` has said nothing", "lem service ensure job"]);
    place.scene.lem(&["service", "ensure", "job"]).expect(0);
    let logs = |more: &[&str]| {
        place.scene.lem(&[&["service", "logs", "job"], more].concat()).expect(0).stdout
    };
    assert_eq!(logs(&[]), "one\ntwo\nthree\n");
    assert_eq!(logs(&["-n", "1"]), "three\n");
    place.scene.lem(&["service", "stop", "job"]).expect(0);
    assert_eq!(logs(&[]), "one\ntwo\nthree\n");
    place.scene.lem(&["service", "logs", "jobs"]).expect(2).says(&["did you mean `job`?"]);
}

#[test]
fn a_log_is_followed_from_one_start_to_the_next() {
    let place = Place::of("echo start $(cat count); echo x >>count; sleep <n>");
    place.scene.write("count", "");
    let mut following = place.scene.start(&["service", "logs", "job", "--follow"]);
    for start in ["start\n", "start\nstart x\n"] {
        place.scene.lem(&["service", "ensure", "job"]).expect(0);
        eventually("the start is shown", || (following.stdout() == start).then_some(()));
        place.scene.lem(&["service", "stop", "job"]).expect(0);
    }
    assert!(!following.has_ended());
    following.signal(Signal::SIGINT);
    assert_eq!(following.wait_for_code(), Some(130));
}

#[test]
fn a_containers_log_is_docker_s() {
    let scene = Scene::new();
    scene.services(
        "  web: {image: <busybox>, network_mode: none, init: true, \
         command: [sh, -c, 'echo out; echo err >&2; exec sleep 600']}\n",
    );
    scene.write("services.yaml", "services:\n  web: {type: docker, service: web}\n");
    scene.lem(&["service", "logs", "web"]).expect(1).says(&["has said nothing"]);
    let mut following = scene.start(&["service", "logs", "web", "--follow"]);
    scene.compose(&["up", "--detach"]);
    let both = |text: &str| text.contains("out\n") && text.contains("err\n");
    eventually("it is shown", || both(&following.stdout()).then_some(()));
    assert!(both(&scene.lem(&["service", "logs", "web"]).expect(0).stdout));
    assert_eq!(scene.lem(&["service", "logs", "web", "-n", "0"]).expect(0).stdout, "");
    // Another start is shown too, and the first not again.
    scene.compose(&["restart", "--timeout", "1"]);
    let lines = |text: &str| text.lines().filter(|line| *line == "out").count();
    eventually("the second start is shown", || (lines(&following.stdout()) == 2).then_some(()));
    following.signal(Signal::SIGINT);
    assert_eq!(following.wait_for_code(), Some(130));
    assert_eq!(lines(&following.stdout()), 2);
}
