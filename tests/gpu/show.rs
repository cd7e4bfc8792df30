//! `lem gpu`, once.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::gpu::FakeGpu;
use crate::support::{Ended, Running, Scene, engine};

fn lem(fake: &FakeGpu, words: &[&str]) -> Ended {
    let scene = Scene::without_containers();
    Running::start(fake.furnish(&mut scene.command(&[&["gpu"], words].concat()))).wait()
}

fn document(fake: &FakeGpu) -> Value {
    serde_json::from_str(&lem(fake, &["--json"]).expect(0).stdout).unwrap()
}

#[test]
fn each_gpu_is_a_row_and_each_process_below_it() {
    let fake = FakeGpu::idle(2);
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    fake.set(1, "used_mib", json!(41_000));
    fake.set(1, "processes", json!([{"pid": child.id(), "mib": 40_000}]));
    let shown = lem(&fake, &[]).expect(0);
    child.kill().unwrap();
    child.wait().unwrap();

    let lines: Vec<Vec<&str>> =
        shown.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let pid = child.id().to_string();
    for expected in [
        "0 NVIDIA H200 600 / 81920 MiB 1 % 35 °C 60 / 700 W 0 %",
        "1 NVIDIA H200 41000 / 81920 MiB 50 % 35 °C 60 / 700 W 0 %",
        &format!("1 {pid} sleep 40000 MiB -"),
    ] {
        let words: Vec<&str> = expected.split_whitespace().collect();
        assert!(lines.contains(&words), "no `{expected}` in:\n{}", shown.stdout);
    }
    assert_eq!(shown.stderr, "");
}

#[test]
fn json_has_every_figure_and_null_for_what_is_not_supported() {
    let fake = FakeGpu::idle(1);
    fake.change(|state| {
        state["gpus"].as_array_mut().unwrap().push(json!({"uuid": "GPU-bare", "mig": 1}));
    });
    let shown = document(&fake);
    assert_eq!(shown["driver"], "570.86.15");
    let gpus = &shown["gpus"];
    assert_eq!(gpus[0]["memory"], json!({"used_mib": 600, "free_mib": 81320, "total_mib": 81920}));
    assert_eq!(gpus[0]["power_watts"], 60.25);
    assert_eq!(gpus[0]["processes"], json!([]));
    let figures = ["name", "memory", "temperature_celsius", "power_watts", "power_limit_watts"];
    for key in figures.into_iter().chain(["utilization_percent", "processes", "error"]) {
        assert_eq!(gpus[1].get(key), Some(&Value::Null), "{key}: {shown}");
    }
    assert_eq!(gpus[1]["mig"], true);
    let table = lem(&fake, &[]).expect(0).stdout;
    assert!(table.contains("GPU 1 is divided (MIG)"), "{table}");
}

#[test]
fn a_process_in_a_container_is_shown_with_the_containers_name() {
    let scene = Scene::new();
    scene.services("  server: {image: <busybox>, network_mode: none}\n");
    scene.compose(&["up", "--detach"]);
    let container = &engine::containers(&scene.project)[0];
    let pid = engine::docker(&["inspect", "--format", "{{.State.Pid}}", &container.id]);
    let pid: u32 = pid.trim().parse().unwrap();

    let fake = FakeGpu::idle(1);
    fake.set(0, "processes", json!([{"pid": pid, "mib": null}]));
    let process = &document(&fake)["gpus"][0]["processes"][0];
    let name = container.name.as_str();
    let expected = json!({
        "pid": pid, "name": "sleep", "memory_mib": null, "utilization_percent": 0,
        "container": name, "container_id": container.id,
    });
    assert_eq!(process, &expected);
    assert!(lem(&fake, &[]).expect(0).stdout.contains(name));
}

#[test]
fn many_processes_and_long_names_break_nothing() {
    let fake = FakeGpu::idle(1);
    fake.set(0, "name", json!("図".repeat(30) + "\u{1b}[2J"));
    let processes: Vec<Value> =
        (1..=200).map(|n| json!({"pid": 4_000_000 + n, "mib": n})).collect();
    fake.set(0, "processes", json!(processes));
    let table = lem(&fake, &[]).expect(0).stdout;
    assert!(!table.contains('\u{1b}'), "{table}");
    assert_eq!(table.lines().count(), 2 + 1 + 201, "{table}");
    assert_eq!(document(&fake)["gpus"][0]["processes"].as_array().unwrap().len(), 200);
}

#[test]
fn a_process_that_computes_and_draws_is_one() {
    let fake = FakeGpu::idle(1);
    fake.set(0, "processes", json!([{"pid": 4_000_001, "mib": 10}]));
    fake.set(0, "graphics", json!([{"pid": 4_000_001, "mib": 20}, {"pid": 4_000_002, "mib": 5}]));
    let processes = &document(&fake)["gpus"][0]["processes"];
    let pairs: Vec<_> = processes.as_array().unwrap().iter().map(|p| &p["memory_mib"]).collect();
    assert_eq!(pairs, [20, 5]);
}

#[test]
fn without_a_driver_it_says_what_is_missing() {
    let scene = Scene::without_containers();
    let mut command = scene.command(&["gpu"]);
    command.env("LEM_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so.1");
    let ended = Running::start(&mut command).wait().expect(3);
    ended.says(&["no NVIDIA driver here", "/nonexistent/libnvidia-ml.so.1", "hint: install"]);
    assert_eq!(ended.stdout, "");
}

#[test]
fn each_failure_of_the_driver_is_an_error_with_a_way_out() {
    let fake = FakeGpu::idle(1);
    for (function, code, words) in [
        ("nvmlInit_v2", 9, ["driver is not loaded", "modprobe nvidia"]),
        ("nvmlInit_v2", 18, ["of different versions", "reboot"]),
        ("nvmlInit_v2", 4, ["may not ask", "/dev/nvidia"]),
        ("nvmlInit_v2", 999, ["internal driver error", "nvidia-smi"]),
        ("nvmlDeviceGetCount_v2", 999, ["internal driver error", "nvidia-smi"]),
        ("nvmlDeviceGetMemoryInfo_v2", 999, ["internal driver error", "nvidia-smi"]),
    ] {
        fake.fail(function, Some(code));
        lem(&fake, &[]).expect(3).says(&words);
        lem(&fake, &["--watch"]).expect(3).says(&words);
        fake.fail(function, None);
    }
    fake.change(|state| state["gpus"] = json!([]));
    lem(&fake, &[]).expect(3).says(&["found no GPU", "lspci"]);
}

#[test]
fn a_gpu_that_is_lost_hides_no_other() {
    let fake = FakeGpu::idle(2);
    fake.set(0, "fail", json!({"nvmlDeviceGetMemoryInfo_v2": 15}));
    let shown = document(&fake);
    assert_eq!(shown["gpus"][1]["memory"]["used_mib"], 600);
    let error = shown["gpus"][0]["error"].as_str().unwrap();
    assert!(error.contains("fell off the bus"), "{error}");
    assert!(lem(&fake, &[]).expect(0).stdout.contains("GPU 0 fell off"));
}

#[test]
fn a_gpu_that_cannot_be_read_hides_no_other_and_a_figure_no_other_figure() {
    let fake = FakeGpu::idle(2);
    fake.set(0, "fail", json!({"nvmlDeviceGetMemoryInfo_v2": 999}));
    fake.set(1, "fail", json!({"nvmlDeviceGetTemperature": 999}));
    let shown = document(&fake);
    let error = shown["gpus"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("NVML failed on GPU 0: "), "{error}");
    let other = &shown["gpus"][1];
    assert_eq!(
        (&other["memory"]["used_mib"], &other["temperature_celsius"]),
        (&json!(600), &json!(null))
    );
}

#[test]
fn wrong_usage_is_refused() {
    let fake = FakeGpu::idle(1);
    for word in ["--watch=0", "--watch=-1", "--watch=often", "now"] {
        lem(&fake, &[word]).expect(2);
    }
}
