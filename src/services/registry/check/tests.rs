//! F1: one service's keys, checked.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::engine::compose::{ComposeProgram, Project};
use crate::services::service::{CommandLine, Evict, Expect, Kind, Life, Method, Service};
use crate::yaml::keys;

fn around() -> Around {
    Around {
        defaults: ServiceKeys::default(),
        project: Project {
            compose: ComposeProgram::Plugin { docker: "docker".into() },
            name: None,
            files: Vec::new(),
            env_files: Vec::new(),
            profiles: Vec::new(),
            directory: "/r".into(),
        },
        gpus: None,
        grace: None,
    }
}

fn of(text: &str, around: &Around) -> Result<Service, Refusal> {
    let keys: ServiceKeys = keys::parse(Path::new("services.yaml"), text).unwrap();
    service("a", keys, around, Path::new("/r"))
}

fn understood(text: &str) -> Service {
    of(text, &around()).unwrap()
}

fn refused(text: &str) -> (&'static str, String) {
    let Refusal { key, reason } = of(text, &around()).unwrap_err();
    (key, reason)
}

#[test]
fn a_service_that_says_little_has_the_documented_defaults() {
    let service = understood("start_cmd: ./a.sh");
    assert_eq!((service.need, service.priority), (Mebibytes(0), 50));
    assert_eq!((service.gpus, service.pinned), (GpuChoice::All, false));
    let Kind::Native(native) = service.kind else { panic!("{:?}", service.kind) };
    assert_eq!((native.directory.as_path(), native.life), (Path::new("/r"), Life::Foreground));
    assert_eq!(native.start, CommandLine::Shell("./a.sh".into()));
    let health = service.health;
    assert_eq!((health.timeout.as_secs(), health.interval.as_millis()), (60, 250));
    assert_eq!((health.attempt_timeout.as_secs(), health.stable.as_secs()), (5, 1));
    assert_eq!((health.warm_time, health.success_threshold), (Duration::ZERO, 1));
    let retry = service.retry;
    assert_eq!((retry.attempts, retry.delay.as_secs(), retry.max_delay.as_secs()), (3, 2, 30));
    assert_eq!((retry.factor, retry.jitter), (2.0, 0.1));
    assert_eq!((service.stop.signal.as_str(), service.stop.grace.as_secs()), ("TERM", 30));
    assert_eq!(service.stop.after_grace, AfterGrace::Fail);
    assert_eq!(service.sequence, Sequence::OneAfterTheOther);
    assert_eq!(service.on_failure, OnFailure::LeaveStopped);
}

#[test]
fn every_other_name_of_a_key_means_the_same() {
    let main = "{start_cmd: [a, 1], vram: 20000MiB, evict: {kind: ollama, url: 'http://h:1'}, \
                health: {url: 'http://h:1/x', timeout: 120, max_attempts: 30}}";
    let other = "{start_cmd: [a, 1], vram_mb: 20000, evict_api: 'http://h:1/api/generate', \
                 health: {retries: 30}, health_endpoint: 'http://h:1/x', health_timeout: 2m}";
    assert_eq!(understood(main), understood(other));
    for (twice, key) in [
        ("{start_cmd: a, vram: 1GiB, vram_mb: 1}", "vram"),
        ("{start_cmd: a, health: {timeout: 1}, health_timeout: 1}", "health_timeout"),
        ("{start_cmd: a, health: {retries: 1, max_attempts: 1}}", "health.retries"),
    ] {
        let (refused, reason) = refused(twice);
        assert_eq!((refused, reason.contains("keep one")), (key, true), "{twice}");
    }
}

#[test]
fn a_docker_service_is_a_compose_service_or_a_container() {
    let Kind::Compose(compose) = understood("service: vllm").kind else { panic!() };
    assert_eq!((compose.service.as_str(), compose.project.name), ("vllm", None));
    assert_eq!(understood("container_name: x").kind, Kind::Container { name: "x".into() });
    for (text, key) in [
        ("type: docker", "type"),
        ("type: native", "type"),
        ("priority: 1", "type"),
        ("{service: a, container_name: b}", "container_name"),
        ("{type: native, container_name: b}", "container_name"),
        ("{service: a, start_cmd: b}", "start_cmd"),
        ("{service: a, stop_signal: INT}", "stop_signal"),
        ("{container_name: --rm}", "container_name"),
        ("{service: 'a b'}", "service"),
    ] {
        assert_eq!(refused(text).0, key, "{text}");
    }
}

#[test]
fn what_a_compose_file_says_is_the_default_of_what_it_can_say() {
    let gpus = Some(GpuChoice::Named(vec!["1".into()]));
    let around = Around { gpus: gpus.clone(), grace: Some(Duration::from_secs(120)), ..around() };
    let silent = of("service: a", &around).unwrap();
    assert_eq!((Some(silent.gpus), silent.stop.grace.as_secs()), (gpus, 120));
    let says = of("{service: a, gpus: [0, GPU-4f], stop_grace_period: 5}", &around).unwrap();
    assert_eq!(says.gpus, GpuChoice::Named(vec!["0".into(), "GPU-4f".into()]));
    assert_eq!(says.stop.grace.as_secs(), 5);
}

#[test]
fn defaults_hold_where_a_service_is_silent_key_by_key() {
    let defaults = "{priority: 7, health: {timeout: 9, interval: 1}, retry: {attempts: 5}, \
                    vram: 1GiB, environment: {A: 1, B: 2}}";
    let defaults = keys::parse(Path::new("services.yaml"), defaults).unwrap();
    let around = Around { defaults, ..around() };
    let text = "{start_cmd: a, health: {timeout: 3}, retry: {delay: 1}, vram_mb: 5, \
                environment: {B: 3}}";
    let service = of(text, &around).unwrap();
    assert_eq!((service.priority, service.need), (7, Mebibytes(5)));
    assert_eq!((service.health.timeout.as_secs(), service.health.interval.as_secs()), (3, 1));
    assert_eq!((service.retry.attempts, service.retry.delay.as_secs()), (5, 1));
    let Kind::Native(native) = service.kind else { panic!() };
    assert_eq!(native.environment.into_values().collect::<String>(), "13");
    // What only a native service has is no mistake in the defaults of all.
    assert!(of("service: a", &around).is_ok());
}

#[test]
fn a_native_service_has_paths_of_its_registry_and_a_signal_that_exists() {
    let text = "{start_cmd: [./a, --port, 80], directory: run, pid_file: a.pid, daemon: true, \
                stop_signal: SIGINT, stop_cmd: ./stop --skill}";
    let service = understood(text);
    let Kind::Native(native) = service.kind else { panic!() };
    assert_eq!(native.directory, Path::new("/r/run"));
    assert_eq!(
        (native.pid_file.as_deref(), native.life),
        (Some("/r/a.pid".as_ref()), Life::Daemon)
    );
    let words = ["./a", "--port", "80"].map(str::to_owned).to_vec();
    assert_eq!((native.start, service.stop.signal.as_str()), (CommandLine::Words(words), "INT"));
    for (text, key) in [
        ("{start_cmd: a, daemon: true}", "daemon"),
        ("{start_cmd: a, stop_signal: SIGSTOPP}", "stop_signal"),
        ("start_cmd: ' '", "start_cmd"),
        ("start_cmd: []", "start_cmd"),
        ("{start_cmd: a, environment: {'A=B': c}}", "environment"),
    ] {
        assert_eq!(refused(text).0, key, "{text}");
    }
}

// 6.4: `pkill -f vidi` ends nvidia-smi.
#[test]
fn nothing_is_ended_by_a_part_of_its_name() {
    for stop in ["pkill -f 'vidi'", "[/usr/bin/pkill, -f, vidi]", "[sh, -c, 'x; killall vidi']"] {
        let (key, reason) = refused(&format!("{{start_cmd: a, stop_cmd: {stop}}}"));
        assert_eq!(key, "stop_cmd", "{stop}");
        assert!(reason.contains("leave `stop_cmd` out"), "{reason}");
    }
}

#[test]
fn a_probe_says_where_and_what_it_expects() {
    let text = "{container_name: c, warm_time: 3, health: {url: 'http://h/x', status: [200, 204], \
                expect: ok}, ready: {post: 'http://h/y', body: {n: 1}, headers: {X-A: b}, \
                expect: {/done: true, /n: 1}}}";
    let health = understood(text).health;
    let probe = health.probe.unwrap();
    assert_eq!((probe.method, probe.url.as_str()), (Method::Get, "http://h/x"));
    assert_eq!(probe.status.into_iter().collect::<Vec<_>>(), [200, 204]);
    assert_eq!(probe.expect, [Expect::Contains("ok".into())]);
    let ready = health.ready.unwrap();
    assert_eq!((ready.method, ready.expect.len(), ready.body.is_some()), (Method::Post, 2, true));
    for (keys, key) in [
        ("health: {url: 'h:1/x'}", "health.url"),
        ("health_endpoint: 'ftp://h/x'", "health.url"),
        ("health: {timeout: 0}", "health.timeout"),
        ("health: {interval: 0}", "health.interval"),
        ("health: {max_attempts: 0}", "health.max_attempts"),
        ("health: {headers: {'a b': c}}", "health.url"),
        ("ready: {}", "ready"),
        ("ready: {get: 'http://h', body: x}", "ready.body"),
        ("ready: {get: 'http://h', post: 'http://h'}", "ready"),
        ("retry: {attempts: 0}", "retry.attempts"),
        ("retry: {factor: 0.5}", "retry.factor"),
        ("retry: {jitter: 2}", "retry.jitter"),
        ("vram: 1GiB, gpus: none", "gpus"),
        ("gpus: [0, 0]", "gpus"),
        ("depends_on: [a]", "depends_on"),
    ] {
        match of(&format!("{{container_name: c, {keys}}}"), &around()) {
            Err(refusal) => assert_eq!(refusal.key, key, "{keys}"),
            // Headers without a URL are sent nowhere.
            Ok(_) => assert_eq!(keys, "health: {headers: {'a b': c}}"),
        }
    }
}

// F23
#[test]
fn memory_is_freed_in_the_words_of_the_server() {
    let evict = |keys: &str| {
        let health = "health: {url: 'http://127.0.0.1:11434/api/tags'}";
        of(&format!("{{container_name: c, {health}, evict: {keys}}}"), &around())
            .map(|service| service.evict.unwrap())
    };
    let base = "http://127.0.0.1:11434".to_owned();
    assert_eq!(evict("{kind: ollama}"), Ok(Evict::Ollama { base: base.clone() }));
    assert_eq!(evict("{kind: vllm-sleep, level: 2}"), Ok(Evict::VllmSleep { base, level: 2 }));
    let elsewhere = Evict::ComfyuiFree { base: "http://h:1".into() };
    assert_eq!(evict("{kind: comfyui-free, url: 'http://h:1/x'}"), Ok(elsewhere));
    let Ok(Evict::Http(probe)) = evict("{kind: http, url: 'http://h/free', body: {all: true}}")
    else {
        panic!()
    };
    assert_eq!((probe.method, probe.url.as_str()), (Method::Post, "http://h/free"));
    for (keys, key) in [
        ("{url: 'http://h'}", "evict.kind"),
        ("{kind: ollama, body: x}", "evict.body"),
        ("{kind: ollama, level: 1}", "evict.level"),
        ("{kind: vllm-sleep, level: 3}", "evict.level"),
        ("{kind: http}", "evict"),
        ("{kind: http, get: 'http://h', url: 'http://h'}", "evict.url"),
    ] {
        assert_eq!(evict(keys).unwrap_err().key, key, "{keys}");
    }
    assert_eq!(refused("{container_name: c, evict: {kind: ollama}}").0, "evict.url");
}

#[test]
fn a_name_that_would_lead_to_another_folder_is_none() {
    for name in ["../x", "", "a/b", "-a", ".a", &"a".repeat(65)] {
        let keys = ServiceKeys { service: Some("s".into()), ..ServiceKeys::default() };
        assert!(service(name, keys, &around(), Path::new("/r")).is_err(), "{name}");
    }
}
