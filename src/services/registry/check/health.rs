//! What a service is asked, where, and what it has to answer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Refusal;
use crate::duration::Time;
use crate::http::target::{NotATarget, Target};
use crate::services::registry::forms::{Expects, Statuses};
use crate::services::registry::keys::{EvictKeys, EvictKind, HealthKeys, ProbeKeys, ServiceKeys};
use crate::services::service::{Evict, Health, Method, Probe};

const TIMEOUT: Time = Time::seconds(60);
const INTERVAL: Duration = Duration::from_millis(250);
const ATTEMPT_TIMEOUT: Time = Time::seconds(5);
const STABLE: Time = Time::seconds(1);

pub(super) fn health(keys: &ServiceKeys) -> Result<Health, Refusal> {
    let written = keys.health.clone().unwrap_or_default();
    let HealthKeys { timeout, interval, attempt_timeout, stall_timeout, stable, .. } = written;
    let probe = match &written.url {
        Some(url) => Some(Probe {
            method: Method::Get,
            url: checked("health.url", url)?,
            body: None,
            headers: headers("health.headers", written.headers.as_ref())?,
            status: statuses(written.status.as_ref()),
            expect: expects(written.expect.as_ref()),
        }),
        None => None,
    };
    Ok(Health {
        probe,
        ready: keys.ready.as_ref().map(ready).transpose()?,
        warm_time: keys.warm_time.unwrap_or_default().into(),
        timeout: above_0("health.timeout", timeout.unwrap_or(TIMEOUT).into())?,
        interval: above_0("health.interval", interval.map_or(INTERVAL, Duration::from))?,
        attempt_timeout: above_0(
            "health.attempt_timeout",
            attempt_timeout.unwrap_or(ATTEMPT_TIMEOUT).into(),
        )?,
        stall_timeout: stall_timeout
            .map(|time| above_0("health.stall_timeout", time.into()))
            .transpose()?,
        max_attempts: written
            .max_attempts
            .map(|count| at_least_1("health.max_attempts", count))
            .transpose()?,
        success_threshold: at_least_1(
            "health.success_threshold",
            written.success_threshold.unwrap_or(1),
        )?,
        stable: stable.unwrap_or(STABLE).into(),
    })
}

fn above_0(key: &'static str, time: Duration) -> Result<Duration, Refusal> {
    if time.is_zero() { Err(Refusal::new(key, "expected more than no time")) } else { Ok(time) }
}

fn at_least_1(key: &'static str, count: u32) -> Result<u32, Refusal> {
    if count == 0 { Err(Refusal::new(key, "at least 1")) } else { Ok(count) }
}

fn ready(keys: &ProbeKeys) -> Result<Probe, Refusal> {
    let (method, url) = match (&keys.get, &keys.post) {
        (Some(url), None) => (Method::Get, checked("ready.get", url)?),
        (None, Some(url)) => (Method::Post, checked("ready.post", url)?),
        (Some(_), Some(_)) => return Err(Refusal::new("ready", "`get` or `post`, not both")),
        (None, None) => return Err(Refusal::new("ready", "say where: `get: URL`, `post: URL`")),
    };
    if method == Method::Get && keys.body.is_some() {
        return Err(Refusal::new("ready.body", "a GET has none; `post: URL` sends it"));
    }
    Ok(Probe {
        method,
        url,
        body: keys.body.clone(),
        headers: headers("ready.headers", keys.headers.as_ref())?,
        status: statuses(keys.status.as_ref()),
        expect: expects(keys.expect.as_ref()),
    })
}

/// How memory is freed; `health` is where the service answers.
pub(super) fn evict(keys: &EvictKeys, health: Option<&Probe>) -> Result<Evict, Refusal> {
    let Some(kind) = keys.kind else {
        let kinds = "expected `ollama`, `vllm-sleep`, `comfyui-free` or `http`";
        return Err(Refusal::new("evict.kind", kinds));
    };
    if kind == EvictKind::Http {
        return Ok(Evict::Http(request(keys)?));
    }
    let http = [
        ("evict.get", keys.get.is_some()),
        ("evict.post", keys.post.is_some()),
        ("evict.body", keys.body.is_some()),
        ("evict.headers", keys.headers.is_some()),
        ("evict.status", keys.status.is_some()),
        ("evict.expect", keys.expect.is_some()),
    ];
    if let Some((key, _)) = http.into_iter().find(|(_, said)| *said) {
        return Err(Refusal::new(key, "only `kind: http` has it"));
    }
    let base = match (&keys.url, health) {
        (Some(url), _) => origin("evict.url", url)?,
        (None, Some(probe)) => origin("health.url", &probe.url)?,
        (None, None) => {
            let way = "say where: `url: http://…`; a `health.url` would say it too";
            return Err(Refusal::new("evict.url", way));
        }
    };
    let level = keys.level;
    match (kind, level) {
        (EvictKind::VllmSleep, level @ (None | Some(1 | 2))) => {
            Ok(Evict::VllmSleep { base, level: level.unwrap_or(1) })
        }
        (EvictKind::VllmSleep, Some(_)) => Err(Refusal::new("evict.level", "vLLM knows 1 and 2")),
        (_, Some(_)) => Err(Refusal::new("evict.level", "only `kind: vllm-sleep` has it")),
        (EvictKind::Ollama, None) => Ok(Evict::Ollama { base }),
        (EvictKind::ComfyuiFree | EvictKind::Http, None) => Ok(Evict::ComfyuiFree { base }),
    }
}

fn request(keys: &EvictKeys) -> Result<Probe, Refusal> {
    if keys.level.is_some() {
        return Err(Refusal::new("evict.level", "only `kind: vllm-sleep` has it"));
    }
    let said = [
        (Method::Get, "evict.get", &keys.get),
        (Method::Post, "evict.post", &keys.post),
        (Method::Post, "evict.url", &keys.url),
    ];
    let mut said =
        said.into_iter().filter_map(|(method, key, url)| Some((method, key, url.as_ref()?)));
    let (method, key, url) = match (said.next(), said.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(Refusal::new("evict", "say where: `post: URL`, `get: URL`")),
        (Some(_), Some((_, key, _))) => {
            return Err(Refusal::new(key, "one of `get`, `post` and `url`"));
        }
    };
    if method == Method::Get && keys.body.is_some() {
        return Err(Refusal::new("evict.body", "a GET has none; `post: URL` sends it"));
    }
    Ok(Probe {
        method,
        url: checked(key, url)?,
        body: keys.body.clone(),
        headers: headers("evict.headers", keys.headers.as_ref())?,
        status: statuses(keys.status.as_ref()),
        expect: expects(keys.expect.as_ref()),
    })
}

fn statuses(keys: Option<&Statuses>) -> std::collections::BTreeSet<u16> {
    keys.iter().flat_map(|statuses| statuses.0.iter().copied()).collect()
}

fn expects(keys: Option<&Expects>) -> Vec<crate::services::service::Expect> {
    keys.map(|expects| expects.0.clone()).unwrap_or_default()
}

fn headers(
    key: &'static str,
    written: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let headers = written.cloned().unwrap_or_default();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    for (name, value) in &headers {
        if name.is_empty() || !name.chars().all(is_token) || value.chars().any(char::is_control) {
            return Err(Refusal::new(key, format!("`{name}` is no header")));
        }
    }
    Ok(headers)
}

fn target(key: &'static str, url: &str) -> Result<Target, Refusal> {
    // It may hold a password, and the place is named anyway.
    Target::parse(url).map_err(|why| match why {
        NotATarget::NoScheme => Refusal::new(key, "it has no scheme; write `http://…`"),
        why => Refusal::new(key, why.to_string()),
    })
}

fn checked(key: &'static str, url: &str) -> Result<String, Refusal> {
    target(key, url).map(|_| url.trim().to_owned())
}

/// Scheme, host and port of a URL.
pub(super) fn origin(key: &'static str, url: &str) -> Result<String, Refusal> {
    target(key, url).map(|target| target.origin().to_owned())
}

/// Where a service answers: host and port. All names of this machine are one.
pub(in super::super) fn endpoint(probe: &Probe) -> Option<(String, u16)> {
    let (host, port) = Target::parse(&probe.url).ok()?.endpoint()?;
    let local = ["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"];
    let host = if local.contains(&host.as_str()) { "localhost".to_owned() } else { host };
    Some((host, port))
}
