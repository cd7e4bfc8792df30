//! The documentation is true: its commands run, its files are accepted, its tables are complete.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "docs/page.rs"]
mod page;
#[path = "docs/place.rs"]
mod place;

#[path = "docs/failures.rs"]
mod failures;
#[path = "support/fixture.rs"]
#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "a test starts what it needs, and the pages don't need everything"
)]
mod fixture;
#[path = "support/gpu.rs"]
#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "the pages need one GPU, and nothing happens to it"
)]
mod gpu;
#[path = "docs/machine.rs"]
mod machine;
#[path = "docs/tables.rs"]
mod tables;
#[path = "docs/watching.rs"]
mod watching;

use std::collections::BTreeSet;

use page::{Block, Page, root};
use place::Place;

/// Every page; each has a test that runs it.
const PAGES: [&str; 17] = [
    "README.md",
    "docs/benchmarks.md",
    "docs/campaign-file.md",
    "docs/compatibility.md",
    "docs/coordination.md",
    "docs/doctor.md",
    "docs/experiment.md",
    "docs/failures.md",
    "docs/gpu.md",
    "docs/health.md",
    "docs/init.md",
    "docs/notifications.md",
    "docs/resume.md",
    "docs/services.md",
    "docs/strategies.md",
    "docs/switching.md",
    "docs/watching.md",
];

/// Commands that are only looked up in the Makefile, with what runs them instead.
const NOT_RUN_HERE: [(&str, &str); 5] = [
    ("make demo", "compiles lem; continuous integration's job `demo` does it step by step"),
    ("make install", "writes to /usr/local; the job `demo` does it below the home folder"),
    ("make bench", "takes minutes, and measures nothing while other tests run"),
    ("make bench-switch", "the same"),
    ("make test", "is running now"),
];

/// Programs besides `lem` that a page may use.
const PROGRAMS: [&str; 4] = ["cat", "cd", "grep", "sh"];

#[test]
fn the_readme_works() {
    follow("README.md");
}

#[test]
fn the_page_about_benchmarks_works() {
    follow("docs/benchmarks.md");
}

#[test]
fn the_page_about_campaign_files_works() {
    follow("docs/campaign-file.md");
}

#[test]
fn the_page_about_compatibility_works() {
    follow("docs/compatibility.md");
}

#[test]
fn the_page_about_coordination_works() {
    follow("docs/coordination.md");
}

#[test]
fn the_page_about_the_doctor_works() {
    follow("docs/doctor.md");
}

#[test]
fn the_page_about_init_works() {
    follow("docs/init.md");
}

#[test]
fn the_page_about_experiments_works() {
    follow("docs/experiment.md");
}

#[test]
fn the_page_about_notifications_works() {
    follow("docs/notifications.md");
}

#[test]
fn the_page_about_watching_works() {
    follow("docs/watching.md");
}

#[test]
fn the_page_about_gpus_works() {
    follow("docs/gpu.md");
}

#[test]
fn the_page_about_health_works() {
    follow("docs/health.md");
}

#[test]
fn the_page_about_going_on_works() {
    follow("docs/resume.md");
}

#[test]
fn the_page_about_the_registry_of_services_works() {
    follow("docs/services.md");
}

#[test]
fn the_page_about_services_and_switches_works() {
    follow("docs/switching.md");
}

#[test]
fn the_page_about_strategies_works() {
    follow("docs/strategies.md");
}

#[test]
fn every_page_is_followed() {
    let mut found = BTreeSet::from(["README.md".to_owned()]);
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.insert(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(found, PAGES.map(str::to_owned).into());
}

/// Does what a page says, from its first block to its last.
fn follow(page: &str) {
    let (page, place) = (Page::read(page), Place::with_examples(page));
    let mut campaigns = Vec::new();
    for block in page.blocks() {
        match block.language.as_str() {
            "console" => commands(&block).iter().for_each(|line| type_in(&place, &block, line)),
            "yaml" => {
                let name = place.take(&block);
                if name.rsplit('/').next().unwrap().starts_with("campaign") {
                    campaigns.push(name);
                }
            }
            "text" => {}
            other => panic!("{}: `{other}` is neither run nor checked", block.place),
        }
    }
    for campaign in campaigns {
        place.lem(&["campaign", &campaign, "--dry-run"]).assert().success();
    }
}

/// The lines after `$ `; the others are what the commands say.
fn commands(block: &Block) -> Vec<String> {
    let lines: Vec<String> =
        block.text.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{}: no command", block.place);
    lines
}

fn type_in(place: &Place, block: &Block, line: &str) {
    let program = line.split_whitespace().next().unwrap_or_default();
    if NOT_RUN_HERE.iter().any(|(known, _)| *known == line) {
        has_make_target(place, line);
    } else if program == "lem" || PROGRAMS.contains(&program) {
        assert!(
            !line.starts_with("lem reap") || line.contains("--dry-run"),
            "{}: `{line}` would remove what other people left on this engine",
            block.place
        );
        let output = place.command("sh").args(["-c", line]).output().unwrap();
        assert!(
            output.status.success(),
            "{}: `{line}` ended with {}\n{}{}",
            block.place,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    } else {
        panic!("{}: this test does not know how to run `{line}`", block.place);
    }
}

fn has_make_target(place: &Place, line: &str) {
    let words = line.split_whitespace().skip(1);
    place.command("make").current_dir(root()).arg("-n").args(words).assert().success();
}

#[test]
fn commands_that_are_only_mentioned_exist_too() {
    let place = Place::empty("mentions");
    for page in PAGES.map(Page::read) {
        for span in page.spans() {
            let words: Vec<&str> = span.split(' ').collect();
            match words.as_slice() {
                ["make", ..] => has_make_target(&place, &span),
                ["lem" | "/.lem/lem", command, rest @ ..] => {
                    let help = place.lem(&[command, "--help"]).assert().success();
                    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
                    for option in rest.iter().filter(|word| word.starts_with('-')) {
                        assert!(help.contains(option), "{}: `{span}`: no {option}", page.path);
                    }
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for page in PAGES.map(Page::read) {
        for target in page.links() {
            assert!(target.is_file(), "{} links to {}", page.path, target.display());
        }
    }
}
