//! A wall clock that a test sets while lem runs.

use std::path::PathBuf;
use std::process::Command;

use super::{Scene, fixture};

/// The clock of one scene.
pub(crate) struct Clock(PathBuf);

impl Clock {
    /// One that goes right.
    pub(crate) fn new(scene: &Scene) -> Self {
        let clock = Self(scene.path("clock"));
        clock.set(0);
        clock
    }

    /// Sets it: so many seconds before or behind the right time.
    pub(crate) fn set(&self, seconds: i64) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }

    /// Gives it to a `lem` and what that starts.
    pub(crate) fn furnish<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_PRELOAD", fixture::library("fake_clock")).env("FAKE_CLOCK", &self.0)
    }
}
