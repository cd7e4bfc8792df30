//! F1, F35, F40: whole registries, and what several services mean together.

use std::path::PathBuf;

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;
use tempfile::TempDir;

use super::keys::ServiceKeys;
use super::*;
use crate::engine::lem_keys::OF_SERVICES;
use crate::mebibytes::Mebibytes;
use crate::services::connection::Connection;

/// A folder with a registry.
struct Written(TempDir);

impl Written {
    fn new(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("services.yaml"), text).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("services.yaml")
    }

    /// Nothing here needs an engine, so none is asked.
    fn load(&self) -> Result<Registry, ServiceError> {
        let (_raise, cancel) = crate::cancel::pair();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(load(Some(&self.path()), &Connection::default(), &cancel))
    }
}

fn understood(text: &str) -> Registry {
    Written::new(text).load().unwrap()
}

/// What is wrong, with causes and help.
fn refused(text: &str) -> String {
    let error = Written::new(text).load().unwrap_err();
    match error {
        ServiceError::File(crate::yaml::YamlError::Invalid { place, message, help }) => {
            format!("services.yaml:{}: {message}; {}", place.line, help.unwrap_or_default())
        }
        other => other.to_string(),
    }
}

#[test]
fn what_is_wrong_is_named_with_its_file_and_line() {
    for (text, line, says) in [
        ("services:\n  a:\n    start_cmd: x\n    vrma: 1GiB\n", 4, "did you mean `vram`?"),
        ("sevices: {}\n", 1, "did you mean `services`?"),
        ("services:\n  a: {start_cmd: x}\n  a: {start_cmd: z}\n", 3, "duplicate"),
        ("services:\n  a: {start_cmd: x}\n  b:\n    type: docker\n", 4, "`container_name`"),
        ("services:\n  a:\n    type: native\n", 3, "`start_cmd`"),
        ("services:\n  a:\n    start_cmd: x\n    vram: 20\n", 4, "no amount of memory"),
        ("services:\n  a:\n    start_cmd: x\n    health_endpoint: h:1\n", 4, "`health_endpoint`"),
        (
            "services:\n  a: {container_name: c}\n  b:\n    container_name: c\n",
            4,
            "the container `c` is taken by `a`",
        ),
        (
            "services:\n  a: {start_cmd: x, health: {url: 'http://localhost:80/x'}}\n  b:\n    \
             start_cmd: z\n    health:\n      url: http://127.0.0.1/y\n",
            6,
            "the address `localhost:80` is taken by `a`",
        ),
        (
            "services:\n  alpha: {start_cmd: x}\n  b:\n    start_cmd: z\n    depends_on: [alpah]\n",
            5,
            "did you mean `alpha`?",
        ),
        ("defaults:\n  priority: 1\n  start_cmd: x\nservices: {}\n", 3, "belongs to one service"),
        (
            "services:\n  a: {start_cmd: x}\ndefaults:\n  retry: {attempts: 0}\n",
            4,
            "the first try counts",
        ),
        ("container_management: {enabled: false}\nservices: {a: {start_cmd: x}}\n", 1, "enabled"),
        ("vram_total: 1GiB\nvram_total_mb: 1024\nservices: {a: {start_cmd: x}}\n", 2, "keep one"),
    ] {
        let refused = refused(text);
        assert!(refused.contains(says), "{refused}");
        assert!(refused.contains(&format!("services.yaml:{line}:")), "{refused}");
    }
    assert!(refused("services: {}\n").contains("there is none"));
    assert!(refused("services: {'../a': {start_cmd: x}}\n").contains("a letter or a digit"));
}

#[test]
fn services_that_wait_for_each_other_are_refused() {
    let text = "services:\n  a: {start_cmd: x, depends_on: [b]}\n  b: {start_cmd: x, depends_on: [c]}\n  \
                c: {start_cmd: x, depends_on: [a]}\n";
    assert!(refused(text).contains("a → b → c → a"), "{}", refused(text));
}

// F35
#[test]
fn services_start_after_what_they_need_and_stop_before_it() {
    let registry = understood(
        "services:\n  web: {start_cmd: x, depends_on: [model, db]}\n  \
         model: {start_cmd: x, depends_on: [db]}\n  db: {start_cmd: x}\n  other: {start_cmd: x}\n",
    );
    let names = |services: Vec<&Service>| -> String {
        services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(registry.start_order(["web"]).unwrap()), "db model web");
    assert_eq!(names(registry.start_order(["other", "model"]).unwrap()), "other db model");
    assert_eq!(names(registry.dependants("db")), "web model");
    assert_eq!(names(registry.dependants("web")), "");
    assert!(registry.start_order(["wbe"]).is_err());
    let Err(ServiceError::Unknown { nearest, .. }) = registry.get("modell") else { panic!() };
    assert_eq!(nearest.as_deref(), Some("model"));
}

// F25
#[test]
fn a_phase_has_its_services_or_is_unknown() {
    let registry = understood(
        "services:\n  a: {start_cmd: x, pipeline_phases: [1, 2]}\n  \
         b: {start_cmd: x, pipeline_phases: [2]}\n",
    );
    assert_eq!(registry.in_phase(2).unwrap().len(), 2);
    let Err(ServiceError::NoPhase { known, .. }) = registry.in_phase(3) else { panic!() };
    assert_eq!(known, [1, 2]);
}

#[test]
fn the_seeds_container_management_is_defaults_of_all() {
    let registry = understood(
        "container_management:\n  enabled: true\n  sequential_switching: false\n  \
         health_check_timeout: 61\n  health_poll_interval: 2.0\n  max_health_attempts: 30\n  \
         start_retry_attempts: 4\n  start_retry_base_delay: 2.5\n  stop_timeout: 31\n\
         services:\n  a: {container_name: c}\n  b: {container_name: d, health: {interval: 1}}\n",
    );
    let (a, b) = (registry.get("a").unwrap(), registry.get("b").unwrap());
    assert_eq!((a.health.timeout.as_secs(), a.health.interval.as_secs()), (61, 2));
    assert_eq!((a.health.max_attempts, a.retry.attempts), (Some(30), 4));
    assert_eq!((a.retry.delay.as_millis(), a.stop.grace.as_secs()), (2500, 31));
    assert_eq!(a.sequence, crate::services::service::Sequence::SideBySide);
    assert_eq!((b.health.timeout.as_secs(), b.health.interval.as_secs()), (61, 1));
}

// F40
#[test]
fn how_much_memory_there_is_can_be_said_for_all_gpus_or_each() {
    let budget =
        |text: &str| understood(&format!("{text}\nservices: {{a: {{start_cmd: x}}}}")).budget;
    assert_eq!(budget("x-note: 1"), Budget::Unsaid);
    assert_eq!(budget("vram_total: 24GiB").of("0"), Some(Mebibytes(24576)));
    assert_eq!(budget("vram_total_mb: 24000").of("1"), Some(Mebibytes(24000)));
    let each = budget("vram_total: {0: 24GiB, GPU-4f: 8GiB}");
    assert_eq!((each.of("0"), each.of("GPU-4f")), (Some(Mebibytes(24576)), Some(Mebibytes(8192))));
    assert_eq!(each.of("1"), None);
    assert_eq!(budget("vram_total_mb: {0: 100}").of("0"), Some(Mebibytes(100)));
    assert_eq!(
        understood("headroom: 10%\nservices: {a: {start_cmd: x}}").headroom,
        Headroom::Percent(10.0)
    );
    assert_eq!(
        understood("recovery_timeout: 2s\nservices: {a: {start_cmd: x}}").recovery,
        Duration::from_secs(2)
    );
    for wrong in ["vram_total: 24", "vram_total_mb: 24GiB", "headroom: 512", "headroom: 200%"] {
        assert!(
            Written::new(&format!("{wrong}\nservices: {{a: {{start_cmd: x}}}}")).load().is_err()
        );
    }
}

#[test]
fn a_campaign_lets_every_key_of_a_service_pass_in_x_lem() {
    let schema = SchemaGenerator::default().into_root_schema_for::<ServiceKeys>().to_value();
    let keys = schema.get("properties").and_then(Value::as_object).unwrap().keys();
    let keys: BTreeSet<&str> = keys.map(String::as_str).collect();
    assert_eq!(keys, OF_SERVICES.into());
    assert_eq!(ServiceKeys::schema_name(), "ServiceKeys");
}
