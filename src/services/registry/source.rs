//! Where the keys of a service are written, for whoever finds one of them wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{Refusal, written_as};
use crate::services::error::ServiceError;
use crate::yaml::position::Positions;

/// A file, as its keys are found in it.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub path: PathBuf,
    pub positions: Arc<Positions>,
}

impl Text {
    pub(super) fn of(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), positions: Arc::new(Positions::of(text)) }
    }

    /// File and line of a key; the file alone, where it is not there.
    pub(super) fn place(&self, keys: &[&str]) -> String {
        match self.positions.line(keys) {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }
}

/// Where a service is written.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub text: Text,
    /// The keys that lead to it.
    pub above: Vec<String>,
}

impl Source {
    /// File and line of the service itself.
    pub(super) fn place(&self) -> String {
        self.text.place(&self.above.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The key as it is written, with file and line; one that is not written here may stand in
    /// `defaults`.
    fn written(&self, key: &'static str) -> (&'static str, String) {
        let own: Vec<&str> = self.above.iter().map(String::as_str).collect();
        for key in std::iter::once(key).chain(written_as(key)) {
            let below: Vec<&str> = key.split('.').collect();
            for above in [&own[..], &["defaults"]] {
                let keys = [above, &below[..]].concat();
                if self.text.positions.line(&keys).is_some() {
                    return (key, self.text.place(&keys));
                }
            }
        }
        (key, self.place())
    }

    /// What is wrong with a key of `service`, as an error.
    pub(super) fn refused(&self, service: &str, refusal: Refusal) -> ServiceError {
        let (key, place) = self.written(refusal.key);
        let key = if key.is_empty() { "name".to_owned() } else { key.to_owned() };
        ServiceError::Senseless { place, service: service.to_owned(), key, reason: refusal.reason }
    }
}
