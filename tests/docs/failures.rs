//! The page about failures: it has all of them, and the tests that it names are there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::page::{Page, root};

/// How many are known.
const FAILURES: u32 = 47;
const HEADINGS: [&str; 6] = [
    "## Ends: signals, kills, leftovers",
    "## Verdicts",
    "## Projects and names",
    "## Health",
    "## Input, output, files",
    "## Machines",
];

fn rows() -> Vec<Vec<String>> {
    let page = Page::read("docs/failures.md");
    HEADINGS.iter().flat_map(|heading| page.table(heading)).collect()
}

#[test]
fn every_failure_has_a_row() {
    let numbers = |cell: &str| -> Vec<u32> {
        let number = |word: &str| {
            let digits = word.trim().trim_start_matches('F');
            digits.trim_end_matches(char::is_alphabetic).parse().unwrap()
        };
        match cell.split_once('–') {
            Some((first, last)) => (number(first)..=number(last)).collect(),
            None => cell.split(',').map(number).collect(),
        }
    };
    let found: BTreeSet<u32> = rows().iter().flat_map(|row| numbers(&row[0])).collect();
    assert_eq!(found, (1..=FAILURES).collect());
}

#[test]
fn every_test_that_a_failure_names_is_there() {
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        read(&root().join(folder), &mut sources);
    }
    for row in rows() {
        let named: Vec<&str> = row[3].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{} names no test", row[0]);
        for test in named {
            assert!(sources.contains(&format!("fn {test}(")), "{}: there is no {test}", row[0]);
        }
    }
}

fn read(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
