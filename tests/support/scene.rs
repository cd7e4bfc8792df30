//! A place of its own for every test: a folder, a Compose project, `lem` with nobody's settings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{getegid, geteuid};
use tempfile::TempDir;

use super::daemon::Daemon;
use super::{Ended, Running, engine, images};

/// How a campaign uses containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Ephemeral,
    Persistent,
}

impl Strategy {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ephemeral => "ephemeral",
            Self::Persistent => "persistent",
        }
    }
}

/// A test's place. What is left of its project is removed when it is dropped.
pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) project: String,
    in_containers: bool,
    /// What runs the scripts.
    shell: OnceLock<&'static str>,
    /// The engine that its lems use, if it is not everyone's.
    host: Option<String>,
    /// What else its lems have in their environment.
    variables: BTreeMap<&'static str, String>,
}

impl Scene {
    /// For campaigns in containers: fails unless the engine answers and the inner lem is there.
    pub(crate) fn new() -> Self {
        engine::must_answer();
        let beside = Path::new(env!("CARGO_BIN_EXE_lem")).with_file_name("lem-container");
        let named = std::env::var_os("LEM_CONTAINER_BIN").map(PathBuf::from);
        let inner = named.unwrap_or(beside);
        assert!(inner.is_file(), "no inner lem at {}: `make container`", inner.display());
        let mut scene = Self::without_containers();
        scene.in_containers = true;
        scene
    }

    /// For campaigns on an engine of the test's own.
    pub(crate) fn on(daemon: &Daemon) -> Self {
        let mut scene = Self::new();
        scene.host = Some(daemon.host());
        scene
    }

    /// For everything else.
    pub(crate) fn without_containers() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let project = format!("lem-test-{}-{number:03}", std::process::id());
        let scene = Self {
            folder: TempDir::new().unwrap(),
            project,
            in_containers: false,
            shell: OnceLock::new(),
            host: None,
            variables: BTreeMap::new(),
        };
        // Pauses are for hardware.
        scene.write(
            ".lem-config.yaml",
            "thermal_gaps: {between_experiments: 0, between_cycles: 0}\n\
             docker: {compose_file: compose.yaml}\n",
        );
        scene
    }

    /// For what has to do with names alone: no engine is there that could know them.
    pub(crate) fn without_engine() -> Self {
        let mut scene = Self::without_containers();
        scene.host = Some(format!("unix://{}", scene.path("no-engine.sock").display()));
        scene
    }

    /// Gives its lems a variable.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.variables.insert(name, value.to_owned());
    }

    /// Leaves the folder for a person to look at.
    pub(crate) fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// A number that no other scene has.
    pub(crate) fn number(&self) -> String {
        self.project.chars().filter(char::is_ascii_digit).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes compose.yaml. `<name>` is the tag of an image; a service without a `user` of its own
    /// may take `<me>`, whose processes this test may look at.
    pub(crate) fn services(&self, text: &str) {
        let mut text = text.replace("<me>", &format!("\"{}:{}\"", geteuid(), getegid()));
        for name in images::NAMES {
            let place = format!("<{name}>");
            if text.contains(&place) {
                text = text.replace(&place, &images::tag(name));
            }
        }
        if text.contains("<model>") {
            text = text.replace("<model>", &images::model());
        }
        self.write("compose.yaml", &format!("name: {}\nservices:\n{text}", self.project));
    }

    /// One service, `bench`, that has a shell.
    pub(crate) fn bench(&self) {
        self.services("  bench: {image: <busybox>, network_mode: none, user: <me>}\n");
    }

    /// The same with a service that does without the inner lem, and has its own `sh` instead.
    pub(crate) fn bench_without_inner_lem(&self) {
        self.services(
            "  bench: {image: <busybox>, network_mode: none, user: <me>, x-lem: {inner: false}}\n",
        );
    }

    /// The same with a service that has no `sh` either; something else runs the scripts.
    pub(crate) fn bench_without_anybody(&self) {
        self.services(
            "  bench: {image: <shellless>, network_mode: none, user: <me>, x-lem: {inner: false}}\n",
        );
        self.shell.set("ash").unwrap();
        self.write(
            ".lem-config.yaml",
            "thermal_gaps: {between_experiments: 0, between_cycles: 0}\n\
             docker: {compose_file: compose.yaml, hold_command: [sleep, '3600']}\n",
        );
    }

    /// What runs the scripts.
    pub(crate) fn shell(&self) -> &'static str {
        self.shell.get().copied().unwrap_or("sh")
    }

    /// Writes campaign.yaml: one run in `bench` for each script, in order. A script starts in its
    /// run's folder and finds in `$GO` the name of a file beside those folders.
    pub(crate) fn scripts(&self, scripts: &[&str], execution: &str) {
        self.campaign_of("campaign.yaml", "nightly", scripts, execution);
    }

    /// The same under another name.
    pub(crate) fn campaign_of(&self, file: &str, name: &str, scripts: &[&str], execution: &str) {
        let (scripts, shell) = (serde_json::to_string(scripts).unwrap(), self.shell());
        self.write(
            file,
            &format!(
                "campaign_name: {name}\n\
                 grid: {{backends: [bench], shared: {{script: {scripts}}}}}\n\
                 command: [{shell}, -c, 'cd {{results}}; GO=../go; {{script}}']\n\
                 execution: {{cycles: 1, {execution}}}\n"
            ),
        );
    }

    /// The folders of a campaign's runs, in order.
    pub(crate) fn runs(&self, campaign: &str) -> Vec<PathBuf> {
        let folder = self.path("results").join(campaign);
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        runs.sort();
        runs
    }

    /// Every file and folder of the scene.
    pub(crate) fn listing(&self) -> Vec<PathBuf> {
        let mut open = vec![self.folder.path().to_owned()];
        let mut found = Vec::new();
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                found.push(entry.path());
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }

    /// `lem` in this scene.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lem"));
        self.furnish(&mut command).args(words);
        command
    }

    /// Gives a command the scene's folder and nobody's settings.
    pub(crate) fn furnish<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let inner = std::env::var_os("LEM_CONTAINER_BIN");
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["LEM_", "COMPOSE_", "HF_", "HUGGING_"].iter().any(|start| name.starts_with(start)) {
                command.env_remove(name);
            }
        }
        command.envs(inner.map(|inner| ("LEM_CONTAINER_BIN", inner)));
        command.envs(self.host.as_ref().map(|host| ("DOCKER_HOST", host)));
        command
            .current_dir(self.folder.path())
            .env("LEM_STATE_DIR", self.path("machine"))
            // Every scene has a ledger of its own for the one engine of all.
            .env("LEM_STORE_CHECK", "off")
            .env("XDG_CONFIG_HOME", self.path("user"))
            .envs(&self.variables)
    }

    pub(crate) fn lem(&self, words: &[&str]) -> Ended {
        self.start(words).wait()
    }

    pub(crate) fn start(&self, words: &[&str]) -> Running {
        Running::start(&mut self.command(words))
    }

    /// `lem campaign campaign.yaml --yes --json` with a strategy.
    pub(crate) fn campaign(&self, strategy: Strategy, more: &[&str]) -> Ended {
        self.start_campaign(strategy, more).wait()
    }

    pub(crate) fn start_campaign(&self, strategy: Strategy, more: &[&str]) -> Running {
        self.start(&[&campaign_words(strategy)[..], more].concat())
    }

    /// `docker compose` on the scene's project, as somebody else would use it.
    #[track_caller]
    pub(crate) fn compose(&self, words: &[&str]) -> String {
        let file = self.path("compose.yaml");
        engine::docker(&[&["compose", "-f", file.to_str().unwrap()], words].concat())
    }
}

pub(crate) fn campaign_words(strategy: Strategy) -> [&'static str; 6] {
    ["campaign", "campaign.yaml", "--yes", "--json", "--container-strategy", strategy.word()]
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.in_containers {
            engine::remove(&self.project);
        }
    }
}
