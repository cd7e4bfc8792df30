//! Settings: flag > `LEM_*` variable > campaign file > `./.lem-config.yaml` > user config > default.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy;
use schemars::JsonSchema;
use serde::Deserialize;

use super::flags::Flags;
use crate::campaign::error::CampaignError;
use crate::campaign::file::{CampaignFile, ContainerStrategy, DockerKeys, Structure};
use crate::campaign::settings::{Foreign, Settings};
use crate::duration::Time;
use crate::yaml::keys;

/// Keys of the configuration files that have no effect yet.
const LATER: keys::Later = &["notifications"];

/// `.lem-config.yaml`, and the user's `config.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct ConfigFile {
    docker: DockerKeys,
    thermal_gaps: ThermalGaps,
    results_dir: Option<PathBuf>,
    verbosity: Option<Verbosity>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct ThermalGaps {
    between_experiments: Option<Time>,
    between_cycles: Option<Time>,
}

/// How much an experiment says, handed to it as `LLM_ENERGY_VERBOSITY`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

impl ConfigFile {
    fn read(path: &Path) -> Result<Self, CampaignError> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let mut file = keys::read::<Self>(path, LATER)?;
        let base = path.parent().unwrap_or(Path::new("."));
        let absolute = |path: PathBuf| std::path::absolute(base.join(&path)).unwrap_or(path);
        file.docker.compose_file = file.docker.compose_file.map(absolute);
        file.results_dir = file.results_dir.map(absolute);
        Ok(file)
    }
}

/// Where a setting was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    CommandLine,
    Campaign,
    Project,
    User,
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "command line or environment",
            Self::Campaign => "campaign file",
            Self::Project => ".lem-config.yaml",
            Self::User => "user configuration",
            Self::Default => "default",
        })
    }
}

/// The four places below the command line that can say a thing, in order of precedence.
struct Said<T>([(Source, Option<T>); 4]);

impl<T> Said<T> {
    fn first(self) -> Option<(Source, T)> {
        self.0.into_iter().find_map(|(source, value)| value.map(|value| (source, value)))
    }
}

/// The configuration files, read.
pub(super) struct Layers {
    project: ConfigFile,
    user: ConfigFile,
}

/// The order of runs as far as it is said somewhere.
pub(super) struct Order {
    pub cycles: u32,
    pub structure: Structure,
    pub seed: Option<u64>,
    pub config_gap: Duration,
    pub cycle_gap: Duration,
}

impl Layers {
    /// Reads `./.lem-config.yaml` and the user's configuration, where they exist.
    pub(super) fn read() -> Result<Self, CampaignError> {
        let here = std::env::current_dir().unwrap_or_default();
        let user = etcetera::choose_base_strategy()
            .ok()
            .map(|home| home.config_dir().join("lem/config.yaml"));
        Ok(Self {
            project: ConfigFile::read(&here.join(".lem-config.yaml"))?,
            user: user.map(|path| ConfigFile::read(&path)).transpose()?.unwrap_or_default(),
        })
    }

    fn docker<T>(
        &self,
        flag: Option<T>,
        campaign: &DockerKeys,
        key: impl Fn(&DockerKeys) -> Option<T>,
    ) -> Option<(Source, T)> {
        Said([
            (Source::CommandLine, flag),
            (Source::Campaign, key(campaign)),
            (Source::Project, key(&self.project.docker)),
            (Source::User, key(&self.user.docker)),
        ])
        .first()
    }

    /// The order of a campaign's runs.
    pub(super) fn order(&self, file: &CampaignFile, flags: &Flags) -> Order {
        let gap = |flag: Option<Time>, own: Option<Time>, key: fn(&ThermalGaps) -> Option<Time>| {
            let said = Said([
                (Source::CommandLine, flag),
                (Source::Campaign, own),
                (Source::Project, key(&self.project.thermal_gaps)),
                (Source::User, key(&self.user.thermal_gaps)),
            ]);
            said.first().map(|(_, time)| time.0)
        };
        let execution = &file.execution;
        Order {
            cycles: flags.cycles.or(execution.cycles).unwrap_or(3),
            structure: flags.structure.or(execution.structure).unwrap_or_default(),
            seed: flags.seed.or(execution.seed),
            config_gap: gap(flags.config_gap, execution.config_gap_seconds, |g| {
                g.between_experiments
            })
            .unwrap_or(Duration::from_secs(60)),
            cycle_gap: gap(flags.cycle_gap, execution.cycle_gap_seconds, |g| g.between_cycles)
                .unwrap_or(Duration::from_secs(300)),
        }
    }

    /// Every other choice; and where the strategy was chosen, which the summary says.
    pub(super) fn resolve(
        &self,
        file: &CampaignFile,
        path: &Path,
        flags: &Flags,
        foreign: Foreign,
    ) -> (Settings, Source) {
        let base = path.parent().unwrap_or(Path::new("/")).to_owned();
        let own = DockerKeys {
            compose_file: file.docker.compose_file.as_ref().map(|path| base.join(path)),
            ..file.docker.clone()
        };
        let value = |found: Option<(Source, Time)>| found.map(|(_, time)| time.0);
        let (source, strategy) = self
            .docker(flags.container_strategy, &own, |d| d.strategy)
            .unwrap_or((Source::Default, ContainerStrategy::Ephemeral));
        let results_dir = Said([
            (Source::CommandLine, flags.results_dir.clone()),
            (Source::Campaign, file.io.results_dir.as_ref().map(|dir| base.join(dir))),
            (Source::Project, self.project.results_dir.clone()),
            (Source::User, self.user.results_dir.clone()),
        ]);
        let results_dir = results_dir.first().map_or_else(|| base.join("results"), |(_, dir)| dir);
        let dataset = flags.dataset.clone().or_else(|| file.dataset.clone());
        let num_samples = flags.sample_size.or(file.num_samples);
        let execution = &file.execution;
        let or_seconds = |time: Option<Time>, seconds| time.unwrap_or(Time::seconds(seconds)).0;
        let settings = Settings {
            runner: flags.runner.unwrap_or_default(),
            strategy,
            compose_file: self
                .docker(flags.compose_file.clone(), &own, |d| d.compose_file.clone())
                .map(|(_, file)| plain(&file)),
            project_name: self
                .docker(flags.project_name.clone(), &own, |d| d.project_name.clone())
                .map(|(_, name)| name),
            hold_command: self
                .docker(None, &own, |d| d.hold_command.clone())
                .map(|(_, command)| command),
            warmup_delay: value(self.docker(flags.warmup_delay, &own, |d| d.warmup_delay))
                .unwrap_or_default(),
            auto_teardown: self
                .docker(flags.auto_teardown, &own, |d| d.auto_teardown)
                .is_none_or(|(_, yes)| yes),
            foreign,
            health_timeout: value(self.docker(None, &own, |d| d.health_timeout))
                .unwrap_or(Duration::from_secs(600)),
            pass_environment: self
                .docker(None, &own, |d| d.pass_environment.clone())
                .map_or_else(default_pass, |(_, names)| names),
            timeout: flags.timeout.or(execution.timeout).map(|time| time.0),
            start_timeout: or_seconds(execution.start_timeout, 60),
            stop_grace: or_seconds(execution.stop_grace_period, 10),
            require_result: execution.require_result.unwrap_or(file.command.is_none()),
            results_dir: plain(&results_dir),
            configs_dir: plain(&base.join(&file.io.configs_dir)),
            state_dir: plain(&base.join(&file.io.state_dir)),
            warmup_prompts: execution.warmup_prompts.unwrap_or(5),
            warmup_timeout: or_seconds(execution.warmup_timeout_seconds, 30),
            base,
            command: file
                .command
                .clone()
                .unwrap_or_else(|| default_command(dataset.as_deref(), num_samples)),
            dataset,
            num_samples,
            verbosity: self.verbosity(),
        };
        (settings, source)
    }

    fn verbosity(&self) -> String {
        let word = |verbosity: Verbosity| match verbosity {
            Verbosity::Quiet => "quiet",
            Verbosity::Normal => "normal",
            Verbosity::Verbose => "verbose",
        };
        std::env::var("LLM_ENERGY_VERBOSITY").ok().filter(|v| !v.is_empty()).unwrap_or_else(|| {
            word(self.project.verbosity.or(self.user.verbosity).unwrap_or(Verbosity::Normal))
                .to_owned()
        })
    }
}

fn default_pass() -> Vec<String> {
    vec!["HF_TOKEN".to_owned(), "HUGGING_FACE_HUB_TOKEN".to_owned()]
}

/// What runs where a campaign names no command.
fn default_command(dataset: Option<&str>, num_samples: Option<u64>) -> Vec<String> {
    let mut words: Vec<String> =
        ["lem", "experiment", "{config}", "--yes", "--fresh"].map(str::to_owned).to_vec();
    if dataset.is_some() {
        words.extend(["--dataset".to_owned(), "{dataset}".to_owned()]);
    }
    if num_samples.is_some() {
        words.extend(["--sample-size".to_owned(), "{num_samples}".to_owned()]);
    }
    words
}

/// The path without `.` and, where that changes nothing, without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match part {
            // Only over a real folder: after a link, `..` is somewhere else.
            std::path::Component::ParentDir if !plain.is_symlink() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(strategy: Option<&str>) -> CampaignFile {
        let docker = strategy.map_or(serde_json::json!({}), |s| serde_json::json!({"strategy": s}));
        let text = serde_json::json!({"campaign_name": "x", "docker": docker});
        serde_json::from_value(text).unwrap()
    }

    fn config(strategy: Option<ContainerStrategy>) -> ConfigFile {
        let docker = DockerKeys { strategy, ..DockerKeys::default() };
        ConfigFile { docker, ..ConfigFile::default() }
    }

    #[test]
    fn the_nearest_word_counts_and_says_where_it_stands() {
        use ContainerStrategy::{Ephemeral, Persistent};
        let (said, other) = (Some(Persistent), Some(Ephemeral));
        let word = |said: bool| Some(if said { "persistent" } else { "ephemeral" });
        for (flag, campaign, project, user, source) in [
            (said, word(false), other, other, Source::CommandLine),
            (None, word(true), other, other, Source::Campaign),
            (None, None, said, other, Source::Project),
            (None, None, None, said, Source::User),
        ] {
            let layers = Layers { project: config(project), user: config(user) };
            let flags = Flags { container_strategy: flag, ..Flags::default() };
            let path = Path::new("/w/campaign.yaml");
            let (settings, from) =
                layers.resolve(&file(campaign), path, &flags, Foreign::default());
            assert_eq!((settings.strategy, from), (Persistent, source));
        }
    }

    #[test]
    fn what_is_said_nowhere_has_its_default() {
        let layers = Layers { project: config(None), user: config(None) };
        let path = Path::new("/w/campaign.yaml");
        let (settings, source) =
            layers.resolve(&file(None), path, &Flags::default(), Foreign::default());
        assert_eq!((settings.strategy, source), (ContainerStrategy::Ephemeral, Source::Default));
        assert!(settings.auto_teardown && settings.require_result);
        assert_eq!(settings.results_dir, Path::new("/w/results"));
        let order = layers.order(&file(None), &Flags::default());
        assert_eq!(
            (order.cycles, order.config_gap.as_secs(), order.cycle_gap.as_secs()),
            (3, 60, 300)
        );
    }

    #[test]
    fn paths_lose_their_dots() {
        assert_eq!(plain(Path::new("/w/a/../b/./c")), Path::new("/w/b/c"));
    }
}
