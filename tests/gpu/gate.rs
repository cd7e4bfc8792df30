//! What keeps a run waiting, and what ends the wait.

use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::place::{Place, WAITS};
use crate::support::{Ended, Running, Scene, Strategy, engine, in_both_strategies};

in_both_strategies!(
    a_gpu_that_stays_full_keeps_the_runs_out_and_its_holder_is_named,
    a_gpu_that_is_freed_meanwhile_lets_the_run_start,
);

fn warnings(ended: &Ended) -> Vec<String> {
    let message = |event: &Value| event["message"].as_str().unwrap().to_owned();
    ended.all("warning").iter().map(message).collect()
}

/// Seconds from a moment of this test until the command of a run began.
fn began_after(place: &Place, run: usize, moment: SystemTime) -> f64 {
    let mark = place.scene.runs("nightly")[run].join("started.json");
    let mark: Value = serde_json::from_str(&std::fs::read_to_string(mark).unwrap()).unwrap();
    let began: jiff::Timestamp = mark["started_at"].as_str().unwrap().parse().unwrap();
    let moment = jiff::Timestamp::try_from(moment).unwrap();
    began.duration_since(moment).as_secs_f64()
}

fn a_gpu_that_stays_full_keeps_the_runs_out_and_its_holder_is_named(strategy: Strategy) {
    let others = Scene::new();
    others.services("  server: {image: <busybox>, network_mode: none}\n");
    others.compose(&["up", "--detach"]);
    let server = &engine::containers(&others.project)[0];
    let pid = engine::docker(&["inspect", "--format", "{{.State.Pid}}", &server.id]);
    let pid: u32 = pid.trim().parse().unwrap();

    let place = Place::in_containers(1);
    place.campaign(&["true", "true"], "wait: 0.3");
    place.fill(0, json!([{"pid": pid, "mib": 79_000}]));
    let ended = place.start(strategy).wait().expect(4);

    assert_eq!(ended.verdicts(), ["gpu_busy", "gpu_busy"]);
    let run = &ended.all("run_ended")[0];
    let line = run["last_lines"][0].as_str().unwrap();
    let holder = format!("pid {pid} (sleep) with 79000 MiB in container {}", server.name);
    assert!(line.contains("80000 MiB are used, 73728 MiB may be"), "{line}");
    assert!(line.contains(&holder), "{line}");
    assert_eq!(run["exit_code"], Value::Null);
    assert!(run["gate_seconds"].as_f64().unwrap() >= 0.3, "{run}");
    let waiting = &ended.all("gate_waiting")[0]["obstacles"][0];
    assert_eq!(waiting["what"], "memory");
    let holder = json!({
        "pid": pid, "process": "sleep", "mib": 79_000, "container": server.name,
    });
    assert_eq!(waiting["holders"], json!([holder]));
    let summary = ended.summary();
    assert_eq!((&summary["failed"], &summary["gpu_busy"]), (&json!(2), &json!(2)));
    assert_eq!(summary["restarts"], json!([]), "a restart would not have helped");
    for run in place.scene.runs("nightly") {
        assert!(!run.join("started.json").exists());
        assert!(std::fs::read_to_string(run.join("output.log")).unwrap().contains("is full"));
    }
    assert_eq!(engine::containers(&place.scene.project), []);
}

fn a_gpu_that_is_freed_meanwhile_lets_the_run_start(strategy: Strategy) {
    let place = Place::in_containers(2);
    place.campaign(&["true"], "wait: 60");
    place.fill(1, json!([]));
    let mut lem = place.start(strategy);
    lem.event("gate_waiting");
    let freed = SystemTime::now();
    place.fake.set(1, "used_mib", json!(600));
    let ended = lem.wait().expect(0);
    assert_eq!(ended.verdicts(), ["completed"]);
    // The wait itself is 0.25 s; the rest is the engine's on a busy machine.
    assert!(began_after(&place, 0, freed) < 10.0);
    assert!(ended.summary()["time"]["gate"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_run_starts_as_soon_as_its_gpu_is_free() {
    let place = Place::local(1);
    place.campaign(&["true"], "wait: 60");
    place.fill(0, json!([]));
    let mut lem = place.start_local();
    lem.event("gate_waiting");
    let freed = SystemTime::now();
    place.fake.set(0, "used_mib", json!(600));
    lem.wait().expect(0);
    let late = began_after(&place, 0, freed);
    assert!(late < 3.0, "{late}");
}

#[test]
fn a_process_outside_of_containers_is_named_too() {
    let mut holder = Command::new("sleep").arg("1000").spawn().unwrap();
    let place = Place::local(1);
    place.campaign(&["true"], "wait: 0");
    place.fill(0, json!([{"pid": holder.id(), "mib": 79_000}]));
    let ended = place.run_local().expect(4);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let line = ended.all("run_ended")[0]["last_lines"][0].as_str().unwrap().to_owned();
    assert!(line.ends_with(&format!("pid {} (sleep) with 79000 MiB", holder.id())), "{line}");
}

#[test]
fn the_share_and_the_memory_of_others_are_limits() {
    for (used, health, verdict) in [
        (80_000, "wait: 0", "gpu_busy"),
        (80_000, "wait: 0, gpu_memory_threshold_pct: 98", "completed"),
        (80_000, "enabled: false", "completed"),
        (600, "wait: 0, max_used_before_run: 512MiB", "gpu_busy"),
        (600, "wait: 0, max_used_before_run: 1GiB", "completed"),
    ] {
        let place = Place::local(1);
        place.campaign(&["true"], health);
        place.fake.set(0, "used_mib", json!(used));
        assert_eq!(place.run_local().verdicts(), [verdict], "{used} {health}");
    }
}

#[test]
fn a_gpu_is_looked_at_before_every_nth_run_or_each_cycle() {
    for (health, verdicts) in [
        ("interval_experiments: 2", ["gpu_busy", "completed", "gpu_busy", "completed"]),
        ("interval_experiments: 3", ["gpu_busy", "completed", "completed", "gpu_busy"]),
        ("interval_experiments: 0", ["gpu_busy", "completed", "completed", "completed"]),
    ] {
        let place = Place::local(1);
        place.campaign(
            &["true", "true; true", "true; true; true", ":"],
            &format!("wait: 0, {health}"),
        );
        place.fill(0, json!([]));
        assert_eq!(place.run_local().expect(1).verdicts(), verdicts, "{health}");
    }
}

#[test]
fn heat_and_power_are_waited_for_and_then_the_run_starts_all_the_same() {
    for (health, key, hot, cool) in [
        ("max_temperature: 50", "temperature", 80, 50),
        ("max_idle_power: 100", "power_mw", 350_000, 100_000),
    ] {
        let place = Place::local(1);
        place.campaign(&["true"], health);
        place.fake.set(0, key, json!(hot));
        let mut lem = place.start_local();
        lem.event("gate_waiting");
        place.fake.set(0, key, json!(cool));
        let ended = lem.wait().expect(0);
        assert_eq!((ended.verdicts().len(), warnings(&ended).len()), (1, 0));

        place.campaign(&["true"], &format!("{health}, max_cooldown: 0.3"));
        place.fake.set(0, key, json!(hot));
        let ended = place.run_local().expect(0);
        assert_eq!(ended.verdicts(), ["completed"]);
        let warnings = warnings(&ended);
        assert!(warnings[0].contains("GPU 0 is ") && warnings[0].contains("the run starts"));
    }
}

#[test]
fn only_the_gpus_of_the_run_count() {
    let place = Place::local(2);
    place.campaign(&["true"], "wait: 0");
    place.fill(0, json!([]));
    for (devices, verdict) in
        [("0", "gpu_busy"), ("1", "completed"), ("GPU-00000001", "completed"), ("", "completed")]
    {
        let ended = place.run_local_on(devices);
        assert_eq!(ended.verdicts(), [verdict], "CUDA_VISIBLE_DEVICES={devices}");
    }
}

#[test]
fn the_compose_file_says_which_gpus_a_run_has() {
    let place = Place::in_containers(2);
    place.scene.services(
        "  bench: {image: <busybox>, network_mode: none, environment: [NVIDIA_VISIBLE_DEVICES=1]}\n",
    );
    place.campaign(&["true"], "wait: 0");
    place.fill(0, json!([]));
    place.start(Strategy::Ephemeral).wait().expect(0);
    place.fill(1, json!([]));
    let ended = place.start(Strategy::Ephemeral).wait().expect(4);
    assert!(ended.all("run_ended")[0]["last_lines"].to_string().contains("GPU 1 is full"));
}

#[test]
fn a_driver_that_fails_for_a_moment_is_waited_for() {
    let place = Place::local(1);
    place.campaign(&[WAITS, "true"], "wait: 60");
    let mut lem = place.start_local();
    place.run_is_there(0);
    place.fake.fail("nvmlDeviceGetMemoryInfo_v2", Some(999));
    place.go();
    lem.event("warning");
    place.fake.change(|state| state["generation"] = 1.into());
    place.fake.fail("nvmlDeviceGetMemoryInfo_v2", None);
    let ended = lem.wait().expect(0);
    assert_eq!(ended.verdicts(), ["completed"; 2]);
    let warnings = warnings(&ended);
    assert!(warnings.len() == 1 && warnings[0].contains("can't be seen"), "{warnings:?}");
}

#[test]
fn a_driver_that_keeps_failing_is_no_reason_not_to_run() {
    let place = Place::local(1);
    place.campaign(&["true", "true; true", "true; true; true"], "wait: 1");
    place.fake.fail("nvmlDeviceGetMemoryInfo_v2", Some(999));
    let ended = place.run_local().expect(0);
    assert_eq!(ended.verdicts(), ["completed"; 3]);
    assert_eq!(warnings(&ended).len(), 1);
    let waited: Vec<f64> =
        ended.all("run_ended").iter().map(|run| run["gate_seconds"].as_f64().unwrap()).collect();
    assert!(waited[0] >= 1.0 && waited[1] < 1.0 && waited[2] < 1.0, "waited once: {waited:?}");
}

#[test]
fn what_one_gpu_does_not_say_hides_no_other() {
    for (function, devices, verdict, warned) in [
        ("nvmlDeviceGetTemperature", "0,1", "gpu_busy", ""),
        ("nvmlDeviceGetTemperature", "0", "completed", ""),
        ("nvmlDeviceGetMemoryInfo_v2", "0,1", "gpu_busy", ""),
        ("nvmlDeviceGetMemoryInfo_v2", "0", "completed", "NVML failed on GPU 0"),
        ("nvmlDeviceGetHandleByIndex_v2", "0", "completed", "NVML failed on GPU 0"),
        ("nvmlDeviceGetHandleByIndex_v2", "1", "gpu_busy", ""),
    ] {
        let place = Place::local(2);
        place.campaign(&["true"], "wait: 0");
        place.fake.set(0, "fail", json!({function: 999}));
        place.fill(1, json!([]));
        let ended = place.run_local_on(devices);
        assert_eq!(ended.verdicts(), [verdict], "{function} {devices}");
        let warnings = warnings(&ended);
        assert_eq!(warnings.len(), usize::from(!warned.is_empty()), "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains(warned)), "{warnings:?}");
    }
}

#[test]
fn cuda_sees_the_gpus_before_the_first_wrong_name() {
    for (devices, verdict) in
        [("1,-1,0", "completed"), ("-1,0", "completed"), ("0,-1,1", "gpu_busy")]
    {
        let place = Place::local(2);
        place.campaign(&["true"], "wait: 0");
        place.fill(0, json!([]));
        let ended = place.run_local_on(devices);
        assert_eq!(ended.verdicts(), [verdict], "CUDA_VISIBLE_DEVICES={devices}");
    }
}

#[test]
fn a_run_whose_gpu_is_gone_is_not_started() {
    let place = Place::local(2);
    place.campaign(&["true"], "wait: 0");
    place.fake.set(1, "fail", json!({"nvmlDeviceGetMemoryInfo_v2": 15}));
    let ended = place.run_local().expect(1);
    assert_eq!(ended.verdicts(), ["gpu_lost"]);
    assert!(ended.all("run_ended")[0]["last_lines"].to_string().contains("GPU 1 fell off"));
}

#[test]
fn a_gpu_that_is_gone_is_missed_by_its_uuid_too() {
    for (devices, verdict) in [
        ("GPU-00000000-fake", "gpu_lost"),
        ("GPU-00000001-fake,GPU-00000000", "gpu_lost"),
        ("GPU-00000001-fake", "completed"),
        ("1", "completed"),
    ] {
        let place = Place::local(2);
        place.campaign(&["true"], "wait: 0");
        place.fake.set(0, "fail", json!({"nvmlDeviceGetHandleByIndex_v2": 15}));
        let ended = place.run_local_on(devices);
        assert_eq!(ended.verdicts(), [verdict], "CUDA_VISIBLE_DEVICES={devices}");
        assert_eq!(warnings(&ended), [""; 0], "CUDA_VISIBLE_DEVICES={devices}");
    }
    let place = Place::local(1);
    place.campaign(&["true"], "wait: 0");
    let warnings = warnings(&place.run_local_on("GPU-00000007").expect(0));
    assert!(
        warnings[0].starts_with("CUDA_VISIBLE_DEVICES names GPUs that are not"),
        "{warnings:?}"
    );
}

#[test]
fn without_a_gpu_runs_start_and_only_a_campaign_that_wants_one_is_warned() {
    let blind = |scene: &Scene, words: &[&str]| {
        let mut command = scene.command(words);
        command.env("LEM_NVML_LIBRARY", "/nonexistent.so");
        Running::start(&mut command).wait().expect(0)
    };
    let place = Place::in_containers(0);
    place.campaign(&["true", "true; true"], "wait: 60");
    let words = ["campaign", "campaign.yaml", "--yes", "--json"];
    assert_eq!(warnings(&blind(&place.scene, &words)), [""; 0]);
    place.scene.services(
        "  bench: {image: <busybox>, network_mode: none, environment: [NVIDIA_VISIBLE_DEVICES=all]}\n",
    );
    for strategy in ["ephemeral", "persistent"] {
        let words = [&words[..], &["--container-strategy", strategy]].concat();
        let warnings = warnings(&blind(&place.scene, &words));
        assert!(warnings.len() == 1 && warnings[0].contains("no NVIDIA driver"), "{warnings:?}");
    }
}

#[test]
fn a_driver_without_gpus_and_a_gpu_without_figures_keep_nobody_waiting() {
    let place = Place::local(0);
    place.campaign(&["true", "true; true"], "wait: 60");
    let ended = place.run_local().expect(0);
    assert_eq!(warnings(&ended), [""; 0]);

    place.fake.change(|state| state["gpus"] = json!([{}]));
    let ended = place.run_local().expect(0);
    let warnings = warnings(&ended);
    assert!(warnings.len() == 1 && warnings[0].contains("does not say"), "{warnings:?}");
}

#[test]
fn a_wait_ends_when_the_user_says_so() {
    let place = Place::local(1);
    place.campaign(&["true", "true; true"], "wait: 600");
    place.fill(0, json!([]));
    let mut lem = place.start_local();
    lem.event("gate_waiting");
    lem.signal(Signal::SIGINT);
    let ended = crate::support::within(Duration::from_secs(10), "lem ends", || Some(lem.wait()));
    let ended = ended.expect(130);
    assert_eq!(ended.summary()["remaining"], 2);
}

#[test]
fn a_dry_run_looks_at_no_gpu() {
    let place = Place::local(1);
    place.campaign(&["true"], "wait: 600");
    place.fill(0, json!([]));
    let mut command =
        place.scene.command(&["campaign", "campaign.yaml", "--runner", "local", "--dry-run"]);
    Running::start(place.fake.furnish(&mut command)).wait().expect(0);
}
