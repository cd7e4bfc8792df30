//! GPU memory: what is compared before anything is stopped, who has to go, and when the next one
//! starts (F3–F9, F38–F40). The GPUs are made up; the servers are processes that hold memory of
//! them.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::gpu::FakeGpu;
use crate::support::server::{Started, diary};
use crate::support::{Ended, ModelServer, Running, Scene, eventually};

/// Native services on made-up GPUs of 80 GiB, of which 600 MiB are used.
struct Place {
    scene: Scene,
    fake: FakeGpu,
    registry: String,
}

impl Place {
    fn new(gpus: usize) -> Self {
        let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(gpus));
        Self { scene, fake, registry: "services:\n".to_owned() }
    }

    /// A server that takes `mib` of a GPU, and says so in the registry, with more keys.
    fn service(
        &mut self,
        name: &str,
        gpu: usize,
        mib: u64,
        options: &str,
        keys: &str,
    ) -> ModelServer {
        let server = ModelServer::new(name).on(&self.fake, gpu, mib).with(options);
        let server = server.option("--diary", self.diary_of(name).display().to_string());
        self.register(&server, mib, keys);
        server
    }

    fn register(&mut self, server: &ModelServer, mib: u64, keys: &str) {
        self.registry += &format!(
            "  {}: {{type: native, vram_mb: {mib}, start_cmd: {}, health: {{url: '{}'}}, {keys}}}\n",
            server.name,
            server.start_cmd(),
            server.url("/health"),
        );
        self.scene.write("services.yaml", &self.registry);
    }

    fn diary_of(&self, name: &str) -> PathBuf {
        self.scene.path(&format!("{name}.diary"))
    }

    /// When something happened to a server last, in Unix ms.
    #[track_caller]
    fn when(&self, name: &str, event: &str) -> u64 {
        let lines = diary(self.diary_of(name), event);
        lines.last().unwrap_or_else(|| panic!("`{name}` was never {event}"))["at_ms"]
            .as_u64()
            .unwrap()
    }

    fn start(&self, words: &[&str]) -> Running {
        Running::start(self.fake.furnish(&mut self.scene.command(words)))
    }

    fn lem(&self, words: &[&str]) -> Ended {
        self.start(words).wait()
    }

    #[track_caller]
    fn ensure(&self, names: &[&str]) {
        self.lem(&[&["service", "ensure"], names].concat()).expect(0);
    }

    /// The steps of a command that is given `--json`: verb, service and MiB by GPU.
    #[track_caller]
    fn steps(&self, words: &[&str]) -> Vec<String> {
        let ended = self.lem(&[words, &["--json"]].concat()).expect(0);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        let step = |step: &Value| {
            let word = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
            let memory = ["frees_mib", "needs_mib"].map(|key| step[key].clone());
            let memory = memory.iter().find(|memory| !memory.is_null());
            let memory = memory.map(ToString::to_string).unwrap_or_default();
            format!("{} {} {memory}", word("step"), word("service")).trim_end().to_owned()
        };
        document["steps"].as_array().unwrap().iter().map(step).collect()
    }

    /// The services that `lem` stops for another, in order.
    #[track_caller]
    fn victims(&self, newcomer: &str) -> Vec<String> {
        let steps = self.steps(&["service", "ensure", newcomer, "--dry-run"]);
        let gone = steps.iter().filter_map(|step| step.strip_prefix("stop "));
        gone.map(|gone| gone.split(' ').next().unwrap().to_owned()).collect()
    }
}

// F3, F7
#[test]
fn the_plan_says_who_goes_for_how_much_and_the_run_does_just_that() {
    let mut place = Place::new(1);
    let low = place.service("low", 0, 50_000, "", "priority: 10");
    let small = place.service("small", 0, 8000, "", "priority: 1");
    let high = place.service("high", 0, 40_000, "", "priority: 90");
    place.ensure(&["low", "small"]);
    let (before, kept) = (low.pid().unwrap(), small.pid().unwrap());

    let words = ["service", "ensure", "high"];
    let planned = place.steps(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(planned, [r#"stop low {"0":50000}"#, r#"start high {"0":40000}"#]);
    let shown = place.lem(&[&words[..], &["--dry-run"]].concat()).expect(0);
    let reason = "frees 50000 MiB on GPU 0; priority 10";
    assert!(shown.stdout.contains(reason), "{}", shown.stdout);
    assert_eq!((low.pid(), high.pid()), (Some(before), None));

    assert_eq!(place.steps(&words), planned);
    assert!(high.pid().is_some() && low.processes().is_empty());
    // It was less important, and nobody needed what it has.
    assert_eq!(small.pid(), Some(kept));
}

// F4
#[test]
fn what_never_fits_is_refused_and_nothing_was_stopped() {
    let mut place = Place::new(1);
    let runs = place.service("runs", 0, 50_000, "", "priority: 10");
    let pinned = place.service("pinned", 0, 20_000, "", "priority: 1, pinned: true");
    let _ = place.service("huge", 0, 81_800, "", "priority: 90");
    let _ = place.service("large", 0, 70_000, "", "priority: 90");
    place.ensure(&["runs", "pinned"]);
    let pids = (runs.pid(), pinned.pid());

    for verb in [&["service", "ensure"][..], &["switch"][..]] {
        place.lem(&[verb, &["huge"]].concat()).expect(4).says(&["81800 MiB", "81920 MiB"]);
        let ended = place.lem(&[verb, &["large", "--preempt"]].concat()).expect(4);
        ended.says(&["70000 MiB", "service `pinned` (20000 MiB, pinned)"]);
        assert_eq!((runs.pid(), pinned.pid()), pids);
    }
}

// F5
#[test]
fn the_idle_go_before_those_that_compute_and_those_used_last_stay() {
    let mut place = Place::new(1);
    let _busy = place.service("busy", 0, 20_000, "--utilization 35", "priority: 10");
    let _early = place.service("early", 0, 20_000, "", "priority: 10");
    let _late = place.service("late", 0, 20_000, "", "priority: 10");
    let _equal = place.service("equal", 0, 10_000, "", "priority: 50");
    let _next = place.service("next", 0, 20_000, "", "priority: 50");
    let _more = place.service("more", 0, 40_000, "", "priority: 50");
    let _most = place.service("most", 0, 70_000, "", "priority: 50");
    for name in ["busy", "late", "early", "equal", "late"] {
        place.ensure(&[name]);
    }
    assert_eq!(place.victims("next"), ["early"]);
    assert_eq!(place.victims("more"), ["early", "late"]);
    let refused = place.lem(&["service", "ensure", "most", "--dry-run"]).expect(4);
    refused.says(&["service `equal` (10000 MiB, as important)", "`lem switch most`"]);
    let steps = place.steps(&["service", "ensure", "most", "--preempt", "--dry-run"]);
    assert_eq!(steps.iter().filter(|step| step.starts_with("stop ")).count(), 4, "{steps:?}");
}

// F8
#[test]
fn the_next_one_starts_when_the_previous_one_is_gone() {
    let mut place = Place::new(1);
    let first = place.service("first", 0, 50_000, "--stop 700ms", "");
    let second = place.service("second", 0, 10_000, "", "");
    place.ensure(&["first"]);
    place.lem(&["switch", "second"]).expect(0);
    assert!(place.when("second", "started") >= place.when("first", "stopped"));
    assert!(first.processes().is_empty() && second.pid().is_some());
}

// F8
#[test]
fn a_stop_that_fails_does_not_start_the_next_model() {
    let mut place = Place::new(1);
    let keys = "stop_grace_period: 300ms";
    let first = place.service("first", 0, 50_000, "--ignore-term", keys);
    let second = place.service("second", 0, 50_000, "", "");
    place.ensure(&["first"]);
    place.lem(&["switch", "second"]).expect(1).says(&["`first` did not stop"]);
    assert!(diary(place.diary_of("second"), "started").is_empty());
    assert_eq!((first.pid().is_some(), second.pid()), (true, None));
}

// F9
#[test]
fn the_next_one_starts_when_the_memory_is_back_and_not_when_its_holder_is_gone() {
    let mut place = Place::new(1);
    let _first = place.service("first", 0, 50_000, "--vram-lag 1500ms", "");
    let _second = place.service("second", 0, 50_000, "", "");
    place.ensure(&["first"]);
    place.lem(&["switch", "second"]).expect(0);
    let waited = place.when("second", "started") - place.when("first", "stopped");
    assert!((1490..15_000).contains(&waited), "{waited} ms");
}

// F9
#[test]
fn memory_that_does_not_come_back_is_an_error_that_names_who_has_it() {
    let mut place = Place::new(1);
    place.registry.insert_str(0, "recovery_timeout: 700ms\n");
    let _first = place.service("first", 0, 50_000, "--stop 1s", "");
    let second = place.service("second", 0, 50_000, "", "");
    place.ensure(&["first"]);
    let mut switch = place.start(&["switch", "second"]);
    eventually("the first is told to stop", || {
        (!diary(place.diary_of("first"), "told to stop").is_empty()).then_some(())
    });
    // In the gap somebody takes what was to become free: what is free falls, and then rises.
    let (_server, started) = stranger(&place, 40_000);
    let ended = switch.wait().expect(4);
    ended.says(&[
        "GPU 0 has 41320 MiB free, and service `second` needs 50000 MiB, with 2500 MiB to spare",
        &format!("held by pid {} (model_server) (40000 MiB)", started.0.id()),
    ]);
    assert_eq!((second.pid(), second.processes().len()), (None, 0));
}

// F9
#[test]
fn memory_of_what_was_stopped_a_moment_ago_is_waited_for() {
    let mut place = Place::new(1);
    let _first = place.service("first", 0, 50_000, "--vram-lag 1s", "");
    let second = place.service("second", 0, 50_000, "", "");
    place.ensure(&["first"]);
    place.lem(&["service", "stop", "first"]).expect(0);
    place.ensure(&["second"]);
    assert!(second.pid().is_some());
    assert!(place.when("second", "started") - place.when("first", "stopped") >= 990);
}

/// Somebody who is no service takes `mib` of the first GPU.
fn stranger(place: &Place, mib: u64) -> (ModelServer, Started) {
    let server = ModelServer::new("stranger").on(&place.fake, 0, mib);
    let started = server.start();
    server.loads();
    eventually("the stranger has its memory", || {
        let processes = place.fake.gpu(0)["processes"].clone();
        let has = |one: &Value| one["pid"] == started.0.id() && one["mib"] == mib;
        processes.as_array().unwrap().iter().any(has).then_some(())
    });
    (server, started)
}

// F39
#[test]
fn memory_that_is_no_services_is_named_and_never_taken() {
    let mut place = Place::new(1);
    let runs = place.service("runs", 0, 10_000, "", "priority: 1");
    let _next = place.service("next", 0, 30_000, "", "priority: 90");
    place.ensure(&["runs"]);
    let (server, started) = stranger(&place, 60_000);
    let pid = started.0.id();
    let refused = place.lem(&["service", "ensure", "next", "--preempt"]).expect(4);
    refused.says(&[&format!("pid {pid} (model_server)"), "60000 MiB, no service of the registry"]);
    assert_eq!(server.pid(), Some(pid));
    assert!(runs.pid().is_some());
}

// F3
#[test]
fn a_service_that_holds_more_than_it_declares_leaves_less_to_others() {
    let mut place = Place::new(1);
    let greedy = ModelServer::new("greedy").on(&place.fake, 0, 60_000);
    place.register(&greedy, 20_000, "priority: 10");
    let _next = place.service("next", 0, 30_000, "", "priority: 90");
    place.ensure(&["greedy"]);
    let planned = place.steps(&["service", "ensure", "next", "--dry-run"]);
    assert_eq!(planned, [r#"stop greedy {"0":60000}"#, r#"start next {"0":30000}"#]);
}

// F3
#[test]
fn a_service_that_has_not_taken_its_memory_yet_keeps_its_share() {
    let mut place = Place::new(1);
    let lazy = place.service("lazy", 0, 60_000, "--lazy", "priority: 90");
    let _next = place.service("next", 0, 30_000, "", "priority: 10");
    place.ensure(&["lazy"]);
    let refused = place.lem(&["service", "ensure", "next"]).expect(4);
    refused.says(&["service `lazy` (60000 MiB, more important)"]);
    assert!(lazy.pid().is_some());
}

// F38
#[test]
fn only_the_gpus_that_a_service_names_count_for_it() {
    let mut place = Place::new(2);
    let on_first = place.service("on-first", 0, 60_000, "", "priority: 10, gpus: [0]");
    let uuid = "gpus: [GPU-00000001-fake]";
    let on_second = place.service("on-second", 1, 60_000, "", &format!("priority: 10, {uuid}"));
    let beside = place.service("beside", 1, 10_000, "", "priority: 10, gpus: ['GPU-00000001']");
    let next = place.service("next", 1, 60_000, "", "priority: 50, gpus: [1]");
    let both = place.service("both", 0, 60_000, "--gpu 1", "priority: 60");
    let _none = place.service("none", 0, 100, "", "gpus: [7]");
    place.ensure(&["on-first", "on-second", "beside"]);
    let kept = (on_first.pid(), beside.pid());
    place.ensure(&["next"]);
    assert_eq!((on_first.pid(), beside.pid()), kept);
    assert!(on_second.processes().is_empty() && next.pid().is_some());

    let planned = place.steps(&["service", "ensure", "both", "--dry-run"]);
    assert_eq!(
        planned,
        [
            r#"stop on-first {"0":60000}"#,
            r#"stop next {"1":60000}"#,
            r#"start both {"0":60000,"1":60000}"#
        ]
    );
    assert!(both.processes().is_empty());
    place.lem(&["service", "ensure", "none"]).expect(2).says(&["GPU `7`", "`lem gpu`"]);
}

// F40
#[test]
fn without_a_driver_what_services_declare_counts_against_the_budget() {
    let mut place = Place::new(1);
    place.registry.insert_str(0, "vram_total: 24GiB\n");
    let low = place.service("low", 0, 18_000, "", "priority: 10");
    let small = place.service("small", 0, 2000, "", "priority: 1");
    let high = place.service("high", 0, 20_000, "", "priority: 90");
    let _huge = place.service("huge", 0, 25_000, "", "priority: 90");
    let lem = |words: &[&str]| {
        let mut command = place.scene.command(words);
        Running::start(command.env("LEM_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so.1")).wait()
    };
    lem(&["service", "ensure", "low", "small"]).expect(0);
    lem(&["service", "ensure", "huge"]).expect(4).says(&["25000 MiB", "24576 MiB"]);
    assert!(low.pid().is_some());
    lem(&["service", "ensure", "high"]).expect(0);
    assert!(high.pid().is_some() && small.pid().is_some() && low.processes().is_empty());
}

// F40
#[test]
fn without_driver_and_budget_nothing_is_checked_and_that_is_said_once() {
    let mut place = Place::new(1);
    let a = place.service("a", 0, 900_000, "", "");
    let b = place.service("b", 0, 900_000, "", "");
    let mut command = place.scene.command(&["service", "ensure", "a", "b"]);
    let nowhere = "/nonexistent/libnvidia-ml.so.1";
    let ended = Running::start(command.env("LEM_NVML_LIBRARY", nowhere)).wait().expect(0);
    ended.says(&["vram_total"]);
    assert_eq!(ended.stderr.matches("vram_total").count(), 1, "{}", ended.stderr);
    assert!(a.pid().is_some() && b.pid().is_some());
}

// F40
#[test]
fn a_gpu_that_does_not_tell_its_memory_needs_a_budget() {
    let mut place = Place::new(1);
    place.fake.set(0, "total_mib", Value::Null);
    let a = place.service("a", 0, 20_000, "", "");
    place.lem(&["service", "ensure", "a"]).expect(3).says(&["GPU 0 does not say", "vram_total"]);
    assert_eq!(a.pid(), None);
    place.registry.insert_str(0, "vram_total: 128GiB\n");
    place.scene.write("services.yaml", &place.registry);
    place.ensure(&["a"]);
    assert!(a.pid().is_some());
    assert_eq!(place.fake.gpu(0)["total_mib"], json!(null));
}
