//! Where the result goes, and whether it can go there before any work is done.

use std::ffi::OsString;
use std::fs; // every error here names its path already
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::identity::Lookup;
use super::result::ExperimentResult;
use crate::durable::{self, Flush};

/// The file that will hold the result.
#[derive(Debug)]
pub(crate) struct Destination {
    path: PathBuf,
}

/// A result that cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DestinationError {
    /// The directory is missing and cannot be made.
    #[error("cannot create the directory `{}` for the result", path.display())]
    NoDirectory { path: PathBuf, source: io::Error },
    /// The place is taken by a directory.
    #[error("cannot write the result to `{}`: it is a directory", path.display())]
    IsDirectory { path: PathBuf },
    /// The file cannot be written.
    #[error("cannot write the result to `{}`", path.display())]
    NotWritable { path: PathBuf, source: io::Error },
}

impl Destination {
    /// `--result`, else `LEM_RESULT_PATH`, else a new name in a directory of results.
    pub(crate) fn choose(
        result: Option<PathBuf>,
        results_dir: Option<PathBuf>,
        label: &str,
        variable: Lookup,
    ) -> Self {
        let path = result.or_else(|| variable("LEM_RESULT_PATH").map(PathBuf::from));
        let path = path.unwrap_or_else(|| {
            results_dir
                .or_else(|| variable("LLM_ENERGY_RESULTS_DIR").map(PathBuf::from))
                .unwrap_or_else(|| PathBuf::from("results"))
                .join(file_name(label, Timestamp::now()))
        });
        Destination { path }
    }

    /// Makes the directory, and tries to write next to the result under a name as long as the one
    /// that the result is first written under. The try is removed.
    pub(crate) fn prepare(&self) -> Result<(), DestinationError> {
        if let Some(parent) = self.path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|source| DestinationError::NoDirectory {
                path: parent.to_owned(),
                source,
            })?;
        }
        if self.path.is_dir() {
            return Err(DestinationError::IsDirectory { path: self.path.clone() });
        }
        let probe = probe_path(&self.path);
        let tried = fs::File::create(&probe).and_then(|_| fs::remove_file(&probe));
        tried.map_err(|source| self.not_writable(source))
    }

    /// Writes the result, whole or not at all, and says where.
    pub(crate) fn write(self, result: &ExperimentResult) -> Result<PathBuf, DestinationError> {
        durable::write_json(&self.path, result, Flush::Now)
            .map_err(|source| self.not_writable(source))?;
        Ok(self.path)
    }

    fn not_writable(&self, source: io::Error) -> DestinationError {
        DestinationError::NotWritable { path: self.path.clone(), source }
    }
}

fn probe_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.try", std::process::id()));
    path.with_file_name(name)
}

/// `<label>-<instant>.json`, with a label that is one plain file name. Microseconds keep
/// experiments apart that start in the same second.
fn file_name(label: &str, at: Timestamp) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let label: String = label.trim_start_matches('.').chars().take(50).map(plain).collect();
    let label = if label.is_empty() { "experiment" } else { &label };
    format!("{label}-{}.json", at.strftime("%Y%m%dT%H%M%S.%6fZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_people_becomes_one_plain_file_name() {
        let at: Timestamp = "2026-03-04T05:06:07.000008Z".parse().expect("an instant");
        for (label, expected) in [
            ("llama-7b_fp16", "llama-7b_fp16-20260304T050607.000008Z.json"),
            ("../a b/c", "-a-b-c-20260304T050607.000008Z.json"),
            ("..", "experiment-20260304T050607.000008Z.json"),
        ] {
            assert_eq!(file_name(label, at), expected);
        }
    }

    #[test]
    fn an_option_wins_over_the_environment_and_the_environment_over_the_default() {
        let environment = |name: &str| match name {
            "LEM_RESULT_PATH" => Some("/env/result.json".into()),
            _ => None,
        };
        let directory = |name: &str| match name {
            "LLM_ENERGY_RESULTS_DIR" => Some("/env".into()),
            _ => None,
        };
        let choose = |result: Option<&str>, dir: Option<&str>, variable: Lookup| {
            Destination::choose(result.map(Into::into), dir.map(Into::into), "x", variable).path
        };
        assert_eq!(choose(Some("a.json"), None, &environment), Path::new("a.json"));
        assert_eq!(choose(None, Some("d"), &environment), Path::new("/env/result.json"));
        assert_eq!(choose(None, Some("d"), &directory).parent(), Some(Path::new("d")));
        assert_eq!(choose(None, None, &directory).parent(), Some(Path::new("/env")));
        assert_eq!(choose(None, None, &|_| None).parent(), Some(Path::new("results")));
    }
}
