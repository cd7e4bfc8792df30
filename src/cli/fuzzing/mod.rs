//! What lem reads, one function for each kind: bytes in, nothing out. They panic where a promise is
//! broken: the fuzz targets (`fuzz/`) and the property tests beside this file call them.
//!
//! The promises: whatever the bytes are, nothing panics, hangs or takes much memory, an error names
//! the place, and what was understood means the same once it is written down again.

mod campaign;
mod docker;
mod left;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::Path;

use serde_json::{Map, Value};

use crate::campaign::file::CampaignFile;
use crate::campaign::run_folder::config_text;
use crate::cli::flags::Flags;
use crate::cli::render::{self, told};
use crate::cli::settings::{ConfigFile, Layers, Manners};
use crate::experiment;
use crate::services::registry;
use crate::yaml;

/// Reads bytes as something, and panics where a promise is broken.
type Check = fn(&[u8]);

/// Everything that is checked, by name.
pub(crate) const KINDS: [(&str, Check); 7] = [
    ("campaign", campaign::campaign),
    ("experiment", experiment),
    ("settings", settings),
    ("services", services),
    ("compose", docker::compose),
    ("replies", docker::replies),
    ("left", left::left),
];

/// Where the bytes are said to come from. There is no such folder, so nothing is read beside them.
const FOLDER: &str = "/nowhere-that-exists";

/// An experiment file: `lem experiment` and a campaign read it, and a run reads it again.
fn experiment(bytes: &[u8]) {
    let path = Path::new(FOLDER).join("experiment.yaml");
    let read = || -> Result<Map<String, Value>, yaml::YamlError> {
        let text = yaml::text::decoded(&path, bytes.to_vec())?;
        match experiment::understand(&path, &text) {
            Ok(()) => {}
            Err(error) => names_the_place(&error),
        }
        yaml::parse(&path, &text)
    };
    match read() {
        Ok(config) => means_the_same(&config),
        Err(error) => names_the_place(&error),
    }
}

/// `.lem-config.yaml` or the user's configuration.
fn settings(bytes: &[u8]) {
    let path = Path::new(FOLDER).join(".lem-config.yaml");
    let text = yaml::text::decoded(&path, bytes.to_vec()).map_err(Into::into);
    match text.and_then(|text| ConfigFile::parse(&path, &text)) {
        Ok(file) => {
            let layers = Layers::of(file, ConfigFile::default());
            let campaign = CampaignFile::default();
            let base = Path::new(FOLDER);
            let chosen = layers.resolve(&campaign, base, &Flags::default(), Manners::default());
            assert!(!chosen.rows.is_empty());
        }
        Err(error) => names_the_place(&error),
    }
}

/// The registry of services: whatever is understood can be shown, and ordered.
fn services(bytes: &[u8]) {
    let path = Path::new(FOLDER).join("services.yaml");
    let text = yaml::text::decoded(&path, bytes.to_vec()).map_err(Into::into);
    match text.and_then(|text| registry::parse(&path, &text)) {
        Ok(registry) => {
            let names = registry.services.keys().map(String::as_str);
            let order = registry.start_order(names).map_or(0, |order| order.len());
            assert_eq!(order, registry.services.len());
            assert!(render::settings::document(&registry).is_object());
        }
        Err(error) => names_the_place(&error),
    }
}

/// The configuration that a run is given is the one that was understood.
fn means_the_same(config: &Map<String, Value>) {
    let mut named = config.clone();
    named.entry("config_name").or_insert_with(|| Value::from("a"));
    match config_text("a", config) {
        Ok(text) => {
            let again = yaml::parse::<Map<String, Value>>(Path::new("config.yaml"), &text);
            let again = again.map_err(|error| error.to_string());
            assert_eq!(again, Ok(named), "written as:\n{text}");
        }
        Err(error) => assert!(error.to_string().is_empty(), "not written: {error}"),
    }
}

/// An error tells a person where to look: a file, a key or a value, in few words that no terminal
/// obeys.
fn names_the_place(error: &dyn Error) {
    let said = told(error);
    assert!(said.contains(" --> ") || said.contains('`'), "names no place: {said:?}");
    assert!(said.chars().count() < 4000, "too long to read: {} bytes", said.len());
    let obeyed = |c: char| c.is_control() && !"\n\t".contains(c);
    assert!(!said.contains(obeyed), "a terminal would obey it: {said:?}");
}
