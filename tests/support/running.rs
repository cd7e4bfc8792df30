//! A `lem` that runs, its output in files, so that it can be read before the end.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::{Ended, eventually, within};

/// No campaign of a test is longer, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    output: TempDir,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let output = TempDir::new().unwrap();
        let file = |name: &str| File::create(output.path().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        Self { child: command.spawn().unwrap(), output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Signals until it is heard as a second wish: two in a moment count as one.
    pub(crate) fn insist(&mut self, signal: Signal) {
        eventually("lem hears that somebody insists", || {
            let heard = self.stderr().contains("without any grace");
            if !heard && self.child.try_wait().unwrap().is_none() {
                self.signal(signal);
            }
            heard.then_some(())
        });
    }

    /// The first event of a kind, once there is one.
    pub(crate) fn event(&mut self, kind: &str) -> Value {
        eventually(&format!("there is an event `{kind}`"), || {
            let ended = self.child.try_wait().unwrap();
            let found = self
                .read("stdout")
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|event| event["event"] == kind);
            assert!(found.is_some() || ended.is_none(), "lem ended: {}", self.read("stderr"));
            found
        })
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Ended {
        let status = within(LIMIT, "lem ends", || self.child.try_wait().unwrap());
        Ended { code: status.code(), stdout: self.read("stdout"), stderr: self.read("stderr") }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, whatever it said: very much, perhaps.
    #[track_caller]
    pub(crate) fn wait_for_code(&mut self) -> Option<i32> {
        within(LIMIT, "lem ends", || self.child.try_wait().unwrap()).code()
    }

    /// Bytes on its standard output so far.
    pub(crate) fn stdout_length(&self) -> u64 {
        std::fs::metadata(self.output.path().join("stdout")).unwrap().len()
    }

    /// Bytes on its standard error so far.
    pub(crate) fn stderr_length(&self) -> u64 {
        std::fs::metadata(self.output.path().join("stderr")).unwrap().len()
    }

    /// Ends it as the kernel would for lack of memory: it can do nothing about it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it has said so far on standard output.
    pub(crate) fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it has said so far on standard error.
    pub(crate) fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.output.path().join(name)).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
