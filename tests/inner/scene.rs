//! A run of its own for every test: a results directory, a name, and the processes in it.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything here takes, shorter than a person waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    dir: TempDir,
    pub(crate) run: String,
}

impl Scene {
    pub(crate) fn new(name: &str) -> Self {
        Self::named(format!("{name}-{}", std::process::id()))
    }

    pub(crate) fn named(run: String) -> Self {
        Self { dir: TempDir::new().unwrap(), run }
    }

    /// `lem` with the run's marker, its lifeline open until the child's stdin is dropped, and the
    /// scene's directory as `$T`.
    pub(crate) fn lem(&self, arguments: &[&str]) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_lem"));
        command.args(arguments);
        self.mark(command)
    }

    /// `lem run` with the marks in the scene's directory, of a shell script.
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Command {
        let mut command = self.lem(&["run", "--dir"]);
        command.arg(self.path("")).args(options).args(["--", "sh", "-c", script]);
        command
    }

    /// A shell script with the run's marker, beside `lem run`.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = program("sh");
        command.args(["-c", script]);
        self.mark(command)
    }

    /// What starts a program, its arguments yet to come, as a root that permissions count for.
    pub(crate) fn without_root_reading(&self) -> Command {
        let mut command = program("setpriv");
        command.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]);
        self.mark(command)
    }

    fn mark(&self, mut command: Command) -> Command {
        command.env("LEM_RUN_ID", &self.run).env("T", self.path(""));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The ended mark.
    pub(crate) fn ended(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("ended.json")).unwrap()).unwrap()
    }

    /// The number that a script wrote to this file, once it is there.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        let path = self.path(name);
        eventually(&format!("{name} is written"), || whole_line(&path)?.parse().ok())
    }
}

#[allow(clippy::disallowed_methods, reason = "the tests start what the host's engine starts")]
pub(crate) fn program(name: &str) -> Command {
    Command::new(name)
}

/// A started process whose lifeline is open until it is cut: `Child::wait` alone would close it.
pub(crate) struct Running {
    child: Child,
    pub(crate) lifeline: Option<ChildStdin>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        Self { lifeline: child.stdin.take(), child }
    }

    /// Closes the ends of the pipes that the output goes to.
    pub(crate) fn go_away(&mut self) {
        (self.child.stdout, self.child.stderr) = (None, None);
    }

    pub(crate) fn cut(&mut self) {
        self.lifeline = None;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit code, or none if a signal ended it. Its output waits in the pipes, unread.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn output(self) -> Output {
        // The lifeline lives until this returns.
        self.child.wait_with_output().unwrap()
    }
}

/// Waits until `look` finds something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in {PATIENCE:?} not seen that {what}");
        // Nothing to wait for but the time between two looks.
        nix::poll::poll(&mut [], 5_u16).unwrap();
    }
}

/// Whether the process exists and is more than a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

pub(crate) fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

fn whole_line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.strip_suffix('\n').map(str::to_owned)
}
