//! A Compose file as Compose itself resolved it: merged, interpolated, with absolute paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::devices::{Gpus, Said};
use super::error::EngineError;
use super::lem_keys::LemKeys;
use super::reply::Unexpected;
use crate::duration::Time;
use crate::yaml;

/// The project and its services.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resolved {
    /// The project that Compose would choose.
    pub name: String,
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
}

/// What of a service matters to lem.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Service {
    pub image: Option<String>,
    build: Option<Value>,
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    volumes: Vec<Volume>,
    #[serde(default)]
    environment: BTreeMap<String, Option<String>>,
    healthcheck: Option<Value>,
    logging: Option<Value>,
    #[serde(default)]
    depends_on: BTreeMap<String, Dependency>,
    #[serde(default)]
    ports: Vec<Port>,
    deploy: Option<Value>,
    gpus: Option<Value>,
    runtime: Option<String>,
    /// The name that its container has, whatever the project.
    pub container_name: Option<String>,
    restart: Option<String>,
    stop_grace_period: Option<String>,
    #[serde(rename = "x-lem", default)]
    pub lem: LemKeys,
}

#[derive(Debug, Clone, Deserialize)]
struct Volume {
    #[serde(rename = "type")]
    kind: String,
    source: Option<String>,
    target: String,
    #[serde(default)]
    read_only: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Dependency {
    condition: Condition,
    #[serde(default = "yes")]
    required: bool,
    #[serde(default)]
    restart: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Port {
    published: Option<Value>,
}

fn yes() -> bool {
    true
}

/// When a dependency counts as there; the stricter is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Condition {
    #[serde(rename = "service_started")]
    Started,
    #[serde(rename = "service_healthy")]
    Healthy,
    #[serde(rename = "service_completed_successfully")]
    Completed,
}

/// A bind mount of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    /// On the host, absolute.
    pub source: PathBuf,
    /// In the container.
    pub target: PathBuf,
    pub read_only: bool,
}

/// Parses the output of `docker compose config`.
pub(crate) fn parse(text: &str) -> Result<Resolved, EngineError> {
    let resolved: Resolved = yaml::parse(Path::new("docker compose config"), text)?;
    // It becomes part of file names. Compose itself allows no other.
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if resolved.name.is_empty() || !resolved.name.chars().all(plain) {
        return Err(Unexpected::from_text(&format!("name: {}", resolved.name)).into());
    }
    Ok(resolved)
}

impl Resolved {
    /// The image of a service; Compose names the ones it builds after project and service.
    pub(crate) fn image_of(&self, service: &str) -> String {
        let named = self.services.get(service).and_then(|service| service.image.clone());
        named.unwrap_or_else(|| format!("{}-{service}", self.name))
    }

    /// The service whose `build` makes an image; another service may only use it.
    pub(crate) fn builder_of(&self, image: &str) -> Option<&str> {
        let mut names = self.services.iter().filter(|(_, service)| service.build.is_some());
        names.find(|(name, _)| self.image_of(name) == image).map(|(name, _)| name.as_str())
    }

    /// The same with links in the sources of bind mounts followed, so that paths can be compared.
    pub(crate) fn with_real_paths(mut self) -> Self {
        for volume in self.services.values_mut().flat_map(|service| &mut service.volumes) {
            let source = volume.source.as_deref().map(literal);
            let real = source.and_then(|source| Path::new(&source).canonicalize().ok());
            if let (Some(real), "bind") = (real, volume.kind.as_str()) {
                volume.source = real.to_str().map(|path| path.replace('$', "$$"));
            }
        }
        self
    }
}

impl Service {
    /// The entrypoint that the Compose file sets; empty means that it removes the image's.
    pub(crate) fn entrypoint(&self) -> Option<Vec<String>> {
        self.entrypoint.as_ref().map(|words| words.iter().map(|word| literal(word)).collect())
    }

    /// Its bind mounts.
    pub(crate) fn binds(&self) -> impl Iterator<Item = Bind> + '_ {
        self.volumes.iter().filter(|volume| volume.kind == "bind").filter_map(|volume| {
            Some(Bind {
                source: literal(volume.source.as_deref()?).into(),
                target: literal(&volume.target).into(),
                read_only: volume.read_only,
            })
        })
    }

    /// Whether it has a healthcheck that is not switched off.
    pub(crate) fn has_healthcheck(&self) -> bool {
        let off = |check: &Value| check.get("disable").and_then(Value::as_bool).unwrap_or(false);
        self.healthcheck.as_ref().is_some_and(|check| !check.is_null() && !off(check))
    }

    /// How the engine starts it again by itself, also when the machine starts: `always` or
    /// `unless-stopped`.
    pub(crate) fn restarts_by_itself(&self) -> Option<&str> {
        let policy = self.deploy.as_ref().and_then(|deploy| deploy.get("restart_policy"));
        let condition =
            |policy: &Value| policy.get("condition").and_then(Value::as_str) == Some("any");
        match self.restart.as_deref() {
            Some(word @ ("always" | "unless-stopped")) => Some(word),
            None if policy.is_some_and(condition) => Some("any"),
            _ => None,
        }
    }

    /// The keys of `x-lem` about a service that uses GPUs.
    pub(crate) fn gpu_service(&self) -> Value {
        literal_in(&Value::Object(self.lem.of_service.clone()))
    }

    /// How long it may take to end.
    pub(crate) fn stop_grace(&self) -> Option<Duration> {
        let time: Time = self.stop_grace_period.as_deref()?.parse().ok()?;
        Some(time.into())
    }

    /// Whether the file says what becomes of its output.
    pub(crate) fn says_logging(&self) -> bool {
        self.logging.as_ref().is_some_and(|logging| !logging.is_null())
    }

    /// The GPUs that it may use.
    pub(crate) fn gpus(&self) -> Gpus {
        let variable = |name: &str| self.environment.get(name).and_then(Option::as_deref);
        Gpus::of(&Said {
            deploy: self.deploy.as_ref(),
            gpus: self.gpus.as_ref(),
            runtime: self.runtime.as_deref(),
            nvidia: variable("NVIDIA_VISIBLE_DEVICES"),
            cuda: variable("CUDA_VISIBLE_DEVICES"),
        })
    }

    /// Whether the service sets this variable itself.
    pub(crate) fn sets(&self, variable: &str) -> bool {
        self.environment
            .get(variable)
            .is_some_and(|value| value.as_ref().is_some_and(|v| !v.is_empty()))
    }

    /// The services that it needs, and whether Compose restarts it with each: those that are named
    /// as such, linked, or whose network, processes or volumes it shares.
    pub(crate) fn needs(&self) -> impl Iterator<Item = (&str, bool)> {
        self.depends_on.iter().map(|(name, dependency)| (name.as_str(), dependency.restart))
    }

    /// The ports of the host that it publishes, where they are said.
    pub(crate) fn published(&self) -> Vec<u16> {
        let number = |port: &Port| match port.published.as_ref()? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64()?.try_into().ok(),
            _ => None,
        };
        self.ports.iter().filter_map(number).collect()
    }

    /// The services that must be there before it, with their conditions.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = (&str, Condition)> {
        self.depends_on
            .iter()
            .filter(|(_, d)| d.required)
            .map(|(name, d)| (name.as_str(), d.condition))
    }
}

/// `config` writes every `$` twice, because its output is a Compose file again.
fn literal(text: &str) -> String {
    text.replace("$$", "$")
}

fn literal_in(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal(text)),
        Value::Array(items) => items.iter().map(literal_in).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (literal(key), literal_in(value))).collect()
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lem_keys::NoEntrypoint;
    use super::*;

    #[test]
    fn a_resolved_file_is_read_with_its_own_keys_and_without_doubled_dollars() {
        let text = r#"
name: nightly
services:
  vllm:
    image: vllm:1
    entrypoint: ["sh", "-c", "exec $$0 $$@"]
    command: null
    x-lem: {entrypoint: none}
    volumes:
      - {type: bind, source: "/w/a$$b", target: /r, bind: {create_host_path: true}}
      - {type: volume, source: cache, target: /c, volume: {}}
    depends_on: {db: {condition: service_healthy, required: true}}
  db: {image: db, healthcheck: {disable: true}}
networks: {default: {name: nightly_default}}
"#;
        let resolved = parse(text).unwrap();
        let vllm = &resolved.services["vllm"];
        assert_eq!(vllm.entrypoint().unwrap(), ["sh", "-c", "exec $0 $@"]);
        assert_eq!(vllm.lem.entrypoint, Some(NoEntrypoint::None));
        let binds: Vec<Bind> = vllm.binds().collect();
        assert_eq!((binds.len(), &binds[0].source), (1, &PathBuf::from("/w/a$b")));
        assert_eq!(vllm.dependencies().collect::<Vec<_>>(), [("db", Condition::Healthy)]);
        assert!(!resolved.services["db"].has_healthcheck());
    }

    #[test]
    fn what_a_service_needs_is_known_with_what_it_is_restarted_with() {
        let text = "name: a\nservices:\n  api:\n    ports: [{target: 80, published: '8000'}, \
                    {target: 81}, {target: 82, published: 8002}]\n    depends_on:\n      db: \
                    {condition: service_started, restart: true, required: true}\n      cache: \
                    {condition: service_healthy, required: false}\n";
        let resolved = parse(text).unwrap();
        let api = &resolved.services["api"];
        assert_eq!(api.needs().collect::<Vec<_>>(), [("cache", false), ("db", true)]);
        assert_eq!(api.published(), [8000, 8002]);
    }

    #[test]
    fn a_service_that_asks_for_a_gpu_is_known_by_it() {
        for (service, asks) in [
            ("{image: i}", false),
            ("{image: i, runtime: nvidia}", true),
            ("{image: i, gpus: [{count: -1}]}", true),
            ("{image: i, deploy: {resources: {limits: {cpus: 1}}}}", false),
            (
                "{image: i, deploy: {resources: {reservations: {devices: \
                 [{capabilities: [gpu], count: -1}]}}}}",
                true,
            ),
            (
                "{image: i, deploy: {resources: {reservations: {devices: \
                 [{capabilities: [tpu]}]}}}}",
                false,
            ),
        ] {
            let resolved = parse(&format!("name: a\nservices: {{s: {service}}}")).unwrap();
            assert_eq!(resolved.services["s"].gpus().are_said(), asks, "{service}");
        }
    }

    #[test]
    fn an_unknown_key_of_ours_is_an_error() {
        let refused = |keys: &str| {
            let text = format!("name: a\nservices:\n  s:\n    image: i\n    x-lem: {{{keys}}}\n");
            parse(&text).err().map(|error| std::error::Error::source(&error).unwrap().to_string())
        };
        assert!(refused("entrypiont: none").unwrap().contains("did you mean `entrypoint`?"));
        assert!(refused("vrma: 1GiB").unwrap().contains("did you mean `vram`?"));
        assert!(refused("keep_command: often").is_some());
        assert_eq!(refused("vram: 1GiB, health: {url: http://a}, x-mine: 1"), None);
    }

    #[test]
    fn a_project_whose_name_would_lead_to_another_folder_is_no_answer() {
        for name in ["../x", "a/b", "''", "A b"] {
            assert!(parse(&format!("name: {name}\nservices: {{s: {{image: i}}}}")).is_err());
        }
    }
}
