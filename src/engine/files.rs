//! Which Compose files belong to a folder: the ones that are named, or those that Compose itself
//! would find.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::compose::{ComposeProgram, Project};
use crate::yaml::{YamlError, regular};

/// There are no Compose files, or they can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    #[error("no Compose file in `{}` or above it", folder.display())]
    NoComposeFile { folder: PathBuf },
    #[error("the Compose file `{}` does not exist", path.display())]
    ComposeFileMissing { path: PathBuf },
    #[error(
        "`{}` is not UTF-8, which neither Compose files nor the record can hold",
        path.display()
    )]
    NotUtf8 { path: PathBuf },
    #[error(transparent)]
    File(#[from] YamlError),
}

/// Compose's own names, in its order of preference.
const NAMES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// The project as far as it is known before Compose is asked: files, directory, and what the
/// user's `COMPOSE_…` variables say.
pub(crate) fn project(
    compose: ComposeProgram,
    named: &[PathBuf],
    project_name: Option<&str>,
    base: &Path,
) -> Result<Project, FilesError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let list = |name: &str, separator: &str| -> Vec<String> {
        let value = variable(name).unwrap_or_default();
        value.split(separator).filter(|s| !s.is_empty()).map(str::to_owned).collect()
    };
    let separator = variable("COMPOSE_PATH_SEPARATOR").unwrap_or_else(|| ":".to_owned());
    let from_variable = list("COMPOSE_FILE", &separator);
    let files = match named {
        [] if !from_variable.is_empty() => from_variable.iter().map(PathBuf::from).collect(),
        [] => discover(base)?,
        named => named.to_vec(),
    };
    let files = files.iter().map(|file| absolute(file)).collect::<Result<Vec<_>, _>>()?;
    let directory =
        files.first().and_then(|file| file.parent()).unwrap_or(Path::new("/")).to_owned();
    let env_files = list("COMPOSE_ENV_FILES", ",");
    // Compose would wait for a pipe; a folder it passes over.
    let beside = directory.join(".env");
    if !beside.is_dir() {
        regular::must_be_a_file(&beside)?;
    }
    Ok(Project {
        compose,
        name: project_name.map(str::to_owned).or_else(|| variable("COMPOSE_PROJECT_NAME")),
        files,
        env_files: env_files.iter().map(|f| absolute(Path::new(f))).collect::<Result<_, _>>()?,
        profiles: list("COMPOSE_PROFILES", ","),
        directory,
    })
}

fn absolute(path: &Path) -> Result<PathBuf, FilesError> {
    let missing = || FilesError::ComposeFileMissing { path: path.to_owned() };
    let path = std::path::absolute(path).map_err(|_| missing())?;
    if path.to_str().is_none() {
        return Err(FilesError::NotUtf8 { path });
    }
    regular::must_be_a_file(&path)?;
    if path.is_file() { Ok(path) } else { Err(FilesError::ComposeFileMissing { path }) }
}

/// What a `.env` file says of `COMPOSE_FILE`, which Compose obeys where it is given no file.
fn named_in_env_file(folder: &Path) -> Vec<PathBuf> {
    let text = regular::of_file(&folder.join(".env")).unwrap_or_default();
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().split_once('='));
        let found = lines.find(|(key, _)| key.trim_start_matches("export ").trim() == name);
        found.map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
    };
    let separator = value("COMPOSE_PATH_SEPARATOR").unwrap_or_else(|| ":".to_owned());
    let files = value("COMPOSE_FILE").unwrap_or_default();
    files.split(&separator).filter(|f| !f.is_empty()).map(|f| folder.join(f)).collect()
}

/// The first folder, from `base` upwards, that holds a Compose file; with its override file.
fn discover(base: &Path) -> Result<Vec<PathBuf>, FilesError> {
    for folder in base.ancestors() {
        let named = named_in_env_file(folder);
        if !named.is_empty() {
            return Ok(named);
        }
        for name in NAMES {
            let file = folder.join(name);
            if file.is_file() {
                let stem = file.file_stem().and_then(OsStr::to_str).unwrap_or_default();
                let overrides = ["yml", "yaml"]
                    .map(|extension| folder.join(format!("{stem}.override.{extension}")));
                let own = overrides.into_iter().find(|file| file.is_file());
                return Ok(std::iter::once(file).chain(own).collect());
            }
        }
    }
    Err(FilesError::NoComposeFile { folder: base.to_owned() })
}

/// The path without links, as far as it exists; it must fit into a Compose file.
pub(crate) fn real_path(path: &Path) -> Result<PathBuf, FilesError> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path);
    let real = existing.canonicalize().unwrap_or_else(|_| existing.to_owned());
    let real = match path.strip_prefix(existing) {
        Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
        _ => real,
    };
    if real.to_str().is_none() {
        return Err(FilesError::NotUtf8 { path: real });
    }
    Ok(real)
}
