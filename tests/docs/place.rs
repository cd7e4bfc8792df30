//! A reader's folder: the repository's examples, `lem` on the PATH, a Compose project of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use tempfile::TempDir;

use super::gpu::FakeGpu;
use super::page::{Block, root};

/// What the commands of a page may need of the repository.
const COPIED: [&str; 2] = ["fixtures", "compose"];
/// What these folders hold after somebody ran something in the repository itself.
const LEFT_OUT: [&str; 2] = [".state", "results"];
/// The image of the pages' examples, and the one that stands for it, because no test pulls.
const IMAGES: (&str, &str) = ("busybox:1.37", "lem-docs-test:1");
/// Longer than any command of a page takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Place {
    folder: TempDir,
    project: String,
    /// The GPU of the reader's machine.
    gpu: Option<FakeGpu>,
}

impl Place {
    /// An empty folder for the page or test `name`.
    pub(crate) fn empty(name: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = name.chars().map(plain).collect();
        let project = format!("lem-docs-{name}-{}", std::process::id());
        Self { folder: TempDir::new().unwrap(), project, gpu: None }
    }

    /// A folder with the repository's examples.
    pub(crate) fn with_examples(name: &str) -> Self {
        let mut place = Self::empty(name);
        place.gpu = Some(FakeGpu::idle(1));
        for folder in COPIED {
            copy(&root().join(folder), &place.path(folder));
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("reader").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A command of the reader; nothing of this process's own lem or Compose settings reaches it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let foreign = |name: &str| {
            ["LEM_", "LLM_ENERGY_", "COMPOSE_"].iter().any(|start| name.starts_with(start))
        };
        for (name, _) in std::env::vars().filter(|(name, _)| foreign(name)) {
            command.env_remove(name);
        }
        let lem = Path::new(env!("CARGO_BIN_EXE_lem")).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([lem].into_iter().chain(std::env::split_paths(&path)));
        std::fs::create_dir_all(self.path("")).unwrap();
        command.envs(self.gpu.iter().flat_map(FakeGpu::environment));
        command
            .current_dir(self.path(""))
            .env("PATH", path.unwrap())
            .env("LEM_STATE_DIR", self.folder.path().join("state"))
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("COMPOSE_PROJECT_NAME", &self.project)
            .timeout(PATIENCE);
        command
    }

    pub(crate) fn lem(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("lem");
        command.args(arguments);
        command
    }

    /// What `lem` says when it refuses, on standard error.
    pub(crate) fn complaint(&self, arguments: &[&str]) -> String {
        let assert = self.lem(arguments).assert().code(2);
        String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
    }

    /// Writes a file of a page and returns its name; its image becomes one that is here.
    pub(crate) fn take(&self, block: &Block) -> String {
        let first = block.text.lines().next().unwrap_or_default();
        let name = first.strip_prefix("# file: ");
        let name = name.unwrap_or_else(|| panic!("{}: no `# file: NAME`", block.place));
        let image = |name: &str| format!("image: {name}");
        let text = block.text.replace(&image(IMAGES.0), &image(IMAGES.1));
        if text != block.text {
            self.build_image();
        }
        self.write(name, &text);
        name.to_owned()
    }

    /// Builds the image of the examples from a static busybox.
    fn build_image(&self) {
        let context = self.folder.path().join("image");
        std::fs::create_dir_all(&context).unwrap();
        let busybox = root().join("target/fixtures/busybox");
        std::fs::copy(busybox, context.join("busybox")).expect("scripts/setup.sh --for-tests");
        let file = "FROM scratch\nCOPY busybox /bin/busybox\n\
                    RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
        std::fs::write(context.join("Dockerfile"), file).unwrap();
        let mut build = self.command("docker");
        build.args(["build", "--quiet", "--tag", IMAGES.1]).arg(context).assert().success();
    }
}

impl Drop for Place {
    /// A page's command that failed may have left containers.
    fn drop(&mut self) {
        let project = self.project.clone();
        let _ = self.lem(&["reap", &project]).output();
        // What `lem init` has built.
        let image = format!("{project}-bench");
        let _ = self.command("docker").args(["image", "rm", &image]).output();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if LEFT_OUT.iter().any(|left_out| *left_out == name) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
