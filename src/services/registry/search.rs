//! Which file is the registry.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde_json::Value;

use super::{compose, x_lem};
use crate::services::error::ServiceError;
use crate::yaml;

/// Names a registry for every command.
const VARIABLE: &str = "LEM_SERVICES";
/// The file's own names.
const NAMES: [&str; 2] = ["services.yaml", "services.yml"];

/// A registry, as far as it is found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A `services.yaml`.
    File(PathBuf),
    /// Compose files whose services have `x-lem` keys.
    Compose(Vec<PathBuf>),
}

/// The file that is named, or the first of: `services.yaml` in this folder or above, a Compose file
/// with `x-lem` keys found in the same way, the user's own `services.yaml`.
pub(super) fn find(named: Option<&Path>) -> Result<Found, ServiceError> {
    let variable = std::env::var_os(VARIABLE).map(PathBuf::from);
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map_err(|source| ServiceError::State { path: path.to_owned(), source })
    };
    let said = [named.map(Path::to_owned), variable];
    if let Some(path) = said.into_iter().flatten().find(|path| !path.as_os_str().is_empty()) {
        return absolute(&path).map(known);
    }
    let here = absolute(Path::new("."))?;
    if let Some(path) = here.ancestors().find_map(in_folder) {
        return Ok(Found::File(path));
    }
    let mut looked = vec![here.join(NAMES[0])];
    if let Ok(project) = compose::unasked(&[], None, &here) {
        if compose::may_have_services(&project.files) {
            return Ok(Found::Compose(project.files));
        }
        // It would be no registry for one letter too many.
        if let Some(error) = x_lem::typo(&project.files) {
            return Err(error);
        }
        looked.extend(project.files);
    }
    let user = etcetera::choose_base_strategy().ok();
    let user = user.map(|strategy| strategy.config_dir().join("lem"));
    if let Some(path) = user.as_deref().and_then(in_folder) {
        return Ok(Found::File(path));
    }
    looked.extend(user.map(|folder| folder.join(NAMES[0])));
    Err(ServiceError::NoRegistry { looked })
}

fn in_folder(folder: &Path) -> Option<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// A file that is named may be a Compose file: those have services with an image.
fn known(path: PathBuf) -> Found {
    let all = yaml::read::<Value>(&path).unwrap_or_default();
    let services = all.get("services").and_then(Value::as_object);
    let of_compose = |service: &Value| {
        ["image", "build", "extends", "x-lem"].iter().any(|key| service.get(key).is_some())
    };
    if services.is_some_and(|services| services.values().any(of_compose)) {
        Found::Compose(vec![path])
    } else {
        Found::File(path)
    }
}
