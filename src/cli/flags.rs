//! What of a campaign can be said on the command line or by a variable.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use serde::{Deserialize, Serialize};

use crate::campaign::file::{ContainerStrategy, StopAfter, Structure};
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
    /// Stop a run that says nothing for so long
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub idle_timeout: Option<Time>,
    /// End the campaign after so many failed runs: a number, or a share such as 50%
    #[arg(long, value_name = "N")]
    pub stop_after_failures: Option<StopAfter>,
    /// Prompts that an experiment warms up with
    #[arg(long, value_name = "N")]
    pub warmup_prompts: Option<u32>,
    /// Time that an experiment may warm up
    #[arg(long, value_name = "TIME")]
    pub warmup_timeout: Option<Time>,
    /// Start every run in a new container, with nothing warm
    #[arg(long)]
    pub force_cold_start: bool,
    /// Let runs find what the last one left, whatever the campaign says
    #[arg(long, overrides_with = "force_cold_start")]
    pub no_force_cold_start: bool,
    /// Have the GPUs to itself, and wait for others to be done with them
    #[arg(long)]
    pub exclusive: bool,
    /// Share the GPUs with others who share them
    #[arg(long, overrides_with = "exclusive")]
    pub no_exclusive: bool,
    /// Group the summary by these keys of the experiments
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    pub group_by: Vec<String>,
    /// The backend of experiments that name none
    #[arg(long, env = "LEM_BACKEND", value_name = "NAME")]
    pub backend: Option<String>,
    /// Dataset for the default command
    #[arg(short, long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// Samples for the default command
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample_size: Option<u64>,
    /// Where results go
    #[arg(short = 'o', long, env = "LEM_RESULTS_DIR", value_name = "DIR")]
    pub results_dir: Option<PathBuf>,
    /// The name of a campaign of experiment files
    #[arg(long, value_name = "NAME")]
    pub campaign_name: Option<String>,
    /// The experiment files of a campaign that has no file of its own.
    #[arg(skip)]
    pub experiment_files: Vec<PathBuf>,
    /// The variables, not flags, that said something.
    #[arg(skip)]
    #[serde(skip)]
    pub variables: BTreeSet<String>,
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
            idle_timeout: self.idle_timeout.or(earlier.idle_timeout),
            stop_after_failures: self.stop_after_failures.or(earlier.stop_after_failures),
            warmup_prompts: self.warmup_prompts.or(earlier.warmup_prompts),
            warmup_timeout: self.warmup_timeout.or(earlier.warmup_timeout),
            force_cold_start: self.force_cold_start
                || (earlier.force_cold_start && !self.no_force_cold_start),
            no_force_cold_start: self.no_force_cold_start
                || (earlier.no_force_cold_start && !self.force_cold_start),
            exclusive: self.exclusive || (earlier.exclusive && !self.no_exclusive),
            no_exclusive: self.no_exclusive || (earlier.no_exclusive && !self.exclusive),
            group_by: if self.group_by.is_empty() { earlier.group_by } else { self.group_by },
            backend: self.backend.or(earlier.backend),
            dataset: self.dataset.or(earlier.dataset),
            sample_size: self.sample_size.or(earlier.sample_size),
            results_dir: self.results_dir.or(earlier.results_dir),
            campaign_name: self.campaign_name.or(earlier.campaign_name),
            experiment_files: if self.experiment_files.is_empty() {
                earlier.experiment_files
            } else {
                self.experiment_files
            },
            variables: self.variables,
        }
    }

    /// Whether `--force-cold-start` or its opposite is said.
    pub(super) fn cold_start(&self) -> Option<bool> {
        match (self.force_cold_start, self.no_force_cold_start) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }

    /// Whether `--exclusive` or its opposite is said.
    pub(super) fn exclusive(&self) -> Option<bool> {
        match (self.exclusive, self.no_exclusive) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }

    /// The keys of `--group-by`, if it is said.
    pub(super) fn group_by(&self) -> Option<Vec<String>> {
        Some(self.group_by.clone()).filter(|keys| !keys.is_empty())
    }

    /// With paths that still mean the same in another folder.
    pub(super) fn absolute(mut self) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        self.compose_file = self.compose_file.map(absolute);
        self.results_dir = self.results_dir.map(absolute);
        self.experiment_files = self.experiment_files.into_iter().map(absolute).collect();
        self
    }
}

/// What the `LEM_…` variables say, for a command without these flags.
///
/// # Errors
/// One of them says something that can't be.
pub(super) fn of_variables() -> Result<Flags, clap::Error> {
    let mut definition = Flags::augment_args(clap::Command::new("lem"));
    let matches = definition.try_get_matches_from_mut(["lem"])?;
    let mut flags = Flags::from_arg_matches(&matches)?;
    flags.variables = variables(&definition, &matches);
    Ok(flags)
}

/// The variables that said something on the command line of the innermost command.
pub(super) fn variables(definition: &clap::Command, matches: &ArgMatches) -> BTreeSet<String> {
    if let Some((name, matches)) = matches.subcommand() {
        let inner = definition.find_subcommand(name);
        return inner.map(|inner| variables(inner, matches)).unwrap_or_default();
    }
    let from_variable = |argument: &&clap::Arg| {
        matches.value_source(argument.get_id().as_str()) == Some(ValueSource::EnvVariable)
    };
    let names = definition.get_arguments().filter(from_variable).filter_map(clap::Arg::get_env);
    names.map(|name| name.to_string_lossy().into_owned()).collect()
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
