//! From a campaign file to its experiments: configuration files read, axes expanded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::CampaignError;
use super::file::CampaignFile;
use super::grid;
use super::plan::{Candidate, Experiment, identify};
use crate::secret::for_a_name;
use crate::yaml::{self, YamlError};

/// Names the file that an experiment file adds to.
const EXTENDS: &str = "_extends";

/// The experiments of a campaign: `configs`, then `experiments`, then `grid`. `backend` is that of
/// experiments that name none.
pub(crate) fn gather(
    file: &CampaignFile,
    base: &Path,
    backend: Option<&str>,
) -> Result<Vec<Experiment>, CampaignError> {
    let mut candidates = Vec::new();
    let mut files = Files::default();
    let (count, mut weight) = (file.configs.len() + file.experiments.len(), 0_usize);
    for path in &file.configs {
        let config = files.read(&base.join(path))?;
        weight = weight.saturating_add(grid::weight(&config));
        grid::bearable(count, weight)?;
        candidates.push(of_file(name_of(path, &config), config, base.join(path)));
    }
    for entry in &file.experiments {
        let mut config = files.read(&base.join(&entry.config))?;
        let mut name = name_of(&entry.config, &config);
        for (key, value) in &entry.overrides {
            grid::set(&mut config, key, value.clone())?;
            let value = for_a_name(key, value);
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            name = format!("{name}-{key}={text}");
        }
        weight = weight.saturating_add(grid::weight(&config)).saturating_add(name.len());
        grid::bearable(count, weight)?;
        candidates.push(of_file(name, config, base.join(&entry.config)));
    }
    if let Some(axes) = &file.grid {
        for point in grid::expand(axes, file.model.as_deref())? {
            let (config, axes) = (point.config, point.axes);
            candidates.push(Candidate { config, axes, ..Candidate::default() });
        }
    }
    for Candidate { config, .. } in &mut candidates {
        if let Some(model) = &file.model
            && !config.contains_key("model_name")
            && !config.contains_key("model")
        {
            config.insert("model_name".to_owned(), Value::from(model.as_str()));
        }
        if let Some(backend) = backend
            && config.get("backend").is_none_or(Value::is_null)
        {
            config.insert("backend".to_owned(), Value::from(backend));
        }
    }
    Ok(identify(candidates))
}

fn of_file(name: String, config: Map<String, Value>, source: PathBuf) -> Candidate {
    Candidate { name: Some(name), config, source: Some(source), ..Candidate::default() }
}

/// Experiment files, each read once however often a campaign names it.
#[derive(Default)]
struct Files(HashMap<PathBuf, Map<String, Value>>);

impl Files {
    fn read(&mut self, path: &Path) -> Result<Map<String, Value>, CampaignError> {
        if let Some(config) = self.0.get(path) {
            return Ok(config.clone());
        }
        let config = read(path, &mut Vec::new())?;
        self.0.insert(path.to_owned(), config.clone());
        Ok(config)
    }
}

/// Reads an experiment file and what it extends; `open` are the files that extend this one.
fn read(path: &Path, open: &mut Vec<PathBuf>) -> Result<Map<String, Value>, CampaignError> {
    let senseless = |key: &str, reason: &str| CampaignError::Senseless {
        path: path.to_owned(),
        key: key.to_owned(),
        reason: reason.to_owned(),
    };
    let mut config = match yaml::read::<Map<String, Value>>(path) {
        Err(YamlError::Unreadable { path, source })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            return Err(CampaignError::NoConfig { path });
        }
        other => other?,
    };
    match config.get("backend") {
        None | Some(Value::String(_) | Value::Null) => {}
        Some(_) => return Err(senseless("backend", "expected the name of a backend")),
    }
    let parent = match config.remove(EXTENDS) {
        None | Some(Value::Null) => return Ok(config),
        Some(Value::String(parent)) => path.parent().unwrap_or(Path::new(".")).join(parent),
        Some(_) => return Err(senseless(EXTENDS, "expected the path of an experiment file")),
    };
    let identity = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if open.contains(&identity) {
        return Err(CampaignError::ExtendsItself { path: path.to_owned() });
    }
    open.push(identity);
    let mut whole = read(&parent, open)?;
    open.pop();
    // The name is that of the file that was asked for.
    whole.remove("config_name");
    lay_over(&mut whole, config);
    Ok(whole)
}

/// Puts `over` on `under`: mappings are merged, everything else is replaced.
fn lay_over(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => lay_over(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn name_of(path: &Path, config: &Map<String, Value>) -> String {
    match config.get("config_name").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
    }
}
