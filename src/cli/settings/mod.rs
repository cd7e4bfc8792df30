//! Settings: flag > `LEM_*` variable > campaign file > `./.lem-config.yaml` > user config > default.

mod config_file;
mod coordination;
mod defaults;
mod docker;
mod ledger;

use std::path::Path;
use std::time::Duration;

pub(super) use self::config_file::{ConfigFile, PROJECT_FILE, Verbosity, user_file};
pub(super) use self::coordination::shared_ledger;
use self::defaults::{default_command, plain};
use self::ledger::{Ledger, Said};
pub(super) use self::ledger::{Row, Source};
use super::flags::Flags;
use crate::campaign::error::CampaignError;
use crate::campaign::file::{CampaignFile, Execution, HealthCheck, Io, Retry, Structure};
use crate::campaign::settings::{ColdStart, Foreign, Notifications, RunnerKind, Settings};
use crate::duration::Time;

/// The variable that names the webhook, which is a secret and therefore has no flag.
const WEBHOOK_URL: &str = "LEM_WEBHOOK_URL";
/// The variable that says how much experiments say.
const VERBOSITY: &str = "LLM_ENERGY_VERBOSITY";

/// Keys of sections that only the campaign file has.
const RETRY: [&str; 5] = [
    "execution.retry.max_attempts",
    "execution.retry.base_delay",
    "execution.retry.factor",
    "execution.retry.max_delay",
    "execution.retry.on",
];
const HEALTH_CHECK: [&str; 10] = [
    "health_check.enabled",
    "health_check.interval_experiments",
    "health_check.gpu_memory_threshold_pct",
    "health_check.max_used_before_run",
    "health_check.wait",
    "health_check.restart_on_failure",
    "health_check.max_restarts",
    "health_check.max_temperature",
    "health_check.max_idle_power",
    "health_check.max_cooldown",
];

/// The configuration files, read.
pub(super) struct Layers {
    project: ConfigFile,
    user: ConfigFile,
}

/// Every choice, and where each was said.
pub(super) struct Chosen {
    pub settings: Settings,
    pub order: Order,
    pub rows: Vec<Row>,
}

/// The order of runs.
pub(super) struct Order {
    pub cycles: u32,
    pub structure: Structure,
    pub seed: Option<u64>,
    pub config_gap: Duration,
    pub cycle_gap: Duration,
}

/// How a campaign is gone about this time, which no file says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manners {
    pub foreign: Foreign,
    /// `-q` or `-v`.
    pub verbosity: Option<Verbosity>,
}

/// Where a setting was said.
pub(super) fn source_of(rows: &[Row], key: &str) -> Source {
    rows.iter().find(|row| row.key == key).map_or(Source::Default, |row| row.source)
}

impl Layers {
    /// Of configurations that were read already.
    pub(super) fn of(project: ConfigFile, user: ConfigFile) -> Self {
        Self { project, user }
    }

    /// Reads `./.lem-config.yaml` and the user's configuration, where they exist.
    pub(super) fn read() -> Result<Self, CampaignError> {
        let here = std::env::current_dir().unwrap_or_default();
        let user = user_file().map(|path| ConfigFile::read(&path)).transpose()?;
        Ok(Self {
            project: ConfigFile::read(&here.join(PROJECT_FILE))?,
            user: user.unwrap_or_default(),
        })
    }

    /// Makes every choice for the campaign in `file`, whose relative paths begin at `base`.
    pub(super) fn resolve(
        &self,
        file: &CampaignFile,
        base: &Path,
        flags: &Flags,
        manners: Manners,
    ) -> Chosen {
        let mut ledger = Ledger::default();
        let order = self.order(file, flags, &mut ledger);
        let settings = self.settings(file, base, flags, manners, &mut ledger);
        ledger.redact("notifications.webhook_url");
        self.coordination(&mut ledger);
        ledger.0.sort_by_key(|row| row.key);
        Chosen { settings, order, rows: ledger.0 }
    }

    fn order(&self, file: &CampaignFile, flags: &Flags, ledger: &mut Ledger) -> Order {
        let said = &file.execution;
        let (project, user) = (&self.project.thermal_gaps, &self.user.thermal_gaps);
        let cycles = Said::plain_flag(flags.cycles);
        let structure = Said::plain_flag(flags.structure);
        let config_gap = Said::plain_flag(flags.config_gap);
        let cycle_gap = Said::plain_flag(flags.cycle_gap);
        Order {
            cycles: ledger.or("execution.cycles", cycles, [said.cycles, None, None], 3),
            structure: ledger.or(
                "execution.structure",
                structure,
                [said.structure, None, None],
                Structure::default(),
            ),
            seed: ledger.choose(
                "execution.seed",
                Said::plain_flag(flags.seed),
                [said.seed, None, None],
            ),
            config_gap: ledger
                .or(
                    "execution.config_gap_seconds",
                    config_gap,
                    [
                        said.config_gap_seconds,
                        project.between_experiments,
                        user.between_experiments,
                    ],
                    Time::seconds(60),
                )
                .0,
            cycle_gap: ledger
                .or(
                    "execution.cycle_gap_seconds",
                    cycle_gap,
                    [said.cycle_gap_seconds, project.between_cycles, user.between_cycles],
                    Time::seconds(300),
                )
                .0,
        }
    }

    fn settings(
        &self,
        file: &CampaignFile,
        base: &Path,
        flags: &Flags,
        manners: Manners,
        ledger: &mut Ledger,
    ) -> Settings {
        let docker = self.docker(file, base, flags, ledger);
        let retry = file.execution.retry.clone().unwrap_or_default();
        ledger.section(&RETRY, &retry, &Retry::default());
        ledger.section(&HEALTH_CHECK, &file.health_check, &HealthCheck::default());
        let execution = execution(file, flags, ledger);
        let results_dir = ledger.or(
            "io.results_dir",
            Said::flag(flags, "LEM_RESULTS_DIR", flags.results_dir.clone()),
            [
                file.io.results_dir.as_ref().map(|dir| base.join(dir)),
                self.project.results_dir.clone(),
                self.user.results_dir.clone(),
            ],
            base.join("results"),
        );
        let group_by = ledger.or(
            "group_by",
            Said::plain_flag(flags.group_by()),
            [Some(file.group_by.clone()).filter(|keys| !keys.is_empty()), None, None],
            Vec::new(),
        );
        let cold_start = cold_start(file, flags, ledger);
        let model = |ledger: &mut Ledger, key, flag: Option<String>, said: &Option<String>| {
            ledger.choose(key, Said::plain_flag(flag), [said.clone(), None, None])
        };
        let dataset = model(ledger, "dataset", flags.dataset.clone(), &file.dataset);
        let num_samples = ledger.choose(
            "num_samples",
            Said::plain_flag(flags.sample_size),
            [file.num_samples, None, None],
        );
        let runner = Said::flag(flags, "LEM_RUNNER", flags.runner);
        let runner = ledger.or("runner", runner, [None, None, None], RunnerKind::Docker);
        let configs_dir = plain(&base.join(&file.io.configs_dir));
        let state_dir = plain(&base.join(&file.io.state_dir));
        let io = Io::default();
        ledger.place("io.configs_dir", &configs_dir, file.io.configs_dir == io.configs_dir);
        ledger.place("io.state_dir", &state_dir, file.io.state_dir == io.state_dir);
        let manifest = Path::new(&file.io.manifest_filename);
        ledger.place(
            "io.manifest_filename",
            manifest,
            file.io.manifest_filename == io.manifest_filename,
        );
        let command = file
            .command
            .clone()
            .unwrap_or_else(|| default_command(dataset.as_deref(), num_samples));
        ledger.or("command", Said::never(), [file.command.clone(), None, None], command.clone());
        let time = |time: Option<Time>| time.unwrap_or_default().0;
        Settings {
            runner,
            strategy: docker.strategy.unwrap_or_default(),
            compose_file: docker.compose_file,
            project_name: docker.project_name,
            hold_command: docker.hold_command,
            warmup_delay: time(docker.warmup_delay),
            auto_teardown: docker.auto_teardown.unwrap_or(true),
            foreign: manners.foreign,
            health_timeout: time(docker.health_timeout),
            engine_timeout: time(docker.engine_timeout),
            pass_environment: docker.pass_environment.unwrap_or_default(),
            timeout: execution.timeout.map(|limit| limit.0),
            idle_timeout: execution.idle_timeout.map(|limit| limit.0),
            start_timeout: time(execution.start_timeout),
            stop_grace: time(execution.stop_grace_period),
            require_result: execution.require_result.unwrap_or_default(),
            retry,
            stop_after: execution.stop_after_failures,
            health: file.health_check.clone(),
            cold_start,
            exclusive: execution.exclusive,
            group_by,
            notifications: self.notifications(file, ledger),
            results_dir: plain(&results_dir),
            configs_dir,
            state_dir,
            manifest_filename: file.io.manifest_filename.clone(),
            warmup_prompts: execution.warmup_prompts.unwrap_or_default(),
            warmup_timeout: time(execution.warmup_timeout_seconds),
            base: base.to_owned(),
            command,
            dataset,
            num_samples,
            verbosity: self.verbosity(manners.verbosity, ledger),
        }
    }

    fn notifications(&self, file: &CampaignFile, ledger: &mut Ledger) -> Notifications {
        let (own, project, user) =
            (&file.notifications, &self.project.notifications, &self.user.notifications);
        let mut tells = |key, [own, project, user]: [Option<bool>; 3]| {
            ledger.or(key, Said::never(), [own, project, user], true)
        };
        let on_start =
            tells("notifications.on_start", [own.on_start, project.on_start, user.on_start]);
        let on_complete = tells(
            "notifications.on_complete",
            [own.on_complete, project.on_complete, user.on_complete],
        );
        let on_failure = tells(
            "notifications.on_failure",
            [own.on_failure, project.on_failure, user.on_failure],
        );
        let on_interrupt = tells(
            "notifications.on_interrupt",
            [own.on_interrupt, project.on_interrupt, user.on_interrupt],
        );
        let variable = std::env::var(WEBHOOK_URL).ok().filter(|url| !url.is_empty());
        let webhook_url = ledger.choose(
            "notifications.webhook_url",
            Said::variable(WEBHOOK_URL, variable),
            [own.webhook_url.clone(), project.webhook_url.clone(), user.webhook_url.clone()],
        );
        let command = ledger.choose(
            "notifications.command",
            Said::never(),
            [own.command.clone(), project.command.clone(), user.command.clone()],
        );
        Notifications { webhook_url, command, on_start, on_complete, on_failure, on_interrupt }
    }

    fn verbosity(&self, flag: Option<Verbosity>, ledger: &mut Ledger) -> String {
        let word = |verbosity: Verbosity| match verbosity {
            Verbosity::Quiet => "quiet".to_owned(),
            Verbosity::Normal => "normal".to_owned(),
            Verbosity::Verbose => "verbose".to_owned(),
        };
        let variable = std::env::var(VERBOSITY).ok().filter(|value| !value.is_empty());
        let said = match flag {
            Some(verbosity) => Said::plain_flag(Some(word(verbosity))),
            None => Said::variable(VERBOSITY, variable),
        };
        let files = [None, self.project.verbosity.map(word), self.user.verbosity.map(word)];
        ledger.or("verbosity", said, files, word(Verbosity::Normal))
    }
}

/// The limits of the `execution` section with every choice made; the order is chosen elsewhere.
fn execution(file: &CampaignFile, flags: &Flags, ledger: &mut Ledger) -> Execution {
    let said = &file.execution;
    let only = |ledger: &mut Ledger, key, flag: Option<Time>, said: Option<Time>| {
        ledger.choose(key, Said::plain_flag(flag), [said, None, None])
    };
    let timeout = only(ledger, "execution.timeout", flags.timeout, said.timeout);
    let idle_timeout =
        only(ledger, "execution.idle_timeout", flags.idle_timeout, said.idle_timeout);
    let seconds = |ledger: &mut Ledger, key, flag: Option<Time>, said, default| {
        let default = Time::seconds(default);
        Some(ledger.or(key, Said::plain_flag(flag), [said, None, None], default))
    };
    let start_timeout = seconds(ledger, "execution.start_timeout", None, said.start_timeout, 60);
    let stop_grace =
        seconds(ledger, "execution.stop_grace_period", None, said.stop_grace_period, 10);
    let warmup_timeout = seconds(
        ledger,
        "execution.warmup_timeout_seconds",
        flags.warmup_timeout,
        said.warmup_timeout_seconds,
        30,
    );
    let warmup_prompts = ledger.or(
        "execution.warmup_prompts",
        Said::plain_flag(flags.warmup_prompts),
        [said.warmup_prompts, None, None],
        5,
    );
    let require_result = ledger.or(
        "execution.require_result",
        Said::never(),
        [said.require_result, None, None],
        file.command.is_none(),
    );
    let stop_after = ledger.choose(
        "execution.stop_after_failures",
        Said::plain_flag(flags.stop_after_failures),
        [said.stop_after_failures, None, None],
    );
    let exclusive = ledger.choose(
        "execution.exclusive",
        Said::plain_flag(flags.exclusive()),
        [said.exclusive, None, None],
    );
    Execution {
        exclusive,
        timeout,
        idle_timeout,
        start_timeout,
        stop_grace_period: stop_grace,
        warmup_timeout_seconds: warmup_timeout,
        warmup_prompts: Some(warmup_prompts),
        require_result: Some(require_result),
        stop_after_failures: stop_after,
        ..said.clone()
    }
}

#[cfg(test)]
mod tests;

fn cold_start(file: &CampaignFile, flags: &Flags, ledger: &mut Ledger) -> ColdStart {
    let cold = ledger.or(
        "cold_start.force_cold_start",
        Said::plain_flag(flags.cold_start()),
        [Some(file.cold_start.force_cold_start).filter(|cold| *cold), None, None],
        false,
    );
    let restart = ledger.or(
        "cold_start.restart_container",
        Said::never(),
        [Some(file.cold_start.restart_container).filter(|restart| *restart), None, None],
        false,
    );
    match (cold, restart) {
        (true, _) => ColdStart::NewContainer,
        (false, true) => ColdStart::Restart,
        (false, false) => ColdStart::No,
    }
}
