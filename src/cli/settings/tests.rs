//! What counts where several places say the same.

use super::*;
use crate::campaign::file::{ContainerStrategy, DockerKeys};

fn file(strategy: Option<&str>) -> CampaignFile {
    let docker = strategy.map_or(serde_json::json!({}), |s| serde_json::json!({"strategy": s}));
    let text = serde_json::json!({"campaign_name": "x", "docker": docker});
    serde_json::from_value(text).unwrap()
}

fn config(strategy: Option<ContainerStrategy>) -> ConfigFile {
    let docker = DockerKeys { strategy, ..DockerKeys::default() };
    ConfigFile { docker, ..ConfigFile::default() }
}

fn resolve(layers: &Layers, file: &CampaignFile, flags: &Flags) -> Chosen {
    layers.resolve(file, Path::new("/w"), flags, Manners::default())
}

#[test]
fn the_nearest_word_counts_and_says_where_it_stands() {
    use ContainerStrategy::{Ephemeral, Persistent};
    let (said, other) = (Some(Persistent), Some(Ephemeral));
    let word = |said: bool| Some(if said { "persistent" } else { "ephemeral" });
    for (flag, campaign, project, user, source) in [
        (said, word(false), other, other, Source::CommandLine),
        (None, word(true), other, other, Source::Campaign),
        (None, None, said, other, Source::Project),
        (None, None, None, said, Source::User),
    ] {
        let layers = Layers { project: config(project), user: config(user) };
        let flags = Flags { container_strategy: flag, ..Flags::default() };
        let chosen = resolve(&layers, &file(campaign), &flags);
        assert_eq!(
            (chosen.settings.strategy, source_of(&chosen.rows, "docker.strategy")),
            (Persistent, source)
        );
    }
}

#[test]
fn what_is_said_nowhere_has_its_default() {
    let layers = Layers { project: config(None), user: config(None) };
    let chosen = resolve(&layers, &file(None), &Flags::default());
    assert!(chosen.rows.iter().all(|row| row.source == Source::Default), "{:?}", chosen.rows);
    let settings = &chosen.settings;
    assert_eq!(settings.strategy, ContainerStrategy::Ephemeral);
    assert!(settings.auto_teardown && settings.require_result);
    assert_eq!(settings.results_dir, Path::new("/w/results"));
    let order = &chosen.order;
    assert_eq!((order.cycles, order.config_gap.as_secs(), order.cycle_gap.as_secs()), (3, 60, 300));
}

#[test]
fn the_webhook_is_used_and_never_shown() {
    let secret = "https://hooks.example/T0/secret";
    let mut project = config(None);
    project.notifications.webhook_url = Some(secret.to_owned());
    let layers = Layers { project, user: config(None) };
    let chosen = resolve(&layers, &file(None), &Flags::default());
    assert_eq!(chosen.settings.notifications.webhook_url.as_deref(), Some(secret));
    let shown = format!("{:?}{:?}", chosen.rows, chosen.settings);
    assert!(!shown.contains("secret/") && !shown.contains("T0"), "{shown}");
}

#[test]
fn paths_lose_their_dots() {
    assert_eq!(plain(Path::new("/w/a/../b/./c")), Path::new("/w/b/c"));
}
