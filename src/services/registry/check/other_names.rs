//! Keys that can be written in other words: those of older registries, and of Compose.

use super::Refusal;
use super::health::origin;
use crate::mebibytes::Mebibytes;
use crate::services::registry::keys::{EvictKeys, EvictKind, HealthKeys, ServiceKeys};

/// A key, and another name of it.
const OTHER_NAMES: [(&str, &str); 5] = [
    ("vram", "vram_mb"),
    ("health.url", "health_endpoint"),
    ("health.timeout", "health_timeout"),
    ("health.max_attempts", "health.retries"),
    ("evict", "evict_api"),
];

/// The other names under which a key may stand in the file.
pub(in super::super) fn written_as(key: &str) -> impl Iterator<Item = &'static str> {
    OTHER_NAMES.into_iter().filter(move |(name, _)| *name == key).map(|(_, other)| other)
}

/// The same in the main words alone.
pub(in super::super) fn plain(mut keys: ServiceKeys) -> Result<ServiceKeys, Refusal> {
    let in_mib = keys.vram_mb.take().map(Mebibytes);
    keys.vram = one("vram", "vram_mb", keys.vram, in_mib)?;
    let (endpoint, timeout) = (keys.health_endpoint.take(), keys.health_timeout.take());
    if endpoint.is_some() || timeout.is_some() || keys.health.is_some() {
        let HealthKeys { url, timeout: own_timeout, max_attempts, retries, .. } =
            keys.health.clone().unwrap_or_default();
        keys.health = Some(HealthKeys {
            url: one("health_endpoint", "health.url", endpoint, url)?,
            timeout: one("health_timeout", "health.timeout", timeout, own_timeout)?,
            max_attempts: one("health.retries", "health.max_attempts", retries, max_attempts)?,
            retries: None,
            ..keys.health.unwrap_or_default()
        });
    }
    let ollama = match keys.evict_api.take() {
        Some(url) => Some(EvictKeys {
            kind: Some(EvictKind::Ollama),
            url: Some(origin("evict_api", &url)?),
            ..EvictKeys::default()
        }),
        None => None,
    };
    keys.evict = one("evict_api", "evict", ollama, keys.evict)?;
    Ok(keys)
}

fn one<T>(
    key: &'static str,
    other: &str,
    a: Option<T>,
    b: Option<T>,
) -> Result<Option<T>, Refusal> {
    match (a, b) {
        (Some(_), Some(_)) => Err(Refusal::new(key, format!("`{other}` says the same; keep one"))),
        (a, b) => Ok(a.or(b)),
    }
}
