//! Health through `lem` (F10–F15, F18, F23): servers that load, hang, die, lie, and belong to
//! somebody else; as processes and in containers.

use std::time::{Duration, Instant};

use crate::support::gpu::FakeGpu;
use crate::support::{Ended, ModelServer, Running, Scene, engine, eventually};

/// What a busy machine may add to a wait that ends by a limit.
const SLACK: Duration = Duration::from_secs(15);
/// A limit that no test reaches.
const NEVER: &str = "600s";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Native,
    Docker,
}

/// A registry, with a Compose file for what lives in containers.
struct Place {
    scene: Scene,
    kind: Kind,
    registry: String,
    compose: String,
}

impl Place {
    fn new(kind: Kind) -> Self {
        let scene = match kind {
            Kind::Native => Scene::without_containers(),
            Kind::Docker => Scene::new(),
        };
        let registry = "defaults: {retry: {attempts: 1}}\nservices:\n".to_owned();
        Self { scene, kind, registry, compose: String::new() }
    }

    /// A server with a probe of `/health`.
    fn service(&mut self, name: &str, options: &str, health: &str, keys: &str) -> ModelServer {
        let server = ModelServer::new(name).with(options);
        let url = server.url("/health");
        self.register(&server, &format!("health: {{url: '{url}', {health}}}, {keys}"));
        server
    }

    fn register(&mut self, server: &ModelServer, keys: &str) {
        let (name, port) = (&server.name, server.port);
        let lives = match self.kind {
            Kind::Native => format!("type: native, start_cmd: {}", server.start_cmd()),
            Kind::Docker => {
                let command = server.command_in_image();
                self.compose += &format!(
                    "  {name}: {{image: <model>, command: {command}, \
                     ports: ['127.0.0.1:{port}:{port}']}}\n"
                );
                self.scene.services(&self.compose);
                format!("type: docker, service: {name}")
            }
        };
        self.registry += &format!("  {name}: {{{lives}, {keys}}}\n");
        self.scene.write("services.yaml", &self.registry);
    }

    fn lem(&self, words: &[&str]) -> Ended {
        self.scene.lem(words)
    }

    fn ensure(&self, name: &str) -> Ended {
        self.lem(&["service", "ensure", name])
    }

    /// Nothing of a service runs.
    #[track_caller]
    fn is_over(&self, server: &ModelServer) {
        match self.kind {
            Kind::Native => {
                eventually("it has ended", || server.processes().is_empty().then_some(()));
            }
            Kind::Docker => {
                let running = self.scene.compose(&["ps", "--quiet", &server.name]);
                assert_eq!(running.trim(), "");
            }
        }
    }
}

macro_rules! for_each_kind {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn native() {
                super::$name(super::Kind::Native);
            }

            #[test]
            fn docker() {
                super::$name(super::Kind::Docker);
            }
        }
    )*};
}

for_each_kind!(
    f10_a_server_that_hangs_ends_the_start_at_its_timeout,
    f11_a_server_that_dies_while_it_warms_up_is_told_at_once_with_its_last_words,
    f12_a_foreign_server_on_the_port_is_refused_and_nothing_is_started,
    f15_a_server_that_goes_on_talking_may_load_for_longer_than_its_timeout,
    f15_a_server_that_falls_silent_is_stuck,
    f18_a_server_that_loads_is_waited_for,
);

fn f10_a_server_that_hangs_ends_the_start_at_its_timeout(kind: Kind) {
    let mut place = Place::new(kind);
    let server = place.service("hung", "--hang", "timeout: 2s", "");
    let began = Instant::now();
    let ended = place.ensure("hung").expect(1);
    assert!(began.elapsed() < Duration::from_secs(2) + SLACK, "{:?}", began.elapsed());
    ended.says(&["`hung` is not healthy after", "no answer within", "`health.timeout`"]);
    place.is_over(&server);
}

fn f11_a_server_that_dies_while_it_warms_up_is_told_at_once_with_its_last_words(kind: Kind) {
    let mut place = Place::new(kind);
    let keys = format!("warm_time: {NEVER}");
    let options = "--load 600s --exit-after 300ms --exit-code 3";
    let server = place.service("mortal", options, "", &keys);
    let began = Instant::now();
    let ended = place.ensure("mortal").expect(1);
    assert!(began.elapsed() < SLACK * 2, "{:?}", began.elapsed());
    ended.says(&["`mortal` ended while it started", "exit code 3", "CUDA error: out of memory"]);
    place.is_over(&server);
}

fn f12_a_foreign_server_on_the_port_is_refused_and_nothing_is_started(kind: Kind) {
    let mut place = Place::new(kind);
    let server = place.service("mine", "", "", "");
    let foreign = server.start();
    let pid = server.answers();
    let ended = place.ensure("mine").expect(1);
    ended.says(&["is answered already", &format!("pid {pid}"), "it was not started"]);
    assert_eq!(server.processes(), [pid]);
    drop(foreign);
    server.is_silent();
    place.ensure("mine").expect(0);
    place.lem(&["service", "stop", "mine"]).expect(0);
}

fn f15_a_server_that_goes_on_talking_may_load_for_longer_than_its_timeout(kind: Kind) {
    let mut place = Place::new(kind);
    let health = "timeout: 1s, stall_timeout: 60s";
    place.service("slow", "--load 2500ms --print-every 100ms", health, "");
    place.ensure("slow").expect(0);
    place.lem(&["service", "stop", "slow"]).expect(0);
}

fn f15_a_server_that_falls_silent_is_stuck(kind: Kind) {
    let mut place = Place::new(kind);
    let options = "--load 600s --print-every 100ms --print-for 500ms";
    let health = format!("timeout: {NEVER}, stall_timeout: 2s");
    let server = place.service("stuck", options, &health, "");
    let began = Instant::now();
    place.ensure("stuck").expect(1).says(&["it answers 503", "`health.stall_timeout`"]);
    assert!(began.elapsed() < Duration::from_secs(3) + SLACK, "{:?}", began.elapsed());
    place.is_over(&server);
}

fn f18_a_server_that_loads_is_waited_for(kind: Kind) {
    let mut place = Place::new(kind);
    let server = place.service("slow", "--load 1500ms", "", "");
    place.lem(&["service", "wait", "slow"]).expect(1).says(&["`slow` is not running"]);
    let mut start = place.scene.start(&["service", "ensure", "slow"]);
    place.lem(&["service", "wait", "slow", "--timeout", NEVER]).expect(0);
    server.loads();
    start.wait().expect(0);
    let json = place.lem(&["service", "wait", "slow", "--json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["services"][0], &json["error"]), (&"slow".into(), &None::<()>.into()));
    place.lem(&["service", "stop", "slow"]).expect(0);
}

#[test]
fn f12_the_container_that_has_the_port_is_named() {
    let mut place = Place::new(Kind::Docker);
    let server = place.service("first", "", "", "");
    place.ensure("first").expect(0);
    let name = place.scene.compose(&["ps", "--format", "{{.Name}}", "first"]);
    let words = "type: native, start_cmd: [sleep, '600']";
    let other = place.scene.path("other.yaml");
    let text =
        format!("services: {{second: {{{words}, health: {{url: '{}'}}}}}}", server.url("/health"));
    place.scene.write("other.yaml", &text);
    let registry = other.to_str().unwrap();
    let ended = place.lem(&["service", "ensure", "second", "--registry", registry]).expect(1);
    ended.says(&["is answered already", name.trim()]);
    place.lem(&["service", "stop", "first"]).expect(0);
    assert_eq!(engine::docker(&["ps", "--quiet", "--filter", &format!("name={name}")]), "");
}

#[test]
fn f13_the_first_probe_comes_after_the_warm_time() {
    let mut place = Place::new(Kind::Native);
    place.service("warm", "", "", "warm_time: 1500ms");
    let began = Instant::now();
    place.ensure("warm").expect(0).says(&["warms up for 1.5s"]);
    assert!(began.elapsed() >= Duration::from_millis(1500));
    // It is warm by now, and healthy at the first question.
    let began = Instant::now();
    place.lem(&["service", "wait", "warm"]).expect(0);
    assert!(began.elapsed() < SLACK);
    place.lem(&["service", "stop", "warm"]).expect(0);
}

#[test]
fn f14_a_server_that_is_up_and_does_not_work_is_not_healthy() {
    let mut place = Place::new(Kind::Native);
    let ready = |server: &ModelServer, expect: &str| {
        format!(
            "health: {{url: '{}', timeout: 2s}}, \
             ready: {{post: '{}', body: {{prompt: one}}, expect: {expect}}}",
            server.url("/health"),
            server.url("/generate"),
        )
    };
    let broken = ModelServer::new("broken").with("--generate-status 500");
    place.register(&broken, &ready(&broken, "{/echo/prompt: one}"));
    let wrong = ModelServer::new("wrong");
    place.register(&wrong, &ready(&wrong, "{/echo/prompt: two}"));
    let right = ModelServer::new("right");
    place.register(&right, &ready(&right, "{/echo/prompt: one}"));
    place.ensure("broken").expect(1).says(&["it answers 500"]);
    place.ensure("wrong").expect(1).says(&["at `/echo/prompt` its answer is not `\"two\"`"]);
    place.is_over(&broken);
    place.is_over(&wrong);
    place.ensure("right").expect(0);
    place.lem(&["service", "stop", "right"]).expect(0);
}

#[test]
fn a_redirect_to_another_server_never_counts() {
    let mut place = Place::new(Kind::Native);
    let other = ModelServer::new("other");
    let _other = other.start();
    other.answers();
    let options = format!("--redirect {}", other.url("/ok"));
    let server = place.service("away", &options, "timeout: 2s", "");
    place.ensure("away").expect(1).says(&["which is another server", &other.url("/ok")]);
    place.is_over(&server);
    place.service("near", "--redirect /ok", "", "");
    place.ensure("near").expect(0);
    place.lem(&["service", "stop", "near"]).expect(0);
}

#[test]
fn a_wait_that_takes_too_long_ends_with_124_and_changes_nothing() {
    let mut place = Place::new(Kind::Native);
    let server = place.service("slow", "--load 600s", &format!("timeout: {NEVER}"), "");
    let wait = ["service", "wait", "slow", "--timeout", "1s"];
    place.lem(&wait).expect(124).says(&["it does not run"]);
    let mut start = place.scene.start(&["service", "ensure", "slow"]);
    server.answers();
    place.lem(&wait).expect(124).says(&["it answers 503", "`--timeout`"]);
    assert!(server.pid().is_some() && !start.has_ended());
    start.signal(nix::sys::signal::Signal::SIGINT);
    start.wait().expect(130);
    place.is_over(&server);
}

#[test]
fn a_container_without_a_probe_is_healthy_when_its_own_healthcheck_says_so() {
    let scene = Scene::new();
    let check = "healthcheck: {test: [CMD, test, '-e', /tmp/ok], interval: 1s}";
    let script = |words: &str| {
        format!(
            "{{image: <busybox>, init: true, command: [sh, '-c', '{words}; sleep 600'], {check}}}"
        )
    };
    let (well, ill) = (script("sleep 1; touch /tmp/ok"), script("true"));
    scene.services(&format!("  well: {well}\n  ill: {ill}\n"));
    scene.write(
        "services.yaml",
        "defaults: {retry: {attempts: 1}}\nservices:\n  well: {service: well}\n  \
         ill: {service: ill, health: {timeout: 2s}}\n",
    );
    scene.lem(&["service", "ensure", "well"]).expect(0);
    let health = scene.compose(&["ps", "--format", "{{.Health}}", "well"]);
    assert_eq!(health.trim(), "healthy");
    let ended = scene.lem(&["service", "ensure", "ill"]).expect(1);
    ended.says(&["its healthcheck has not passed yet"]);
    scene.lem(&["service", "stop", "well"]).expect(0);
}

/// F23: a server on a made-up GPU, asked to free its memory.
#[test]
fn f23_each_way_to_evict_is_judged_by_memory_and_a_liar_is_found_out() {
    let (scene, fake) = (Scene::without_containers(), FakeGpu::idle(1));
    let kinds = [
        ("ollama", "--models x,y --evict-lag 300ms"),
        ("vllm-sleep", "--evict-lag 300ms"),
        ("comfyui-free", "--evict-lag 300ms"),
        ("http", "--evict-lag 300ms"),
        ("vllm-sleep", "--vram-keeps"),
        ("ollama", "--vram-keeps"),
    ];
    let mut registry = "services:\n".to_owned();
    let mut servers = Vec::new();
    for (number, (kind, options)) in kinds.into_iter().enumerate() {
        let name = format!("s{number}");
        let server = ModelServer::new(&name).on(&fake, 0, 5000).with(options);
        let url = if kind == "http" {
            format!(", post: '{}'", server.url("/free"))
        } else {
            String::new()
        };
        registry += &format!(
            "  {name}: {{type: native, vram: 5000MiB, start_cmd: {}, health: {{url: '{}'}}, \
             evict: {{kind: {kind}{url}}}}}\n",
            server.start_cmd(),
            server.url("/health"),
        );
        servers.push(server);
    }
    scene.write("services.yaml", &registry);
    let lem = |words: &[&str]| Running::start(fake.furnish(&mut scene.command(words))).wait();
    let all: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    lem(&[&["service", "ensure"], &all[..]].concat()).expect(0);
    let pids: Vec<Option<u32>> = servers.iter().map(ModelServer::pid).collect();
    // A liar costs the whole limit.
    let evict = |name: &str| {
        Running::start(fake.furnish(&mut scene.command(&["service", "evict", name, "--json"])))
    };
    let evicting: Vec<Running> = all.iter().map(|name| evict(name)).collect();
    for (mut evicting, (kind, options)) in evicting.into_iter().zip(kinds) {
        let ended = evicting.wait();
        if options.contains("keeps") {
            ended.expect(1).says(&["did not free its memory"]);
        } else {
            let json: serde_json::Value = serde_json::from_str(&ended.expect(0).stdout).unwrap();
            let freed = [&json["services"][0]["before_mib"], &json["services"][0]["after_mib"]];
            assert_eq!(freed, [5000, 0], "{kind}");
        }
    }
    // They run on.
    assert!(pids.iter().all(Option::is_some));
    assert_eq!(servers.iter().map(ModelServer::pid).collect::<Vec<_>>(), pids);
}
