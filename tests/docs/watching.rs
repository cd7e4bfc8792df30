//! The tables about notifications and about `lem status` against what is really said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::page::Page;
use super::place::Place;

/// Two runs, one of which fails; what is told goes to `told`, and its environment to `environment`.
const CAMPAIGN: &str = "campaign_name: told
grid: {backends: [cpu], shared: {code: [0, 3]}}
command: [sh, -c, 'exit {code}']
execution: {cycles: 1, config_gap_seconds: 0}
notifications: {command: [sh, -c, 'cat >>told; echo >>told; env >>environment']}
";

fn fields(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn set(words: Vec<String>) -> BTreeSet<String> {
    words.into_iter().collect()
}

#[test]
fn every_field_and_variable_of_a_notification_is_in_a_table() {
    let (page, place) = (Page::read("docs/notifications.md"), Place::empty("told"));
    place.write("told.yaml", CAMPAIGN);
    place.lem(&["campaign", "told.yaml", "--runner", "local"]).assert().code(1);
    let told = std::fs::read_to_string(place.path("told")).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let rows = page.table("The fields of `data`:");
    let documented: BTreeMap<String, BTreeSet<String>> = rows
        .iter()
        .map(|row| {
            let words = row[1].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            (row[0].trim_matches('`').to_owned(), words)
        })
        .collect();
    let mut all = BTreeSet::new();
    for notice in &told {
        all.append(&mut fields(notice));
        let event = notice["event_type"].as_str().unwrap();
        assert_eq!(fields(&notice["data"]), documented[event], "{event}");
    }
    assert_eq!(told.len(), 3);
    assert_eq!(set(page.column("Each is one JSON object:", 0)), all);
    let events = set(page.column("## What is told", 0));
    assert_eq!(events, documented.keys().cloned().collect());

    let environment = std::fs::read_to_string(place.path("environment")).unwrap();
    let names = environment.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    // This one is the test's own.
    let own = names.filter(|name| name.starts_with("LEM_") && *name != "LEM_STATE_DIR");
    let own: BTreeSet<String> = own.map(str::to_owned).collect();
    assert_eq!(set(page.column("## The program", 0)), own);
}

#[test]
fn every_field_of_a_campaign_that_is_shown_is_in_the_table() {
    let (page, place) = (Page::read("docs/watching.md"), Place::empty("shown"));
    place.write("told.yaml", CAMPAIGN);
    place.lem(&["campaign", "told.yaml", "--runner", "local"]).assert().code(1);
    let assert = place.lem(&["status", "told", "--json"]).assert().success();
    let rows: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let heading = "`--json` is one array with an object per campaign:";
    assert_eq!(set(page.column(heading, 0)), fields(&rows[0]));
}
