//! The keys of a service that stand below `x-lem` of a Compose service.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::keys::ServiceKeys;
use super::source::{Source, Text};
use crate::engine::lem_keys;
use crate::services::error::ServiceError;
use crate::yaml::{self, YamlError, keys, regular};

/// The first key below an `x-lem` that there is not, where it is written.
pub(super) fn typo(files: &[PathBuf]) -> Option<ServiceError> {
    files.iter().find_map(|file| {
        let text = regular::of_file(file).ok()?;
        let all: Value = yaml::parse(file, &text).ok()?;
        let text = Text::of(file, &text);
        all.get("services")?.as_object()?.iter().find_map(|(name, service)| {
            service.get("x-lem")?.as_object()?.keys().find_map(|key| {
                let reason = format!("unknown key{}", lem_keys::unknown(key)?);
                Some(ServiceError::Senseless {
                    place: text.place(&["services", name, "x-lem", key]),
                    service: name.clone(),
                    key: format!("x-lem.{key}"),
                    reason,
                })
            })
        })
    })
}

/// Where the `x-lem` of a Compose service is written: in the last file that has one.
pub(super) fn source(name: &str, texts: &[Text], otherwise: &Text) -> Source {
    let above = ["services", name, "x-lem"];
    let text = texts.iter().rev().find(|text| text.positions.line(&above).is_some());
    let text = text.or(texts.first()).unwrap_or(otherwise).clone();
    Source { text, above: above.map(str::to_owned).to_vec() }
}

/// The keys below the `x-lem` of a Compose service.
pub(super) fn keys(
    name: &str,
    value: &Value,
    source: &Source,
) -> Result<ServiceKeys, ServiceError> {
    let wrong = |reason: String| ServiceError::Senseless {
        place: source.place(),
        service: name.to_owned(),
        key: "x-lem".to_owned(),
        reason,
    };
    let text = yaml::to_text(value).map_err(|error| wrong(error.to_string()))?;
    let keys =
        keys::parse::<ServiceKeys>(Path::new("x-lem"), &text).map_err(|error| match error {
            YamlError::Invalid { place, message, help } => {
                let help = help.map(|help| format!("; {help}")).unwrap_or_default();
                wrong(format!("{message} (`{}`){help}", place.text.trim()))
            }
            other => wrong(other.to_string()),
        })?;
    if keys.service.is_some() || keys.container_name.is_some() {
        return Err(wrong(
            "the service is the one that it stands below: no `service`, no \
                          `container_name`"
                .to_owned(),
        ));
    }
    Ok(ServiceKeys { service: Some(name.to_owned()), ..keys })
}
