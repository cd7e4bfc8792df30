//! The engine's side: what docker shows of a project, and the removal of what a test left.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A container as `docker ps` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) service: String,
    pub(crate) owner: String,
    pub(crate) campaign: String,
    pub(crate) run: String,
}

const FORMAT: &str = concat!(
    "{{.ID}}\t{{.Names}}\t{{.State}}\t{{.Label \"com.docker.compose.service\"}}\t",
    "{{.Label \"dev.lem.owner\"}}\t{{.Label \"dev.lem.campaign\"}}\t{{.Label \"dev.lem.run\"}}"
);

/// The containers of a Compose project, whatever their state.
pub(crate) fn containers(project: &str) -> Vec<Container> {
    labelled(&format!("com.docker.compose.project={project}"))
}

/// The containers that lem made for a project.
pub(crate) fn owned(project: &str) -> Vec<Container> {
    labelled(&format!("dev.lem.owner={project}"))
}

fn labelled(label: &str) -> Vec<Container> {
    let filter = format!("label={label}");
    docker(&["ps", "--all", "--no-trunc", "--filter", &filter, "--format", FORMAT])
        .lines()
        .map(|line| {
            let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let [id, name, state, service, owner, campaign, run] =
                columns.try_into().unwrap_or_else(|columns| panic!("{columns:?}"));
            Container { id, name, state, service, owner, campaign, run }
        })
        .collect()
}

/// The names of a project's networks.
pub(crate) fn networks(project: &str) -> Vec<String> {
    let filter = format!("label=com.docker.compose.project={project}");
    let names = docker(&["network", "ls", "--filter", &filter, "--format", "{{.Name}}"]);
    names.lines().map(str::to_owned).collect()
}

/// Where the engine listens.
pub(crate) fn socket() -> PathBuf {
    let host = docker(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]);
    let path = host.trim().strip_prefix("unix://");
    PathBuf::from(path.unwrap_or_else(|| panic!("the engine is not on this machine: {host}")))
}

/// What `docker` answers; the test fails if it refuses.
#[track_caller]
pub(crate) fn docker(words: &[&str]) -> String {
    let output = ask(words);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {words:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with the reason unless the engine answers: a test that can't test must not pass.
pub(crate) fn must_answer() {
    let output = ask(&["version", "--format", "{{.Server.Version}}"]);
    assert!(
        output.status.success(),
        "these tests need a docker engine (`make setup`), and this one doesn't answer: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Removes every container and network of a project.
pub(crate) fn remove(project: &str) {
    let label = format!("label=com.docker.compose.project={project}");
    for (list, remove) in [
        (vec!["ps", "--all", "--quiet"], vec!["rm", "--force", "--volumes"]),
        (vec!["network", "ls", "--quiet"], vec!["network", "rm"]),
    ] {
        let found = ask(&[&list[..], &["--filter", &label]].concat());
        let ids = String::from_utf8_lossy(&found.stdout).into_owned();
        let ids: Vec<&str> = ids.lines().collect();
        if !ids.is_empty() {
            ask(&[&remove[..], &ids].concat());
        }
    }
}

fn ask(words: &[&str]) -> Output {
    let asked = Command::new("docker").args(words).stdin(Stdio::null()).output();
    asked.unwrap_or_else(|error| panic!("`docker` can't be started: {error} (`make setup`)"))
}
