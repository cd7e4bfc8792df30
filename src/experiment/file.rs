//! The experiment file: a YAML mapping that may hold any keys. Only a few are read here; all of
//! them are kept for the result.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::settings::Sizes;
use super::workload::Workload;
use crate::yaml::{self, YamlError};

/// An experiment file as far as it matters here.
#[derive(Debug)]
pub(crate) struct ExperimentFile {
    stem: String,
    pub(crate) config_name: Option<String>,
    pub(crate) backend: Option<String>,
    pub(crate) dataset: Option<String>,
    pub(crate) num_samples: Option<u64>,
    /// Names under `model` and `model_name`.
    pub(crate) models: Vec<String>,
    /// Top-level sizes; only read for a synthetic workload, as other tools use the same names.
    pub(crate) sizes: Sizes,
    pub(crate) workload: Workload,
    /// The whole file.
    pub(crate) config: Value,
}

/// An experiment file that says nothing that can be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// Unreadable, not YAML, or a value of the wrong type.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// Nothing says what to do.
    #[error("`{}` has no `workload`, so there is nothing to do", path.display())]
    NoWorkload { path: PathBuf },
}

/// The keys that are read, among any others.
#[derive(Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema), schemars(title = "Experiment"))]
pub(crate) struct Declared {
    /// The experiment's name; else the file's name without extension.
    config_name: Option<String>,
    /// The backend, which chooses the Compose service.
    backend: Option<String>,
    /// Sequences of the synthetic workload.
    num_samples: Option<u64>,
    /// What `lem experiment` does; not needed where a campaign has a `command` of its own.
    workload: Option<Workload>,
}

impl ExperimentFile {
    /// Reads a file once, so that a pipe will do.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(path, &yaml::text::of_stream(path)?)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let declared: Declared = yaml::parse(path, text)?;
        let config: Value = yaml::parse(path, text)?;
        let workload =
            declared.workload.ok_or_else(|| FileError::NoWorkload { path: path.to_owned() })?;
        let sizes = match workload {
            Workload::Synthetic(_) => yaml::parse(path, text)?,
            Workload::Command(_) => Sizes::default(),
        };
        let word = |key: &str| config.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(ExperimentFile {
            stem: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            config_name: declared.config_name,
            backend: declared.backend,
            dataset: word("dataset"),
            num_samples: declared.num_samples,
            models: ["model", "model_name"].into_iter().filter_map(word).collect(),
            sizes,
            workload,
            config,
        })
    }

    /// What to call the experiment: its `config_name`, else the file's name without extension.
    pub(crate) fn label(&self) -> &str {
        self.config_name.as_deref().unwrap_or(&self.stem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ExperimentFile, FileError> {
        ExperimentFile::parse(Path::new("dir/name.yaml"), text)
    }

    #[test]
    fn unknown_keys_are_kept_as_they_are() {
        let file = parse("model: {id: x}\nbatch_size: auto\nworkload: {command: [ls]}\nz: [1, no]")
            .expect("valid");
        let expected = serde_json::json!({
            "model": {"id": "x"}, "batch_size": "auto", "workload": {"command": ["ls"]},
            "z": [1, false],
        });
        assert_eq!(file.config, expected);
        assert_eq!(file.label(), "name");
    }

    #[test]
    fn a_size_of_the_wrong_type_matters_only_to_a_synthetic_workload() {
        let error = parse("workload: synthetic\nbatch_size: auto\n").expect_err("a word");
        assert!(error.to_string().contains("auto"), "{error}");
    }

    #[test]
    fn a_file_without_a_workload_is_named() {
        for text in ["config_name: x\n", "workload:\n"] {
            let error = parse(text).expect_err(text);
            assert!(error.to_string().contains("`dir/name.yaml` has no `workload`"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_mapping_is_refused() {
        for text in ["", "- 1\n", "just words\n", "a: [\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
