//! The settings of services, in the words of the registry: as JSON, and as lines for people.
//!
//! Times are seconds, as a bare number is in the registry.

use serde_json::{Map, Value, json};

use super::out;
use crate::services::registry::{Budget, Registry};
use crate::services::service::{
    AfterGrace, CommandLine, Evict, Expect, GpuChoice, Health, Kind, Life, Method, OnFailure,
    Probe, Retry, Sequence, Service,
};

/// The whole registry as one object.
pub(in crate::cli) fn document(registry: &Registry) -> Value {
    let services = registry.services.values();
    let services: Map<String, Value> =
        services.map(|service| (service.name.clone(), settings(service))).collect();
    let vram_total = match &registry.budget {
        Budget::Unsaid => Value::Null,
        Budget::Each(amount) => json!(amount),
        Budget::Of(amounts) => json!(amounts),
    };
    let warnings = [&registry.warnings[..], &registry.remarks[..]].concat();
    json!({
        "registry": registry.place,
        "headroom": registry.headroom.to_string(),
        "vram_total": vram_total,
        "services": services,
        "warnings": warnings,
    })
}

/// A paragraph for each service, a line for each setting that it has.
pub(in crate::cli) fn list(registry: &Registry) {
    out(&format!("registry  {}", registry.place.display()));
    out(&format!("headroom  {}", registry.headroom));
    for service in registry.services.values() {
        out(&format!("\n{}", service.name));
        let mut lines = Vec::new();
        flatten("", &settings(service), &mut lines);
        let width = lines.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
        for (key, value) in lines {
            out(&format!("  {key:width$}  {value}"));
        }
    }
}

/// How keys end whose values are times.
const TIMES: [&str; 6] = ["timeout", "interval", "stable", "_time", "_period", "delay"];

fn flatten(above: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if above.is_empty() { "" } else { "." };
                flatten(&format!("{above}{dot}{key}"), value, lines);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Number(seconds) if TIMES.iter().any(|time| above.ends_with(time)) => {
            lines.push((above.to_owned(), format!("{seconds} s")));
        }
        Value::String(text) => lines.push((above.to_owned(), text.clone())),
        other => lines.push((above.to_owned(), other.to_string())),
    }
}

fn settings(service: &Service) -> Value {
    let mut all = kind(&service.kind);
    let shared = json!({
        "vram": service.need,
        "priority": service.priority,
        "gpus": gpus(&service.gpus),
        "pinned": service.pinned,
        "depends_on": service.depends_on,
        "pipeline_phases": service.phases,
        "warm_time": service.health.warm_time.as_secs_f64(),
        "health": health(&service.health),
        "ready": service.health.ready.as_ref().map(probe),
        "evict": service.evict.as_ref().map(evict),
        "stop_grace_period": service.stop.grace.as_secs_f64(),
        "after_grace": match service.stop.after_grace {
            AfterGrace::Fail => "fail",
            AfterGrace::Kill => "kill",
        },
        "retry": retry(&service.retry),
        "sequential": service.sequence == Sequence::OneAfterTheOther,
        "restore_on_failure": service.on_failure == OnFailure::Restore,
    });
    if let Value::Object(shared) = shared {
        all.extend(shared);
    }
    if service.is_native() {
        all.insert("stop_signal".to_owned(), json!(format!("SIG{}", service.stop.signal)));
    }
    Value::Object(all)
}

fn kind(kind: &Kind) -> Map<String, Value> {
    let keys = match kind {
        Kind::Compose(compose) => json!({
            "type": "docker",
            "service": compose.service,
            "project": compose.project.name,
            "compose": compose.project.files,
        }),
        Kind::Container { name } => json!({"type": "docker", "container_name": name}),
        Kind::Native(native) => json!({
            "type": "native",
            "start_cmd": command(&native.start),
            "stop_cmd": native.stop.as_ref().map(command),
            "directory": native.directory,
            // Names alone, as of headers: values may be secret.
            "environment": native.environment.keys().collect::<Vec<_>>(),
            "pid_file": native.pid_file,
            "daemon": native.life == Life::Daemon,
        }),
    };
    keys.as_object().cloned().unwrap_or_default()
}

/// An address without its credentials.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", &rest[end..])
}

fn command(line: &CommandLine) -> Value {
    match line {
        CommandLine::Words(words) => json!(words),
        CommandLine::Shell(line) => json!(line),
    }
}

fn gpus(gpus: &GpuChoice) -> Value {
    match gpus {
        GpuChoice::All => json!("all"),
        GpuChoice::Named(names) => json!(names),
    }
}

fn health(health: &Health) -> Value {
    let mut all = json!({
        "timeout": health.timeout.as_secs_f64(),
        "interval": health.interval.as_secs_f64(),
        "attempt_timeout": health.attempt_timeout.as_secs_f64(),
        "stall_timeout": health.stall_timeout.map(|time| time.as_secs_f64()),
        "max_attempts": health.max_attempts,
        "success_threshold": health.success_threshold,
        "stable": health.stable.as_secs_f64(),
    });
    if let (Some(asked), Some(all)) = (&health.probe, all.as_object_mut()) {
        all.insert("url".to_owned(), json!(shown(&asked.url)));
        all.extend(answer(asked));
    }
    all
}

fn probe(probe: &Probe) -> Value {
    let method = match probe.method {
        Method::Get => "get",
        Method::Post => "post",
    };
    let mut all = Map::from_iter([(method.to_owned(), json!(shown(&probe.url)))]);
    all.insert("body".to_owned(), json!(probe.body));
    all.extend(answer(probe));
    Value::Object(all)
}

fn answer(probe: &Probe) -> Map<String, Value> {
    let status = if probe.status.is_empty() { json!([200]) } else { json!(probe.status) };
    let headers: Vec<&String> = probe.headers.keys().collect();
    let mut all = Map::from_iter([("status".to_owned(), status)]);
    if !headers.is_empty() {
        all.insert("headers".to_owned(), json!(headers));
    }
    let expect = probe.expect.iter().map(|expect| match expect {
        Expect::Contains(text) => json!(text),
        Expect::Json { pointer, value } => json!({ pointer: value }),
    });
    let expect: Vec<Value> = expect.collect();
    if !expect.is_empty() {
        all.insert("expect".to_owned(), json!(expect));
    }
    all
}

fn evict(evict: &Evict) -> Value {
    match evict {
        Evict::Ollama { base } => json!({"kind": "ollama", "url": shown(base)}),
        Evict::VllmSleep { base, level } => {
            json!({"kind": "vllm-sleep", "url": shown(base), "level": level})
        }
        Evict::ComfyuiFree { base } => json!({"kind": "comfyui-free", "url": shown(base)}),
        Evict::Http(request) => {
            let mut all = Map::from_iter([("kind".to_owned(), json!("http"))]);
            all.extend(probe(request).as_object().cloned().unwrap_or_default());
            Value::Object(all)
        }
    }
}

fn retry(retry: &Retry) -> Value {
    json!({
        "attempts": retry.attempts,
        "delay": retry.delay.as_secs_f64(),
        "factor": retry.factor,
        "max_delay": retry.max_delay.as_secs_f64(),
        "jitter": retry.jitter,
    })
}
