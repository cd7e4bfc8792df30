//! The shape of the crate: who may import whom, where a dependency may be named, and how files and
//! types look. Which area may import which is read from the diagram in `src/lib.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "architecture/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Break, Source, all, hold};

const LIB: &str = include_str!("../src/lib.rs");
/// The word of the diagram for the modules that every area may import.
const GROUND: &str = "ground";
/// Longer than this, a file holds more than one thing.
const LONGEST_FILE: usize = 400;
/// Parts of names that say nothing about what the type is.
const EMPTY_WORDS: [&str; 5] = ["Manager", "Handler", "Helper", "Orchestrator", "Util"];

/// The diagram of `src/lib.rs`.
struct Diagram {
    /// For each area the areas that it may import.
    edges: BTreeMap<String, BTreeSet<String>>,
    ground: BTreeSet<String>,
}

impl Diagram {
    /// `area ─► area, area (note)`, one area a line, and `ground = module, module`.
    fn read() -> Self {
        let (mut edges, mut ground) = (BTreeMap::new(), BTreeSet::new());
        for line in LIB.lines().filter_map(|line| line.strip_prefix("//! ")) {
            if let Some((area, targets)) = line.split_once("─►") {
                let twice = edges.insert(area.trim().to_owned(), names(targets)).is_some();
                assert!(!twice, "two lines for {area}");
            } else if let Some((GROUND, modules)) = line.split_once('=').map(trimmed) {
                ground.extend(names(modules));
            }
        }
        Self { edges, ground }
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        if from == to || self.ground.contains(from) {
            return from == to || self.ground.contains(to);
        }
        let Some(targets) = self.edges.get(from) else { return false };
        targets.contains(to) || (targets.contains(GROUND) && self.ground.contains(to))
    }
}

fn trimmed<'a>((left, right): (&'a str, &'a str)) -> (&'a str, &'a str) {
    (left.trim(), right.trim())
}

/// `campaign, inner (its marks)` as a set.
fn names(list: &str) -> BTreeSet<String> {
    let name = |entry: &str| entry.split_whitespace().next().unwrap_or_default().to_owned();
    list.split(',').map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_diagram_names_every_module_of_the_crate_once() {
    let diagram = Diagram::read();
    let lib = Source::new("lib.rs", LIB);
    let modules: BTreeSet<String> = lib
        .words("mod")
        .map(|at| lib.code[at + 4..].split(';').next().unwrap().trim().to_owned())
        .collect();
    let drawn: BTreeSet<String> = diagram.edges.keys().chain(&diagram.ground).cloned().collect();
    assert_eq!(drawn, modules);
    assert!(diagram.edges.keys().all(|area| !diagram.ground.contains(area)));
}

#[test]
fn an_area_imports_only_what_the_diagram_lets_it() {
    let diagram = Diagram::read();
    let mut breaks = Vec::new();
    for source in all().iter().filter(|source| !source.is_root()) {
        for (at, path) in source.crate_paths() {
            let target = path.split("::").next().unwrap();
            if !diagram.allows(source.area(), target) {
                let what = format!("`{}` imports `crate::{path}`", source.area());
                breaks.push(source.breaks(at, what));
            }
        }
    }
    hold("the diagram in src/lib.rs does not have these imports:", &breaks);
}

#[test]
fn nothing_outside_of_cli_imports_it() {
    let diagram = Diagram::read();
    assert!(diagram.edges.values().all(|targets| !targets.contains("cli")));
}

#[test]
fn no_file_leaves_its_area_by_super() {
    let mut breaks = Vec::new();
    for source in all().iter().filter(|source| !source.is_root()) {
        let inline = source.code.find("mod tests {").unwrap_or(source.code.len());
        for at in source.words("super").filter(|at| !source.code[..*at].ends_with("super::")) {
            // `pub(super)` is no import.
            let (mut rest, mut levels) = (&source.code[at..], 0);
            while let Some(tail) = rest.strip_prefix("super::") {
                (rest, levels) = (tail, levels + 1);
            }
            let depth = source.depth() + usize::from(at > inline);
            if levels >= depth {
                breaks.push(source.breaks(at, "climbs to the crate root"));
            }
        }
    }
    hold("write `crate::…` for another area, so that the import is seen:", &breaks);
}

#[test]
fn of_the_inner_lem_a_campaign_knows_its_marks_and_exit_codes_alone() {
    let mut breaks = Vec::new();
    for source in all().iter().filter(|source| source.area() == "campaign") {
        for (at, path) in source.crate_paths() {
            let Some(what) = path.strip_prefix("inner") else { continue };
            if what != "::mark" && !what.starts_with("::mark::") && !what.starts_with("::EXIT_") {
                breaks.push(source.breaks(at, format!("imports `crate::{path}`")));
            }
        }
    }
    hold("the inner lem runs in the container; the host reads what it left:", &breaks);
}

/// A crate with the places that may name it: a folder ends in `/`.
fn only_in(name: &str, places: &[&str]) -> Vec<Break> {
    let mut breaks = Vec::new();
    for source in all() {
        let allowed = places.iter().any(|place| {
            source.path == *place || (place.ends_with('/') && source.path.starts_with(place))
        });
        if !allowed {
            let found = source.words(name).map(|at| source.breaks(at, format!("names `{name}`")));
            breaks.extend(found);
        }
    }
    breaks
}

#[test]
fn processes_are_started_by_duct_in_two_modules() {
    let places = ["engine/process.rs", "engine/process/", "services/native/"];
    hold("duct belongs to src/engine/process and src/services/native:", &only_in("duct", &places));
}

#[test]
fn yaml_is_read_and_written_in_one_module() {
    hold("serde_yaml belongs to src/yaml:", &only_in("serde_yaml", &["yaml/"]));
}

#[test]
fn sql_is_spoken_in_the_record_and_the_ledger_alone() {
    let places = ["record/", "coordination/ledger/"];
    hold("diesel belongs to src/record and src/coordination/ledger:", &only_in("diesel", &places));
}

#[test]
fn http_is_spoken_in_one_module() {
    hold("ureq belongs to src/http:", &only_in("ureq", &["http/"]));
}

#[test]
fn the_terminal_is_drawn_on_by_cli_alone() {
    for name in ["indicatif", "comfy_table", "dialoguer"] {
        hold("crates for the terminal belong to src/cli:", &only_in(name, &["cli/"]));
    }
}

#[test]
fn the_gpus_driver_is_asked_in_one_file() {
    hold("nvml-wrapper belongs to src/gpu/nvml.rs:", &only_in("nvml_wrapper", &["gpu/nvml.rs"]));
}

#[test]
fn arguments_are_parsed_by_cli_alone() {
    // A flag's values are written once, on the enum that a file's key has too.
    const ENUMS: [&str; 4] = [
        "coordination/kind.rs",
        "campaign/file/execution.rs",
        "campaign/file/place.rs",
        "campaign/settings.rs",
    ];
    let mut breaks = only_in("clap", &[&["cli/"], &ENUMS[..]].concat());
    for source in all().iter().filter(|source| ENUMS.contains(&source.path.as_str())) {
        for at in source.words("clap") {
            let in_derive = source.code[..at]
                .rfind("#[")
                .is_some_and(|open| source.code[open..].starts_with("#[derive("))
                && source.code[at..].starts_with("clap::ValueEnum");
            if !in_derive {
                breaks.push(source.breaks(at, "more of clap than `derive(clap::ValueEnum)`"));
            }
        }
    }
    hold("clap belongs to src/cli:", &breaks);
}

#[test]
fn what_needs_no_waiting_is_not_async() {
    let mut breaks = Vec::new();
    for source in all() {
        if ["experiment", "inner", "record", "yaml"].contains(&source.area()) {
            breaks.extend(source.words("tokio").map(|at| source.breaks(at, "names `tokio`")));
        }
    }
    hold("experiment, inner, record and yaml work without tokio:", &breaks);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let breaks: Vec<Break> = all()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.breaks_line(1, "does not begin with `//! `"))
        .collect();
    hold("a paragraph of `//!` opens every file:", &breaks);
}

#[test]
fn no_file_is_longer_than_a_person_can_keep_in_mind() {
    let breaks: Vec<Break> = all()
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(source, lines)| source.breaks_line(lines, format!("{lines} lines")))
        .collect();
    hold(&format!("a file has at most {LONGEST_FILE} lines:"), &breaks);
}

#[test]
fn a_type_is_named_after_what_it_is() {
    let mut breaks = Vec::new();
    for source in all() {
        for keyword in ["struct", "enum", "trait", "type", "union"] {
            for at in source.words(keyword) {
                let rest = source.code[at + keyword.len()..].trim_start();
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let name = &rest[..end.unwrap_or(rest.len())];
                if EMPTY_WORDS.iter().any(|word| name.contains(word)) {
                    breaks.push(source.breaks(at, format!("`{keyword} {name}`")));
                }
            }
        }
    }
    hold(&format!("none of {} is what a type is:", EMPTY_WORDS.join(", ")), &breaks);
}

#[test]
fn nothing_is_left_to_be_written_later() {
    let mut breaks = Vec::new();
    for source in all() {
        for name in ["todo", "unimplemented"] {
            let calls =
                source.words(name).filter(|at| source.code[at + name.len()..].starts_with('!'));
            breaks.extend(calls.map(|at| source.breaks(at, format!("`{name}!`"))));
        }
        for (index, line) in source.text.lines().enumerate() {
            if line.contains("FIXME") {
                breaks.push(source.breaks_line(index + 1, "`FIXME`"));
            }
        }
    }
    hold("what is missing is refused, not promised:", &breaks);
}

/// The rules are only as good as what reads the code for them.
mod the_reader {
    use super::source::Source;

    fn paths(text: &str) -> Vec<String> {
        Source::new("a/b.rs", text).crate_paths().into_iter().map(|(_, path)| path).collect()
    }

    #[test]
    fn sees_single_paths_and_groups() {
        assert_eq!(paths("use crate::a::{b, c::D};"), ["a::b", "a::c::D"]);
        assert_eq!(paths("use crate::{\n    a,\n    b::{self, C},\n};"), ["a", "b::self", "b::C"]);
        assert_eq!(paths("fn f() -> crate::a::B {}"), ["a::B"]);
        assert_eq!(paths("pub(crate) fn f() { mycrate::a() }"), Vec::<String>::new());
    }

    #[test]
    fn sees_no_comment_and_no_literal() {
        let text = concat!(
            "// crate::a\n/* crate::b\n */ \"crate::c \\\" crate::d\" r#\"crate::e \" \"#\n",
            "'\"' crate::f '\\'' b\"crate::g\" fn x<'a>(y: &'a str) { crate::h }\n",
        );
        assert_eq!(paths(text), ["f", "h"]);
    }

    #[test]
    fn knows_the_line_of_what_it_found() {
        let source = Source::new("a/b.rs", "// é\n\"two\nlines\"\nuse crate::x;\n");
        let (at, _) = source.crate_paths()[0].clone();
        assert_eq!(source.breaks(at, "here").to_string(), "src/a/b.rs:4: here");
    }
}
