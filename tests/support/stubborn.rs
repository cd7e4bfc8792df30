//! A campaign in the middle of a run that does not want to end.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Running, Scene, eventually, processes, within};

/// The grace, and what an engine may take on a busy machine.
const SOON: Duration = Duration::from_secs(1 + 5);

/// A campaign of three runs that is in its second.
pub(crate) struct Stubborn {
    pub(crate) lem: Running,
    /// The campaign's id.
    pub(crate) campaign: String,
    /// An argument that only the run's processes have.
    argument: String,
}

impl Stubborn {
    /// Starts it. The second run is deaf to everything but KILL and forks away from its parents in
    /// each of the usual ways; when a resume does it again after [`let_go`], it ends at once.
    pub(crate) fn start(scene: &Scene, words: &[&str]) -> Self {
        Self::with(scene, words, "stop_grace_period: 1s")
    }

    /// The same with other keys in `execution`.
    pub(crate) fn with(scene: &Scene, words: &[&str], execution: &str) -> Self {
        Self::of(scene, &mut scene.command(words), execution)
    }

    /// The same with a `lem` that was furnished already.
    pub(crate) fn of(scene: &Scene, command: &mut Command, execution: &str) -> Self {
        let argument = format!("sleep {}", scene.number());
        let sh = scene.shell();
        let script = format!(
            "[ -e $GO ] && exit 0; trap '' TERM INT HUP; \
             setsid {sh} -c '{argument} & {argument}' & \
             ({argument} & env -i {argument} &) & \
             touch here; while :; do sleep 1; done"
        );
        scene.scripts(&["touch first", &script, "touch third"], execution);
        let mut lem = Running::start(command);
        let campaign = lem.event("campaign_started")["campaign_id"].as_str().unwrap().to_owned();
        let begun = Self { lem, campaign, argument };
        eventually("the second run and all of its processes are there", || {
            scene.runs("nightly").get(1).filter(|run| run.join("here").exists())?;
            // The one without an environment has no mark of the run.
            (begun.sleepers().len() == 4 && begun.marked().len() >= 4).then_some(())
        });
        begun
    }

    /// Fails unless every process of the run is gone soon.
    pub(crate) fn leaves_nothing(&self) {
        within(SOON, "nothing of the run is left", || {
            (self.sleepers().is_empty() && self.marked().is_empty()).then_some(())
        });
    }

    /// Signals twice, as somebody who has no patience: the second time once the first was heard.
    pub(crate) fn signal_twice(&mut self, signal: Signal) {
        self.lem.signal(signal);
        self.lem.event("stopping");
        self.lem.insist(signal);
    }

    fn sleepers(&self) -> Vec<String> {
        let sleepers = processes::command_lines();
        // Not the shells, whose scripts have the same words.
        sleepers.filter(|line| line.trim_end() == self.argument).collect()
    }

    fn marked(&self) -> Vec<u32> {
        processes::of_campaign(&self.campaign)
    }
}

/// From here on the second run has nothing against ending.
pub(crate) fn let_go(scene: &Scene) {
    scene.write("results/nightly/go", "");
}
