//! What holds where nobody says anything.

use std::path::{Path, PathBuf};

/// Variables that reach the runs where nothing else is said.
pub(super) fn default_pass() -> Vec<String> {
    vec!["HF_TOKEN".to_owned(), "HUGGING_FACE_HUB_TOKEN".to_owned()]
}

/// What runs where a campaign names no command.
pub(super) fn default_command(dataset: Option<&str>, num_samples: Option<u64>) -> Vec<String> {
    let mut words: Vec<String> =
        ["lem", "experiment", "{config}", "--yes", "--fresh"].map(str::to_owned).to_vec();
    if dataset.is_some() {
        words.extend(["--dataset".to_owned(), "{dataset}".to_owned()]);
    }
    if num_samples.is_some() {
        words.extend(["--sample-size".to_owned(), "{num_samples}".to_owned()]);
    }
    words
}

/// The path without `.` and, where that changes nothing, without `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match part {
            // Only over a real folder: after a link, `..` is somewhere else.
            std::path::Component::ParentDir if !plain.is_symlink() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
