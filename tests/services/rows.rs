//! Every requirement of services has a test that names it: `F12`, or `f12` in the name of a test.

use std::collections::BTreeSet;
use std::path::Path;

/// The rows of the requirements, as their tests name them.
const ROWS: std::ops::RangeInclusive<u32> = 1..=42;

#[test]
fn every_row_of_the_requirements_is_named_by_a_test() {
    let mut named = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["tests/services", "tests/cli", "src/services", "src/http"] {
        names(&root.join(folder), &mut named);
    }
    let missing: Vec<u32> = ROWS.filter(|row| !named.contains(row)).collect();
    assert!(missing.is_empty(), "rows without a test: {missing:?}");
}

fn names(folder: &Path, named: &mut BTreeSet<u32>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            names(&path, named);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("rows.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            // Of a module of the program only what follows where its tests begin.
            let is_test = path.starts_with(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))
                || path.to_string_lossy().contains("tests");
            let from = if is_test { Some(0) } else { text.find("#[cfg(test)]") };
            let text = from.map(|from| &text[from..]).unwrap_or_default();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            named.extend(
                words.filter_map(|word| word.strip_prefix(['F', 'f'])?.parse::<u32>().ok()),
            );
        }
    }
}
