//! The tables of the pages about a project's beginning against what `lem doctor` and `lem init` say.

use std::collections::BTreeSet;

use super::page::Page;
use super::place::Place;

fn set<T: Into<String>>(words: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    words.into_iter().map(Into::into).collect()
}

#[test]
fn every_check_of_the_doctor_is_in_the_table_with_its_keys_and_its_status() {
    let (page, place) = (Page::read("docs/doctor.md"), Place::empty("doctor"));
    let output = place.lem(&["doctor", "--json"]).env("LEM_RUNNER", "nowhere").output().unwrap();
    let found: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let checks = found.iter().map(|finding| finding["check"].as_str().unwrap());
    assert_eq!(set(page.column("## Checks", 0)), set(checks));

    let rows = page.table("## Output and exit codes");
    let keys = rows.iter().map(|row| row[0].trim_matches('`'));
    assert_eq!(set(keys), set(found[0].as_object().unwrap().keys().map(String::as_str)));
    let statuses = page.column("## Output and exit codes", 1);
    for finding in &found {
        let status = finding["status"].as_str().unwrap();
        assert!(statuses.iter().any(|known| known == status), "{status}");
    }
}

#[test]
fn every_option_and_every_file_of_init_is_in_a_table() {
    let (page, place) = (Page::read("docs/init.md"), Place::empty("init-tables"));
    let assert = place.lem(&["init", "--help"]).assert().success();
    let help = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let options = lines
        .filter(|line| !line.starts_with("- "))
        .flat_map(|line| line.split([' ', ',']).filter(|word| word.starts_with('-')))
        .filter(|word| !matches!(*word, "-h" | "--help"));
    assert_eq!(set(page.column("## Options", 0)), set(options));

    let assert = place.lem(&["init", "--dry-run"]).assert().success();
    let script = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let files = script.lines().filter_map(|line| line.strip_prefix("cat >./"));
    let files = files.map(|line| line.split(" <<").next().unwrap());
    assert_eq!(set(page.column("# `lem init`", 0)), set(files));
}
