//! What was found out about names, kept beside the ledger, so that docker is not asked for every
//! operation: an operation adds 20 ms to its command, and a docker client takes three times that.
//!
//! 2026-11-21: what a Compose file says is right as long as no file that it is made from has
//! changed, and no variable that it names. A file that names others (`include`, `extends`) is asked
//! about each time. What containers there are is believed for ten minutes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::names::ProjectNames;
use crate::digest;
use crate::durable::{self, Flush};
use crate::engine::compose::Project;
use crate::engine::labelled::Labelled;

/// For so long the containers of an engine are believed to be those that there were.
const CONTAINERS: Duration = Duration::from_secs(600);

/// The place where it is kept.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    folder: PathBuf,
    /// The ledger that was told too.
    store: String,
}

/// A project, and of what it was read.
#[derive(Serialize, Deserialize)]
struct OfFiles {
    store: String,
    /// None where no look at files tells whether it is still right.
    stamp: Option<String>,
    project: ProjectNames,
}

/// The containers of an engine.
#[derive(Serialize, Deserialize)]
struct OfEngine {
    store: String,
    at: Timestamp,
    containers: Vec<Labelled>,
}

impl Remembered {
    /// In the folder of a ledger.
    pub(super) fn beside(ledger: &Path, store: String) -> Self {
        Self { folder: ledger.join("names"), store }
    }

    /// The project of these files, if they are as they were.
    pub(super) fn project(&self, engine: &str, project: &Project) -> Option<ProjectNames> {
        let found: OfFiles = self.read(&key(engine, project))?;
        let is_right = found.stamp.is_some() && found.stamp == stamp(project);
        (is_right && found.store == self.store).then_some(found.project)
    }

    /// The project of these files as it was last.
    pub(super) fn project_before(&self, engine: &str, project: &Project) -> Option<ProjectNames> {
        let found: OfFiles = self.read(&key(engine, project))?;
        Some(found.project)
    }

    /// Keeps the project of files that were as `stamp` says before they were read.
    pub(super) fn keep_project(
        &self,
        engine: &str,
        project: &Project,
        stamp: Option<String>,
        names: &ProjectNames,
    ) {
        let kept = OfFiles { store: self.store.clone(), stamp, project: names.clone() };
        self.write(&key(engine, project), &kept);
    }

    /// The containers that an engine had, if that is not long ago. There may be more by now.
    pub(super) fn containers(&self, engine: &str) -> Option<Vec<Labelled>> {
        let found: OfEngine = self.read(&digest(&[engine]))?;
        let age = Duration::try_from(Timestamp::now().duration_since(found.at)).ok()?;
        let is_right = age < CONTAINERS && found.store == self.store;
        is_right.then_some(found.containers)
    }

    /// Keeps the containers of an engine.
    pub(super) fn keep_containers(&self, engine: &str, containers: &[Labelled]) {
        let (store, at) = (self.store.clone(), Timestamp::now());
        let kept = OfEngine { store, at, containers: containers.to_vec() };
        self.write(&digest(&[engine]), &kept);
    }

    fn read<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let text = fs::read(self.folder.join(format!("{key}.json"))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// What can't be kept is asked again.
    fn write<T: Serialize>(&self, key: &str, value: &T) {
        let _ = crate::state_dir::make(&self.folder);
        let path = self.folder.join(format!("{key}.json"));
        let _ = durable::write_json(&path, value, Flush::Later);
    }
}

fn key(engine: &str, project: &Project) -> String {
    let files: Vec<String> = project.files.iter().map(|file| file.display().to_string()).collect();
    let name = project.name.as_deref().unwrap_or("");
    digest(&[engine, name, &files.join("\n"), &project.directory.display().to_string()])
}

fn digest(parts: &[&str]) -> String {
    digest::hex(parts.join("\n\n").as_bytes(), 24)
}

/// How the files of a project are, and the variables that they name; none where they name others.
pub(super) fn stamp(project: &Project) -> Option<String> {
    let mut stamp = String::new();
    let beside = project.directory.join(".env");
    for file in project.files.iter().chain(&project.env_files).chain([&beside]) {
        match fs::metadata(file) {
            Ok(it) => stamp.push_str(&format!(
                "{}:{}.{:09}:{}:{}\n",
                it.ino(),
                it.mtime(),
                it.mtime_nsec(),
                it.size(),
                it.dev()
            )),
            Err(_) => stamp.push_str("-\n"),
        }
    }
    let mut variables = BTreeMap::new();
    for file in &project.files {
        let text = fs::read_to_string(file).ok()?;
        if ["include", "extends"].iter().any(|word| names_files(&text, word)) {
            return None;
        }
        for name in variables_in(&text) {
            let value = std::env::var_os(name).map(|it| it.to_string_lossy().into_owned());
            variables.insert(name.to_owned(), value);
        }
    }
    for (name, value) in std::env::vars().filter(|(name, _)| name.starts_with("COMPOSE_")) {
        variables.insert(name, Some(value));
    }
    Some(digest(&[&stamp, &format!("{variables:?}"), &format!("{:?}", project.profiles)]))
}

/// Whether a key of this name may stand in a Compose file.
fn names_files(text: &str, key: &str) -> bool {
    text.match_indices(key).any(|(at, _)| {
        let rest = text[at + key.len()..].trim_start_matches(['"', '\'', ' ']);
        rest.starts_with(':')
    })
}

/// The names after `$` and `${`.
fn variables_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        (!name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_has_changed_and_each_time_where_it_names_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("compose.yaml");
        let project = crate::engine::compose::Project {
            compose: crate::engine::compose::ComposeProgram::Plugin { docker: "docker".into() },
            name: None,
            files: vec![file.clone()],
            env_files: Vec::new(),
            profiles: Vec::new(),
            directory: folder.path().to_owned(),
        };
        let store = "one".to_owned();
        let kept = Remembered::beside(folder.path(), store);
        let names = ProjectNames { name: "shop".to_owned(), services: BTreeMap::new() };
        let write = |text: &str| fs::write(&file, text).unwrap();
        let keep = || kept.keep_project("E", &project, stamp(&project), &names);

        write("services: {a: {image: b}}");
        assert_eq!(kept.project("E", &project), None);
        keep();
        assert_eq!(kept.project("E", &project).as_ref(), Some(&names));
        assert_eq!(kept.project("F", &project), None);
        let other = Remembered { store: "two".to_owned(), ..kept.clone() };
        assert_eq!(other.project("E", &project), None);
        write("services: {a: {image: bc}}");
        assert_eq!(kept.project("E", &project), None);
        keep();
        fs::write(folder.path().join(".env"), "A=1").unwrap();
        assert_eq!(kept.project("E", &project), None);
        write("include: [other.yaml]");
        keep();
        assert_eq!(kept.project("E", &project), None);
        assert_eq!(kept.project_before("E", &project), Some(names));
    }

    #[test]
    fn the_variables_that_a_file_names_are_found() {
        let found: Vec<&str> = variables_in("image: ${IMAGE:-a}:$TAG $$no ${").collect();
        assert_eq!(found, ["IMAGE", "TAG", "no"]);
        assert!(
            names_files("include:\n - a", "include") && names_files("{\"extends\" : x}", "extends")
        );
        assert!(!names_files("image: includes", "include"));
    }
}
