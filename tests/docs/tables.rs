//! The tables of the pages against what `lem` itself accepts, says and writes.

use std::collections::BTreeSet;

use super::page::Page;
use super::place::Place;

const CAMPAIGN_FILE: &str = "docs/campaign-file.md";
const SERVICES: &str = "docs/services.md";

/// What no key resembles, so that the error lists every key that is known there.
const UNKNOWN: &str = "zzzzzzzzzzzz";

fn set<T: Into<String>>(words: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    words.into_iter().map(Into::into).collect()
}

/// The keys that `lem` names as known when `file` has an unknown one.
fn known(place: &Place, file: &str, text: &str) -> BTreeSet<String> {
    place.write(file, text);
    listed(&place.complaint(&["campaign", "campaign.yaml", "--dry-run"]))
}

/// The keys of a complaint about one that is not known.
fn listed(complaint: &str) -> BTreeSet<String> {
    let list = complaint.split("known here: ").nth(1);
    let list = list.unwrap_or_else(|| panic!("no list of keys: {complaint}"));
    set(list.lines().next().unwrap().split(", "))
}

#[test]
fn every_key_of_a_campaign_is_in_a_table_and_every_key_in_a_table_is_accepted() {
    let (page, place) = (Page::read(CAMPAIGN_FILE), Place::empty("keys"));
    for (heading, probe) in [
        ("## Keys", format!("{UNKNOWN}: 1")),
        ("### `experiments`", format!("experiments: [{{{UNKNOWN}: 1}}]")),
        ("### `grid`", format!("grid: {{{UNKNOWN}: 1}}")),
        ("### `execution`", format!("execution: {{{UNKNOWN}: 1}}")),
        ("### `docker`", format!("docker: {{{UNKNOWN}: 1}}")),
        ("### `io`", format!("io: {{{UNKNOWN}: 1}}")),
        ("### `execution.retry`", format!("execution: {{retry: {{{UNKNOWN}: 1}}}}")),
        ("### `health_check`", format!("health_check: {{{UNKNOWN}: 1}}")),
        ("### `cold_start`", format!("cold_start: {{{UNKNOWN}: 1}}")),
        ("### `notifications`", format!("notifications: {{{UNKNOWN}: 1}}")),
    ] {
        let known = known(&place, "campaign.yaml", &probe);
        assert_eq!(set(page.column(heading, 0)), known, "{heading}");
    }
}

#[test]
fn every_key_of_the_project_configuration_is_in_a_table() {
    let (page, place) = (Page::read(CAMPAIGN_FILE), Place::empty("config"));
    place.write("campaign.yaml", "campaign_name: a\nconfigs: [b.yaml]\n");
    for (heading, probe) in [
        ("### `.lem-config.yaml`", format!("{UNKNOWN}: 1")),
        ("### `thermal_gaps`", format!("thermal_gaps: {{{UNKNOWN}: 1}}")),
    ] {
        let known = known(&place, ".lem-config.yaml", &probe);
        assert_eq!(set(page.column(heading, 0)), known, "{heading}");
    }
}

#[test]
fn every_key_of_the_registry_is_in_a_table() {
    let (page, place) = (Page::read(SERVICES), Place::empty("registry"));
    for (heading, probe) in [
        ("## The file", format!("{UNKNOWN}: 1")),
        ("## A service", format!("services: {{a: {{{UNKNOWN}: 1}}}}")),
        ("### `health`", format!("services: {{a: {{health: {{{UNKNOWN}: 1}}}}}}")),
        ("### `ready`", format!("services: {{a: {{ready: {{{UNKNOWN}: 1}}}}}}")),
        ("### `evict`", format!("services: {{a: {{evict: {{{UNKNOWN}: 1}}}}}}")),
        ("### `retry`", format!("services: {{a: {{retry: {{{UNKNOWN}: 1}}}}}}")),
        ("### `container_management`", format!("container_management: {{{UNKNOWN}: 1}}")),
    ] {
        place.write("services.yaml", &probe);
        let known = listed(&place.complaint(&["service", "check"]));
        assert_eq!(set(page.column(heading, 0)), known, "{heading}");
    }
}

#[test]
fn every_option_and_variable_of_a_campaign_is_in_a_table() {
    let (page, place) = (Page::read(CAMPAIGN_FILE), Place::empty("options"));
    let assert = place.lem(&["campaign", "--help"]).assert().success();
    let help = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let starts = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let options: BTreeSet<String> = starts
        .filter(|line| !line.starts_with("- "))
        .flat_map(|line| line.split([' ', ',']).filter(|word| word.starts_with('-')))
        .filter(|word| !matches!(*word, "-h" | "--help"))
        .map(str::to_owned)
        .collect();
    let with_key = page.column("## Settings", 0);
    let without_key = page.column("These options have no key:", 0);
    assert_eq!(set(with_key.into_iter().chain(without_key)), options);
    let variables = help.split("[env: ").skip(1).map(|rest| rest.split('=').next().unwrap());
    assert_eq!(set(page.column("## Settings", 1)), set(variables));
}

#[test]
fn the_key_of_an_option_is_a_key_of_a_table() {
    let page = Page::read(CAMPAIGN_FILE);
    let mut keys = set(page.column("## Keys", 0));
    for section in ["execution", "docker", "io", "cold_start"] {
        let column = page.column(&format!("### `{section}`"), 0);
        keys.extend(column.into_iter().map(|key| format!("{section}.{key}")));
    }
    let rows = page.table("## Settings");
    for row in rows.iter().filter(|row| !row[2].starts_with("none")) {
        assert!(keys.contains(row[2].trim_matches('`')), "{}", row[2]);
    }
}

#[test]
fn every_event_is_in_the_table_with_its_fields() {
    let place = Place::empty("events");
    place.write("a.yaml", "x: 1\n");
    place.write(
        "campaign.yaml",
        "campaign_name: events\nconfigs: [a.yaml]\ncommand: [sh, -c, 'exit 3']\n\
         execution: {cycles: 2, config_gap_seconds: 0, cycle_gap_seconds: 0.1}\n",
    );
    let output = place.lem(&["campaign", "--runner", "local", "--json"]).output().unwrap();
    let rows = Page::read(CAMPAIGN_FILE).table("## Events");
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut seen = BTreeSet::new();
    for line in lines.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let event = event.as_object().unwrap();
        let name = event["event"].as_str().unwrap();
        let row = rows.iter().find(|row| row[0] == format!("`{name}`")).expect(name);
        for field in event.keys().filter(|field| *field != "event") {
            assert!(row[1].contains(&format!("`{field}`")), "{name}: {field}");
        }
        seen.insert(name.to_owned());
    }
    for name in ["campaign_started", "gap_started", "run_started", "run_ended", "campaign_ended"] {
        assert!(seen.contains(name), "{name}: {seen:?}");
    }
}

#[test]
fn every_verdict_is_in_the_table() {
    let source = include_str!("../../src/campaign/verdict.rs");
    let words = source.split("fn word(").nth(1).unwrap().split("=> \"").skip(1);
    let words = words.map_while(|rest| rest.split_once("\",\n").map(|(word, _)| word));
    let words: Vec<&str> = words.filter(|word| !word.contains(' ')).collect();
    assert!(words.len() > 8, "{words:?}");
    assert_eq!(set(Page::read(CAMPAIGN_FILE).column("## Verdicts", 0)), set(words));
}

#[test]
fn a_run_has_the_documented_environment_and_leaves_the_documented_files() {
    let (page, place) = (Page::read(CAMPAIGN_FILE), Place::empty("environment"));
    place.write("a.yaml", "x: 1\n");
    place.write(
        "campaign.yaml",
        "campaign_name: environment\nconfigs: [a.yaml]\nexecution: {cycles: 1}\n\
         command: [sh, -c, 'env; echo {} > \"$LEM_RESULT_PATH\"']\n",
    );
    place.lem(&["campaign", "--runner", "local"]).assert().success();
    let folder = place.path("results/environment");
    let mut entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let run = entries.find(|path| path.is_dir()).unwrap();

    let log = std::fs::read_to_string(run.join("output.log")).unwrap();
    let names = log.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let own = names.filter(|name| name.starts_with("LEM_") || name.starts_with("LLM_ENERGY_"));
    // The first is this test's own, the second is there in containers alone.
    let own = set(own.filter(|name| *name != "LEM_STATE_DIR").chain(["LEM_CONFIGS_DIR"]));
    assert_eq!(set(page.column("## Environment of a run", 0)), own);

    let files = std::fs::read_dir(&run).unwrap();
    let files = set(files.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    let tree = page.blocks().into_iter().find(|block| block.text.starts_with("results/")).unwrap();
    let documented = tree.text.lines().map(|line| {
        let path = line.split_whitespace().next().unwrap();
        path.rsplit('/').next().unwrap()
    });
    assert_eq!(set(documented), files);
}

#[test]
fn every_key_of_x_lem_is_in_the_table() {
    let place = Place::empty("x-lem");
    place.write("a.yaml", "x: 1\n");
    place.write("campaign.yaml", "campaign_name: x-lem\nconfigs: [a.yaml]\n");
    let compose = format!("services:\n  s:\n    image: i\n    x-lem: {{{UNKNOWN}: 1}}\n");
    place.write("compose.yaml", &compose);
    let complaint = place.complaint(&["campaign", "--dry-run"]);
    let list = complaint.split("known here: ").nth(1).unwrap_or_else(|| panic!("{complaint}"));
    let known = set(list.split(", and the keys of a service").next().unwrap().split(", "));
    let heading = "## What differs: the entrypoint and the command";
    assert_eq!(set(Page::read("docs/strategies.md").column(heading, 0)), known);
}

#[test]
fn every_key_of_health_check_is_measured_somehow() {
    let measured = Page::read("docs/gpu.md").column("## The gate", 0);
    assert_eq!(set(measured), set(Page::read(CAMPAIGN_FILE).column("### `health_check`", 0)));
}

#[test]
fn every_option_of_gpu_is_in_a_table() {
    let assert = Place::empty("gpu").lem(&["gpu", "--help"]).assert().success();
    let help = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let page = Page::read("docs/gpu.md");
    let column = page.column("## `lem gpu`", 0);
    let listed: BTreeSet<&str> =
        column.iter().filter_map(|option| option.split('[').next()).collect();
    let starts = help.lines().map(str::trim_start).filter(|line| line.starts_with("--"));
    let words = starts.filter_map(|line| line.split(['[', '=', ' ']).next());
    assert_eq!(words.collect::<BTreeSet<_>>(), listed);
}
