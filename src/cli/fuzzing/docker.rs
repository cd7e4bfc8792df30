//! What docker and Compose answer.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::names_the_place;
use crate::campaign::override_file::{self, Between};
use crate::campaign::site::dependencies;
use crate::campaign::world::{Host, World};
use crate::engine::reply::Image;
use crate::engine::resolved::{self, Resolved};
use crate::engine::{about, reply};
use crate::yaml;

/// An answer of `docker`: the lines of `ps`, `inspect` and `events`, and `info` and `image inspect`.
pub(super) fn replies(bytes: &[u8]) {
    // As the output of a child is read.
    let text = String::from_utf8_lossy(bytes);
    let complaints = [
        reply::containers(&text).err(),
        reply::states(&text).err(),
        reply::images(&text).err(),
        reply::machine(&text).err(),
        about::client(&text).err(),
    ];
    complaints.into_iter().flatten().for_each(|error| names_the_place(&error));
    match about::engine(&text) {
        Ok(engine) => {
            let _ = (engine.error(&text), engine.cgroup_version(), engine.nvidia());
        }
        Err(error) => names_the_place(&error),
    }
    let _ = (reply::names(&text), reply::version(&text));
    for line in text.lines() {
        match reply::event(line) {
            Ok(event) => {
                let plain = event.time.chars().all(|c| c.is_ascii_digit() || c == '.');
                assert!(plain, "no time for `--since`: {}", event.time);
            }
            Err(error) => names_the_place(&error),
        }
    }
}

/// The answer of `docker compose config`, and the override that follows from it.
pub(super) fn compose(bytes: &[u8]) {
    match resolved::parse(&String::from_utf8_lossy(bytes)) {
        Ok(resolved) => overridden(&resolved.with_real_paths()),
        Err(error) => names_the_place(&error),
    }
}

fn overridden(resolved: &Resolved) {
    let used: BTreeSet<&str> = resolved.services.keys().map(String::as_str).take(2).collect();
    let others = dependencies(resolved, &used);
    assert!(others.iter().all(|(name, _)| !used.contains(name.as_str())));
    let host = Host {
        inner: Ok("/opt/lem".into()),
        results: "/tmp/results".into(),
        configs: None,
        pass: vec!["HF_TOKEN".to_owned()],
    };
    let image = Image { entrypoint: vec!["/entry".to_owned()], ..Image::default() };
    let mut worlds = Vec::new();
    for (name, service) in &resolved.services {
        let _ = (service.gpus(), service.has_healthcheck());
        let _ = (resolved.image_of(name), resolved.builder_of(name));
        match World::of(name, service, Some(&image), None, &host) {
            Ok(world) => worlds.push(world),
            Err(error) => names_the_place(&error),
        }
    }
    let names: Vec<String> = others.into_iter().map(|(name, _)| name).collect();
    let value = override_file::compose(&resolved.name, &worlds, &names, &Between::Hold(None));
    match yaml::to_text(&value) {
        Ok(text) => {
            let again = yaml::parse::<Value>(Path::new("override.yaml"), &text);
            assert_eq!(again.map_err(|e| e.to_string()), Ok(value), "written as:\n{text}");
        }
        Err(error) => assert!(error.to_string().is_empty(), "not written: {error}"),
    }
}
