//! The Compose files of a campaign, watched: what they say of its services stays what it was.
//!
//! Every `run` and `up` reads them again. Runs before and after a change would not be comparable,
//! and nobody would know. Looked at by their status alone, until that changes; then Compose is asked
//! what they say now. A file that is named with a variable in it is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::campaign::error::CampaignError;
use crate::campaign::plan::short_hash;
use crate::cancel::Cancel;
use crate::engine::compose::Project;
use crate::engine::lem_keys::OF_SERVICES;
use crate::yaml;

/// When a file was last written, and what it was then: time, length, number.
type Status = Option<(i64, i64, u64, u64)>;

/// What the files said when the campaign began.
#[derive(Debug, Clone)]
pub(crate) struct ComposeFiles {
    project: Project,
    statuses: BTreeMap<PathBuf, Status>,
    /// Of each service that the campaign uses, a hash: what it says may be secret.
    services: BTreeMap<String, String>,
}

impl ComposeFiles {
    /// The files as they are, before Compose reads them.
    pub(super) fn about_to_be_read(project: &Project) -> BTreeMap<PathBuf, Status> {
        let settings = project.directory.join(".env");
        let all = project.files.iter().chain(&project.env_files).chain([&settings]);
        let named = project.files.iter().flat_map(|file| named_in(file, &project.directory));
        all.cloned().chain(named).map(|path| (path.clone(), status(&path))).collect()
    }

    /// What Compose made of them.
    pub(super) fn read(
        project: &Project,
        statuses: BTreeMap<PathBuf, Status>,
        services: &BTreeSet<String>,
        text: &str,
    ) -> Result<Self, CampaignError> {
        let services = said(text, services)?;
        Ok(Self { project: project.clone(), statuses, services })
    }

    /// Fails if they say something else of a service of the campaign now.
    pub(crate) async fn unchanged(&mut self, cancel: &Cancel) -> Result<(), CampaignError> {
        let statuses: BTreeMap<PathBuf, Status> =
            self.statuses.keys().map(|path| (path.clone(), status(path))).collect();
        if statuses == self.statuses {
            return Ok(());
        }
        let touched = statuses.iter().filter(|(path, now)| self.statuses[*path] != **now);
        let file = touched.map(|(path, _)| path.clone()).next().unwrap_or_default();
        let names = self.services.keys().cloned().collect();
        let now = said(&super::config(&self.project, cancel).await?, &names)?;
        let other = self.services.iter().find(|(name, then)| now.get(*name) != Some(*then));
        if let Some((service, _)) = other {
            let service = service.clone();
            return Err(CampaignError::ComposeFileChanged { file, service });
        }
        self.statuses = statuses;
        Ok(())
    }
}

/// The files that a Compose file names: environments, what it extends and includes.
fn named_in(file: &Path, directory: &Path) -> Vec<PathBuf> {
    let Ok(all) = yaml::read::<Value>(file) else { return Vec::new() };
    let services = all.get("services").and_then(Value::as_object);
    let services = services.into_iter().flat_map(|services| services.values());
    let of = |service: &Value| {
        let extended = service.get("extends").and_then(|it| it.get("file"));
        [paths(service.get("env_file")), paths(extended)].concat()
    };
    let named = services.flat_map(of).chain(paths(all.get("include")));
    named.filter(|path| !path.contains('$')).map(|path| directory.join(path)).collect()
}

/// A path, a list of them, or of objects that have one.
fn paths(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(path)) => vec![path.clone()],
        Some(Value::Array(several)) => several.iter().flat_map(|it| paths(Some(it))).collect(),
        Some(Value::Object(keys)) => paths(keys.get("path")),
        _ => Vec::new(),
    }
}

fn status(path: &Path) -> Status {
    let file = std::fs::metadata(path).ok()?;
    Some((file.mtime(), file.mtime_nsec(), file.size(), file.ino()))
}

fn said(
    text: &str,
    services: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, CampaignError> {
    let all: Value = yaml::parse(Path::new("docker compose config"), text)?;
    let of = |name: &String| {
        let mut service = all.get("services")?.get(name)?.clone();
        // What it is as a GPU service means nothing to a campaign.
        if let Some(Value::Object(keys)) = service.get_mut("x-lem") {
            keys.retain(|key, _| !OF_SERVICES.contains(&key.as_str()));
        }
        Some((name.clone(), short_hash(service.to_string().as_bytes())))
    };
    Ok(services.iter().filter_map(of).collect())
}
