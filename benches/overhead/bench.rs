//! A folder with a Compose file, a campaign file and an image whose command does nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const IMAGE: &str = "lem-bench:1";

/// `init`, `restart` and the mount of the results are what lem sets on a service too.
const COMPOSE: &str = "services:
  bench:
    image: lem-bench:1
    command: [sleep, '86400']
    init: true
    restart: 'no'
    volumes: ['./results:/results']
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Ephemeral,
    Persistent,
}

impl Strategy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ephemeral => "ephemeral",
            Self::Persistent => "persistent",
        }
    }
}

pub(crate) struct Bench {
    folder: TempDir,
    project: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let bench = Self { folder, project: format!("lem-bench-{}", std::process::id()) };
        fs::create_dir(bench.path("results")).unwrap();
        fs::write(bench.path("compose.yaml"), COMPOSE).unwrap();
        fs::write(bench.path("nothing.yaml"), "backend: bench\n").unwrap();
        bench.build_image();
        bench
    }

    /// The time that a shell loop takes: `up` of what the runs need (a network, or the container),
    /// the runs, `down`.
    pub(crate) fn bare(&self, strategy: Strategy, runs: usize) -> Duration {
        let (before, each) = match strategy {
            Strategy::Ephemeral => ("docker compose up -d --scale bench=0", "run --rm -T"),
            Strategy::Persistent => ("docker compose up -d", "exec -T"),
        };
        let script = format!(
            "set -e\n{before}\ni=0\nwhile [ $i -lt {runs} ]; do\n\
             docker compose {each} bench true </dev/null\ni=$((i + 1))\ndone\n\
             docker compose down\n"
        );
        let mut shell = unset("sh");
        shell.args(["-c", &script]).env("COMPOSE_PROJECT_NAME", &self.project);
        self.time(shell)
    }

    /// The time that a campaign of the same runs takes, as a whole process.
    pub(crate) fn campaign(&self, strategy: Strategy, runs: usize) -> Duration {
        let campaign = format!(
            "campaign_name: bench\nconfigs: [nothing.yaml]\ncommand: ['true']\n\
             execution: {{cycles: {runs}, config_gap_seconds: 0, cycle_gap_seconds: 0}}\n\
             docker: {{strategy: {}, project_name: {}}}\n",
            strategy.name(),
            self.project
        );
        fs::write(self.path("campaign.yaml"), campaign).unwrap();
        let mut campaign = lem();
        campaign.args(["campaign", "--yes", "--fresh"]).env("LEM_STATE_DIR", self.path("state"));
        self.time(campaign)
    }

    fn time(&self, mut command: Command) -> Duration {
        let log = File::create(self.path("log")).unwrap();
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let began = Instant::now();
        let status = command.status().unwrap();
        let took = began.elapsed();
        let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
        assert!(status.success(), "{command:?} ended with {status}\n{}", log());
        took
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An image of a static busybox alone.
    fn build_image(&self) {
        let context = self.path("image");
        fs::create_dir(&context).unwrap();
        let busybox = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures/busybox");
        fs::copy(busybox, context.join("busybox")).expect("scripts/setup.sh --for-tests");
        let file = "FROM scratch\nCOPY busybox /bin/busybox\n\
                    RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
        fs::write(context.join("Dockerfile"), file).unwrap();
        answer(&["build", "--quiet", "--tag", IMAGE, context.to_str().unwrap()]);
    }
}

impl Drop for Bench {
    /// What a side that failed may have left.
    fn drop(&mut self) {
        let down = ["compose", "-p", &self.project, "down", "--remove-orphans"];
        let _ = Command::new("docker").args(down).output();
    }
}

/// The `lem` that was built for this benchmark.
pub(crate) fn lem() -> Command {
    unset(env!("CARGO_BIN_EXE_lem"))
}

/// A program without the settings of this shell: those of the files are measured.
fn unset(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars() {
        if name.starts_with("LEM_") || name.starts_with("COMPOSE_") {
            command.env_remove(name);
        }
    }
    command
}

/// What docker says.
pub(crate) fn answer(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {complaint}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
