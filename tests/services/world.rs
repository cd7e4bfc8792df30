//! Model servers of both kinds on a made-up GPU of 80 GiB, as services of one registry.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::engine::{self, Container};
use crate::support::gpu::FakeGpu;
use crate::support::server::diary;
use crate::support::{Ended, ModelServer, Running, Scene};

/// Where a service lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Native,
    Container,
}

/// A registry, and the machine that it is about.
pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) fake: FakeGpu,
    registry: String,
    compose: String,
}

impl World {
    /// For native services alone: no engine is needed.
    pub(crate) fn native() -> Self {
        Self::of(Scene::without_containers())
    }

    /// For services of both kinds.
    pub(crate) fn with_containers() -> Self {
        Self::of(Scene::new())
    }

    fn of(scene: Scene) -> Self {
        let registry = "services:\n".to_owned();
        Self { scene, fake: FakeGpu::idle(1), registry, compose: String::new() }
    }

    /// A world in which services of this kind can live.
    pub(crate) fn for_kind(kind: Kind) -> Self {
        match kind {
            Kind::Native => Self::native(),
            Kind::Container => Self::with_containers(),
        }
    }

    /// A server that takes `mib` of the GPU and keeps a diary. `options` are the server's, `keys`
    /// the registry's.
    pub(crate) fn service(
        &mut self,
        kind: Kind,
        name: &str,
        mib: u64,
        options: &str,
        keys: &str,
    ) -> ModelServer {
        let server = ModelServer::new(name).on(&self.fake, 0, mib).with(options);
        let server = server.option("--diary", self.diary_of(name).display().to_string());
        let lives = match kind {
            Kind::Native => format!("type: native, start_cmd: {}", server.start_cmd()),
            Kind::Container => {
                let folder = self.fake.folder().display();
                let text = format!(
                    "  {name}: {{image: <model>, command: {}, ports: ['127.0.0.1:{}:{}'], \
                     volumes: ['{folder}:{folder}']}}\n",
                    server.command_in_image(),
                    server.port,
                    server.port,
                );
                self.compose(&text);
                format!("type: docker, service: {name}")
            }
        };
        self.register(
            name,
            &format!(
                "{lives}, vram_mb: {mib}, health: {{url: '{}', interval: 25ms}}, {keys}",
                server.url("/health")
            ),
        );
        server
    }

    /// A service of the Compose file.
    pub(crate) fn compose(&mut self, text: &str) {
        self.compose += text;
        self.scene.services(&self.compose);
    }

    /// An entry of the registry.
    pub(crate) fn register(&mut self, name: &str, keys: &str) {
        self.registry += &format!("  {name}: {{{keys}}}\n");
        self.scene.write("services.yaml", &self.registry);
    }

    /// Puts other words into the registry and the Compose file.
    pub(crate) fn change(&mut self, from: &str, to: &str) {
        assert!(self.registry.contains(from) || self.compose.contains(from), "{from}");
        self.registry = self.registry.replace(from, to);
        self.compose = self.compose.replace(from, to);
        self.scene.write("services.yaml", &self.registry);
        if !self.compose.is_empty() {
            self.scene.services(&self.compose);
        }
    }

    /// The diary is beside the state of the GPU, where containers see it too.
    fn diary_of(&self, name: &str) -> PathBuf {
        self.fake.folder().join(format!("{name}.diary"))
    }

    /// How often something happened to a server.
    pub(crate) fn count(&self, name: &str, event: &str) -> usize {
        diary(self.diary_of(name), event).len()
    }

    /// When something happened to a server last, in Unix ms.
    #[track_caller]
    pub(crate) fn when(&self, name: &str, event: &str) -> u64 {
        let lines = diary(self.diary_of(name), event);
        let line = lines.last().unwrap_or_else(|| panic!("`{name}` was never {event}"));
        line["at_ms"].as_u64().unwrap()
    }

    pub(crate) fn start(&self, words: &[&str]) -> Running {
        Running::start(self.fake.furnish(&mut self.scene.command(words)))
    }

    pub(crate) fn lem(&self, words: &[&str]) -> Ended {
        self.start(words).wait()
    }

    #[track_caller]
    pub(crate) fn ensure(&self, names: &[&str]) {
        self.lem(&[&["service", "ensure"], names].concat()).expect(0);
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn document(&self, words: &[&str], code: i32) -> Value {
        let ended = self.lem(&[words, &["--json"]].concat()).expect(code);
        serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{words:?}: {error} in `{}`", ended.stdout))
    }

    /// A service, as `lem service status --json` shows it.
    #[track_caller]
    pub(crate) fn status(&self, name: &str) -> Value {
        let ended = self.lem(&["service", "status", name, "--json"]);
        let rows: Value = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: `{}`\n{}", ended.stdout, ended.stderr));
        rows[0].clone()
    }

    /// The word for how a service is.
    #[track_caller]
    pub(crate) fn state(&self, name: &str) -> String {
        self.status(name)["state"].as_str().unwrap().to_owned()
    }

    /// The containers of the project that are alive.
    pub(crate) fn containers(&self) -> Vec<Container> {
        let all = engine::containers(&self.scene.project);
        all.into_iter().filter(|it| it.state != "exited" && it.state != "created").collect()
    }

    /// The lines of the journal; each must be one.
    #[track_caller]
    pub(crate) fn journal(&self) -> Vec<Value> {
        let listing = self.scene.listing();
        let files = listing.iter().filter(|path| path.extension().is_some_and(|it| it == "jsonl"));
        let files = files.filter(|path| path.parent().is_some_and(|it| it.ends_with("journal")));
        let mut lines = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(file).unwrap();
            lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        lines
    }
}

/// Makes a test of each function for each kind: `name::native`, `name::container`.
macro_rules! of_both_kinds {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn native() {
                super::$name($crate::world::Kind::Native);
            }

            #[test]
            fn container() {
                super::$name($crate::world::Kind::Container);
            }
        }
    )*};
}
pub(crate) use of_both_kinds;
