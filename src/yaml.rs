//! YAML files: the only module that names the YAML crate.
//!
//! Every error says file, line and column, and shows the line. YAML 1.1 booleans (`no`, `off`) are
//! booleans, as in the Python tools that read the same experiment files.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file that is not what it should be, with the place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum YamlError {
    /// The file can't be read at all.
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The text is not YAML, or a value has the wrong type.
    #[error("`{}` is not valid:\n{message}", path.display())]
    Invalid { path: PathBuf, message: String },
}

/// Reads a file into `T`.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, YamlError> {
    let text = fs_err::read_to_string(path)
        .map_err(|source| YamlError::Unreadable { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// Parses text that came from `path`.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, YamlError> {
    serde_yaml::from_str(text)
        .map_err(|e| YamlError::Invalid { path: path.to_owned(), message: e.to_string() })
}

/// Writes `value` as YAML text.
pub(crate) fn to_text<T: Serialize>(value: &T) -> String {
    serde_yaml::to_string(value).unwrap_or_default()
}
