//! A ledger, and lems that share it: operations that are held until the test lets them go.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::postgres::Postgres;
use crate::support::{Ended, Running, Scene, eventually};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Lems that share a ledger.
pub(crate) struct World {
    pub(crate) scene: Scene,
    _server: Option<Postgres>,
}

/// `postgres`: the ledgers of these tests are on a server each, and not in files.
const LEDGER: &str = "LEM_TEST_LEDGER";

/// An operation whose command runs until it is let go.
pub(crate) struct Held {
    pub(crate) lem: Running,
    /// The number of the operation.
    pub(crate) id: i64,
    /// The process of the command.
    pub(crate) command: u32,
    go: PathBuf,
}

impl World {
    /// Names that nobody knows more of. There is no engine: on a real one somebody else may have a
    /// container of that name.
    pub(crate) fn of_names() -> Self {
        Self::with_ledger(Scene::without_engine())
    }

    /// With containers of an engine.
    pub(crate) fn of_containers() -> Self {
        Self::with_ledger(Scene::new())
    }

    /// Names that nobody knows more of, and a ledger in a file whatever else is tested.
    pub(crate) fn of_names_in_a_file() -> Self {
        Self { scene: Scene::without_engine(), _server: None }
    }

    /// With containers of an engine, and a ledger in a file whatever else is tested.
    pub(crate) fn of_containers_in_a_file() -> Self {
        Self { scene: Scene::new(), _server: None }
    }

    fn with_ledger(mut scene: Scene) -> Self {
        let is_on_server = std::env::var_os(LEDGER).is_some_and(|it| it == "postgres");
        let server = is_on_server.then(Postgres::start);
        if let Some(server) = &server {
            scene.set("LEM_COORDINATION_URL", &server.database("ledger"));
        }
        Self { scene, _server: server }
    }

    pub(crate) fn lem(&self, words: &[&str]) -> Ended {
        self.scene.lem(words)
    }

    pub(crate) fn start(&self, words: &[&str]) -> Running {
        self.scene.start(words)
    }

    /// Starts `lem op WORDS -- COMMAND` and waits until its command runs.
    pub(crate) fn hold(&self, words: &[&str]) -> Held {
        let mut held = self.queue(words);
        held.wait_for_the_command();
        held
    }

    /// The same for one that has to wait first.
    pub(crate) fn queue(&self, words: &[&str]) -> Held {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let go = self.scene.path(&format!("go-{number}"));
        let script = "echo $$ $LEM_OP_ID >$0.tmp; mv $0.tmp $0.runs; \
                      while [ -e $0.runs ] && [ ! -e $0 ]; do sleep 0.02; done";
        let words = [&["op"], words, &["--", "sh", "-c", script, go.to_str().unwrap()]].concat();
        Held { lem: self.start(&words), id: 0, command: 0, go }
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn document(&self, words: &[&str], code: i32) -> Value {
        let ended = self.lem(words).expect(code);
        serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{words:?}: {error} in `{}`", ended.stdout))
    }
}

impl Held {
    /// Waits until the command runs.
    #[track_caller]
    pub(crate) fn wait_for_the_command(&mut self) {
        let file = self.go.with_extension("runs");
        let text = eventually("the command of the operation runs", || {
            let text = fs::read_to_string(&file).ok();
            assert!(text.is_some() || !self.lem.has_ended(), "lem ended: {}", self.lem.stderr());
            text
        });
        let (command, id) = text.trim().split_once(' ').unwrap();
        (self.command, self.id) = (command.parse().unwrap(), id.parse().unwrap());
    }

    /// Whether the command has begun.
    pub(crate) fn runs(&self) -> bool {
        self.go.with_extension("runs").exists()
    }

    /// Waits until lem has said this on standard error.
    #[track_caller]
    pub(crate) fn says(&mut self, words: &str) {
        eventually(&format!("lem says `{words}`"), || {
            let said = self.lem.stderr().contains(words);
            assert!(said || !self.lem.has_ended(), "lem ended: {}", self.lem.stderr());
            said.then_some(())
        });
    }

    /// Lets the command end, whoever has it now.
    pub(crate) fn let_go(&self) {
        fs::write(&self.go, "").unwrap();
    }

    /// Lets the command end and waits for lem.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        self.let_go();
        self.lem.wait()
    }
}
