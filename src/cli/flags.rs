//! What of a campaign can be said on the command line or by a variable.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::campaign::file::{ContainerStrategy, Structure};
use crate::campaign::settings::RunnerKind;
use crate::duration::{NotATime, Time};

/// What can be said on the command line or by a variable; kept with a campaign for its resume.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Flags {
    /// A fresh container for every run, or one per service for the whole campaign
    #[arg(long, value_enum, env = "LEM_CONTAINER_STRATEGY", value_name = "STRATEGY")]
    pub container_strategy: Option<ContainerStrategy>,
    /// Run in containers, or as processes of this machine
    #[arg(long, value_enum, env = "LEM_RUNNER", value_name = "RUNNER")]
    pub runner: Option<RunnerKind>,
    /// The Compose file
    #[arg(long, env = "LEM_COMPOSE_FILE", value_name = "FILE")]
    pub compose_file: Option<PathBuf>,
    /// The Compose project
    #[arg(long, env = "LEM_PROJECT_NAME", value_name = "NAME")]
    pub project_name: Option<String>,
    /// Pause after held containers have started
    #[arg(long, env = "LEM_WARMUP_DELAY", value_name = "TIME")]
    pub warmup_delay: Option<Time>,
    /// Remove held containers at the end
    #[arg(long, env = "LEM_AUTO_TEARDOWN", value_name = "BOOL")]
    pub auto_teardown: Option<bool>,
    /// How often each experiment runs
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub cycles: Option<u32>,
    /// The order of the runs
    #[arg(long, value_enum, value_name = "ORDER")]
    pub structure: Option<Structure>,
    /// Seed of the shuffled order
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Pause after a run
    #[arg(long, value_name = "TIME")]
    pub config_gap: Option<Time>,
    /// Pause at the end of a cycle, instead of the other
    #[arg(long, value_name = "TIME")]
    pub cycle_gap: Option<Time>,
    /// Time limit of each run
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub timeout: Option<Time>,
    /// Dataset for the default command
    #[arg(short, long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// Samples for the default command
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample_size: Option<u64>,
    /// Where results go
    #[arg(short = 'o', long, env = "LEM_RESULTS_DIR", value_name = "DIR")]
    pub results_dir: Option<PathBuf>,
}

impl Flags {
    /// What is said now, else what was said when the campaign began.
    pub(super) fn or(self, earlier: Self) -> Self {
        Self {
            container_strategy: self.container_strategy.or(earlier.container_strategy),
            runner: self.runner.or(earlier.runner),
            compose_file: self.compose_file.or(earlier.compose_file),
            project_name: self.project_name.or(earlier.project_name),
            warmup_delay: self.warmup_delay.or(earlier.warmup_delay),
            auto_teardown: self.auto_teardown.or(earlier.auto_teardown),
            cycles: self.cycles.or(earlier.cycles),
            structure: self.structure.or(earlier.structure),
            seed: self.seed.or(earlier.seed),
            config_gap: self.config_gap.or(earlier.config_gap),
            cycle_gap: self.cycle_gap.or(earlier.cycle_gap),
            timeout: self.timeout.or(earlier.timeout),
            dataset: self.dataset.or(earlier.dataset),
            sample_size: self.sample_size.or(earlier.sample_size),
            results_dir: self.results_dir.or(earlier.results_dir),
        }
    }

    /// With paths that still mean the same in another folder.
    pub(super) fn absolute(mut self) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        self.compose_file = self.compose_file.map(absolute);
        self.results_dir = self.results_dir.map(absolute);
        self
    }
}

/// A run can't end in no time.
fn some_time(text: &str) -> Result<Time, String> {
    let time: Time = text.parse().map_err(|error: NotATime| error.to_string())?;
    if time.0.is_zero() { Err("a run can't end in no time".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resume_remembers_what_the_campaign_was_started_with() {
        let earlier = Flags { cycles: Some(5), dataset: Some("a".into()), ..Flags::default() };
        let stored = serde_json::to_string(&earlier).unwrap();
        let now = Flags { dataset: Some("b".into()), ..Flags::default() };
        let both = now.or(serde_json::from_str(&stored).unwrap());
        assert_eq!((both.cycles, both.dataset.as_deref()), (Some(5), Some("b")));
    }
}
