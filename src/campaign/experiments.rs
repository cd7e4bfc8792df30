//! From a campaign file to its experiments: configuration files read, axes expanded.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::CampaignError;
use super::file::CampaignFile;
use super::grid;
use super::plan::{Axes, Experiment, identify};
use crate::yaml::{self, YamlError};

/// The experiments of a campaign: `configs`, then `experiments`, then `grid`.
pub(crate) fn gather(file: &CampaignFile, base: &Path) -> Result<Vec<Experiment>, CampaignError> {
    let mut candidates = Vec::new();
    for path in &file.configs {
        let config = read(&base.join(path))?;
        candidates.push((Some(name_of(path, &config)), config, Axes::new()));
    }
    for entry in &file.experiments {
        let mut config = read(&base.join(&entry.config))?;
        let mut name = name_of(&entry.config, &config);
        for (key, value) in &entry.overrides {
            grid::set(&mut config, key, value.clone())?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            name = format!("{name}-{key}={text}");
        }
        candidates.push((Some(name), config, Axes::new()));
    }
    if let Some(axes) = &file.grid {
        for point in grid::expand(axes, file.model.as_deref())? {
            candidates.push((None, point.config, point.axes));
        }
    }
    for (_, config, _) in &mut candidates {
        if let Some(model) = &file.model
            && !config.contains_key("model_name")
            && !config.contains_key("model")
        {
            config.insert("model_name".to_owned(), Value::from(model.as_str()));
        }
    }
    Ok(identify(candidates))
}

fn read(path: &Path) -> Result<Map<String, Value>, CampaignError> {
    let value = match yaml::read::<Map<String, Value>>(path) {
        Err(YamlError::Unreadable { path, source })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            return Err(CampaignError::NoConfig { path });
        }
        other => other?,
    };
    match value.get("backend") {
        None | Some(Value::String(_) | Value::Null) => Ok(value),
        Some(_) => Err(CampaignError::Senseless {
            path: path.to_owned(),
            key: "backend".to_owned(),
            reason: "expected the name of a backend".to_owned(),
        }),
    }
}

fn name_of(path: &Path, config: &Map<String, Value>) -> String {
    match config.get("config_name").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
    }
}
