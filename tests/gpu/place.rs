//! A campaign on made-up GPUs.

use serde_json::{Value, json};

use crate::support::gpu::FakeGpu;
use crate::support::{Ended, Running, Scene, Strategy, scene};

/// A scene with GPUs.
pub(crate) struct Place {
    pub(crate) scene: Scene,
    pub(crate) fake: FakeGpu,
}

impl Place {
    /// For campaigns in containers of `bench`.
    pub(crate) fn in_containers(gpus: usize) -> Self {
        let place = Self { scene: Scene::new(), fake: FakeGpu::idle(gpus) };
        place.scene.bench();
        place
    }

    /// For campaigns of local processes, which are quicker.
    pub(crate) fn local(gpus: usize) -> Self {
        Self { scene: Scene::without_containers(), fake: FakeGpu::idle(gpus) }
    }

    /// Writes the campaign: a run for each script, and the keys of `health_check`.
    pub(crate) fn campaign(&self, scripts: &[&str], health: &str) {
        self.scene.scripts(scripts, "stop_grace_period: 1s");
        let file = self.scene.path("campaign.yaml");
        let text = std::fs::read_to_string(file).unwrap();
        self.scene.write("campaign.yaml", &format!("{text}health_check: {{{health}}}\n"));
    }

    pub(crate) fn start(&self, strategy: Strategy) -> Running {
        self.start_with(strategy, &[])
    }

    fn start_with(&self, strategy: Strategy, more: &[&str]) -> Running {
        let words = scene::campaign_words(strategy);
        let mut command = self.scene.command(&[&words[..], more].concat());
        Running::start(self.fake.furnish(&mut command))
    }

    pub(crate) fn lem(&self, strategy: Strategy, more: &[&str]) -> Ended {
        self.start_with(strategy, more).wait()
    }

    pub(crate) fn start_local(&self) -> Running {
        let words = ["campaign", "campaign.yaml", "--runner", "local", "--json"];
        let mut command = self.scene.command(&words);
        Running::start(self.fake.furnish(&mut command))
    }

    pub(crate) fn run_local(&self) -> Ended {
        self.start_local().wait()
    }

    /// Runs the campaign again, with this `CUDA_VISIBLE_DEVICES`.
    pub(crate) fn run_local_on(&self, devices: &str) -> Ended {
        let words = ["campaign", "campaign.yaml", "--runner", "local", "--json", "--fresh"];
        let mut command = self.scene.command(&words);
        command.env("CUDA_VISIBLE_DEVICES", devices);
        Running::start(self.fake.furnish(&mut command)).wait()
    }

    /// Fills a GPU with what these processes hold.
    pub(crate) fn fill(&self, gpu: usize, processes: Value) {
        self.fake.change(|state| {
            state["gpus"][gpu]["used_mib"] = json!(80_000);
            state["gpus"][gpu]["processes"] = processes;
        });
    }

    /// Lets scripts go on that wait for it.
    pub(crate) fn go(&self) {
        self.scene.write("results/nightly/go", "");
    }

    /// Waits until the script of a run, counted from 0, says that it is there.
    pub(crate) fn run_is_there(&self, run: usize) {
        crate::support::eventually("the run has begun", || {
            self.scene.runs("nightly").get(run)?.join("here").exists().then_some(())
        });
    }
}

/// A script that says that it is there and waits.
pub(crate) const WAITS: &str = "touch here; while [ ! -e $GO ]; do sleep 0.05; done";
