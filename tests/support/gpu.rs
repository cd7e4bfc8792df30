//! GPUs that a test makes up: `lem` loads `fixtures/fake_nvml.rs` in place of the driver's library.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fixture;

/// What the driver answers, until the test or a model server says otherwise.
pub(crate) struct FakeGpu {
    folder: TempDir,
}

impl FakeGpu {
    /// `count` idle GPUs of 80 GiB.
    pub(crate) fn idle(count: usize) -> Self {
        let gpu = |index: usize| {
            json!({
                "name": "NVIDIA H200", "uuid": format!("GPU-{index:08}-fake"),
                "total_mib": 81920, "used_mib": 600, "temperature": 35, "power_mw": 60_250,
                "limit_mw": 700_000, "utilization": 0, "mig": 0, "processes": [], "graphics": [],
            })
        };
        let gpus: Vec<Value> = (0..count).map(gpu).collect();
        let fake = Self { folder: TempDir::new().unwrap() };
        fs::write(fake.path(), "null").unwrap();
        fake.change(|state| *state = json!({"driver": "570.86.15", "gpus": gpus}));
        fake
    }

    /// Changes what is answered from now on, all at once, while no model server does.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Value)) {
        let lock = File::create(self.folder.path().join("state.lock")).unwrap();
        lock.lock().unwrap();
        let mut state = serde_json::from_slice(&fs::read(self.path()).unwrap()).unwrap();
        change(&mut state);
        let new = self.folder.path().join("new");
        fs::write(&new, state.to_string()).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    /// Changes one key of one GPU.
    pub(crate) fn set(&self, gpu: usize, key: &str, value: Value) {
        self.change(|state| state["gpus"][gpu][key] = value);
    }

    /// Makes a function of NVML return a code, or no longer.
    pub(crate) fn fail(&self, function: &str, code: Option<u32>) {
        self.change(|state| match code {
            Some(code) => state["fail"][function] = code.into(),
            None => state["fail"] = json!({}),
        });
    }

    /// What the file says of a GPU.
    pub(crate) fn gpu(&self, gpu: usize) -> Value {
        let state: Value = serde_json::from_slice(&fs::read(self.path()).unwrap()).unwrap();
        state["gpus"][gpu].clone()
    }

    /// The folder of the file, for containers that hold memory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file that describes them.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("state.json")
    }

    /// What makes a `lem` see these GPUs.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LEM_NVML_LIBRARY", fixture::library("fake_nvml")), ("FAKE_NVML_STATE", self.path())]
    }

    /// Gives a `lem` these GPUs.
    pub(crate) fn furnish<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.environment())
    }
}
