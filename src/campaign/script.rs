//! A campaign as a shell script: every docker line, and the files that lem would write.
//!
//! Piped into `sh` it does the same runs, without lem's record. Nothing here changes anything.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempt, Lifeline};
use super::decided::Campaign;
use super::error::CampaignError;
use super::execute;
use super::file::ContainerStrategy;
use super::instance::Instance;
use super::keeper::{self, Keeper};
use super::plan::Run;
use super::run_folder;
use super::site::Site;
use super::strategy::Strategy;
use super::strategy::local::Local;
use super::strategy::ready::Need;
use crate::engine::container::{COMPOSE_PROJECT, OWNER};
use crate::engine::events::Events;
use crate::engine::invocation::{Invocation, quoted};
use crate::inner::mark::{ENDED_FILE, STARTED_FILE};

const COMPOSE_VARIABLES: &str = "COMPOSE_FILE COMPOSE_PROFILES COMPOSE_ENV_FILES \
                                 COMPOSE_PROJECT_NAME COMPOSE_PATH_SEPARATOR";

/// Writes the script for `runs`, line by line: a long campaign's script is never held whole.
pub(crate) fn write(
    campaign: &Campaign,
    runs: &[Run],
    out: &mut dyn FnMut(&str),
) -> Result<(), CampaignError> {
    let instance = campaign.instance()?;
    let mut text = String::new();
    let written = match &campaign.site {
        Some(site) => {
            let strategy = unopened(campaign, site, &instance)?;
            let head = head(campaign, runs.len(), &mut text)
                .and_then(|()| containers(campaign, site, &instance, &strategy, &mut text));
            head.map(|()| strategy)
        }
        None => head(campaign, runs.len(), &mut text)
            .and_then(|()| this_program(&mut text))
            .map(|()| local(campaign)),
    };
    let strategy = written.map_err(|_| CampaignError::NoAnswer)?;
    out(&text);
    let mut used = HashSet::new();
    for (index, run) in runs.iter().enumerate() {
        let mut text = String::new();
        let attempt = instance.attempt(&campaign.plan, *run, 1, &campaign.settings)?;
        let service = attempt.service.clone().unwrap_or_default();
        let between = strategy.between(&service).filter(|_| !used.insert(service));
        let line = line(&strategy, &attempt)?;
        let config = config(campaign, *run)?;
        let gap = match index.checked_sub(1).map(|last| runs[last]) {
            Some(last) => campaign.plan.gap(last, *run),
            None => Duration::ZERO,
        };
        let _ = pause(gap, between.as_ref(), &mut text)
            .and_then(|()| one(&attempt, &config, &line, &mut text));
        out(&text);
    }
    out("exit $status\n");
    Ok(())
}

fn local(campaign: &Campaign) -> Strategy {
    let lem = "lem".into();
    Strategy::Local(Local { lem, directory: campaign.settings.base.clone(), within: Vec::new() })
}

/// Local runs start this program, whether or not it is on the reader's PATH.
fn this_program(text: &mut String) -> fmt::Result {
    let program = std::env::current_exe().unwrap_or_else(|_| "lem".into());
    writeln!(text, "lem() {{ {} \"$@\"; }}", path(&program))
}

fn unopened(
    campaign: &Campaign,
    site: &Site,
    instance: &Instance,
) -> Result<Strategy, CampaignError> {
    let events = Events::unopened(&site.engine.docker, &site.owner);
    let path = campaign.override_path(instance);
    let containers = execute::containers(site, &path, &campaign.settings, events, &Arc::default())?;
    Ok(execute::choose(containers, &campaign.settings))
}

fn config(campaign: &Campaign, run: Run) -> Result<String, CampaignError> {
    let experiment = campaign.plan.experiment(run);
    run_folder::config_text(&experiment.name, &experiment.config)
        .map_err(|source| CampaignError::Unwritable { path: campaign.results.clone(), source })
}

fn line(strategy: &Strategy, attempt: &Attempt) -> Result<String, CampaignError> {
    let invocation = strategy.invocation(attempt, Lifeline::None)?;
    let mut line = String::new();
    if let Some(directory) = &invocation.directory {
        line.push_str(&format!("cd {} && ", path(directory)));
    }
    for (name, value) in &invocation.environment {
        line.push_str(&format!("{name}={} ", quoted(value)));
    }
    // Once at the top is enough of it.
    Ok(line + &shortened(&invocation))
}

/// A line in which the script of a shell that keeps runs is the variable `keeper`.
fn shortened(invocation: &Invocation) -> String {
    invocation.to_string().replace(&quoted(keeper::script()), "\"$keeper\"")
}

fn head(campaign: &Campaign, runs: usize, text: &mut String) -> fmt::Result {
    writeln!(text, "#!/bin/sh")?;
    writeln!(
        text,
        "# Campaign {}: {runs} runs, {}. Piped into sh, this does them without lem's record.",
        campaign.name,
        campaign.strategy_name()
    )?;
    writeln!(text, "unset {COMPOSE_VARIABLES}")?;
    if shell_keeps(campaign) {
        writeln!(text, "keeper={}", quoted(keeper::script()))?;
    }
    writeln!(text, "status=0")?;
    writeln!(text, "mkdir -p {}", path(&campaign.results))
}

/// Whether the shell of an image keeps runs.
fn shell_keeps(campaign: &Campaign) -> bool {
    let worlds = campaign.site.as_ref().and_then(|site| site.worlds().ok()).unwrap_or_default();
    worlds.iter().any(|world| world.keeper == Keeper::Shell)
}

fn containers(
    campaign: &Campaign,
    site: &Site,
    instance: &Instance,
    strategy: &Strategy,
    text: &mut String,
) -> fmt::Result {
    let file = campaign.override_path(instance);
    let folder = file.parent().unwrap_or(Path::new("."));
    writeln!(text, "mkdir -p {}", path(folder))?;
    let body = campaign.override_text(site).map_err(|_| fmt::Error)?;
    here_document(&file, &body, text)?;
    for missing in site.missing_images() {
        writeln!(text, "{} || exit 3", site.making(&missing))?;
    }
    teardown(campaign, site, strategy, text)?;
    let dependencies = !site.dependencies.is_empty();
    for (index, up) in strategy.first().iter().enumerate() {
        writeln!(text, "{up} || exit 1")?;
        if dependencies && index == 0 {
            wait(site, text)?;
        }
    }
    let delay = campaign.settings.warmup_delay;
    if campaign.settings.strategy == ContainerStrategy::Persistent && !delay.is_zero() {
        writeln!(text, "sleep {}", delay.as_secs_f64())?;
    }
    Ok(())
}

fn teardown(
    campaign: &Campaign,
    site: &Site,
    strategy: &Strategy,
    text: &mut String,
) -> fmt::Result {
    let project = match strategy {
        Strategy::Ephemeral(it) => &it.containers.project,
        Strategy::Persistent(it) => &it.containers.project,
        Strategy::Local(_) => return Ok(()),
    };
    let removal = match (
        campaign.leaves_containers(),
        site.containers.is_empty() && site.networks.is_empty(),
    ) {
        (true, _) => return Ok(()),
        (false, true) => project.down().to_string(),
        // Something is in the project already, which `down` would remove.
        (false, false) => format!(
            "docker ps --all --quiet --filter {} | xargs -r docker rm --force",
            quoted(&format!("label={OWNER}={}", site.owner))
        ),
    };
    writeln!(text, "teardown() {{\n  {removal}\n}}")?;
    writeln!(text, "trap teardown EXIT\ntrap 'exit 130' INT\ntrap 'exit 143' TERM")
}

/// Waits for the dependencies as the campaign would.
fn wait(site: &Site, text: &mut String) -> fmt::Result {
    for (service, condition) in &site.dependencies {
        let pattern = match Need::of(*condition, site.has_healthcheck(service)) {
            Need::Running => "running*",
            Need::Healthy => "running-healthy-*",
            Need::Done => "exited--0",
        };
        let project = quoted(&format!("label={COMPOSE_PROJECT}={}", site.owner));
        let service_label = quoted(&format!("label=com.docker.compose.service={service}"));
        writeln!(
            text,
            "i=0\nwhile :; do\n  \
             case $(docker ps --all --quiet --filter {project} --filter {service_label} \
             --filter label=com.docker.compose.oneoff=False | xargs -r docker inspect --format \
             '{{{{.State.Status}}}}-{{{{with .State.Health}}}}{{{{.Status}}}}{{{{end}}}}-{{{{.State.ExitCode}}}}') \
             in {pattern}) break ;; esac\n  \
             i=$((i + 1)); [ $i -lt 600 ] || {{ echo {} >&2; exit 1; }}\n  sleep 1\ndone",
            quoted(&format!("{service} did not become ready"))
        )?;
    }
    Ok(())
}

fn pause(gap: Duration, between: Option<&Invocation>, text: &mut String) -> fmt::Result {
    if !gap.is_zero() {
        writeln!(text, "sleep {}", gap.as_secs_f64())?;
    }
    between.map_or(Ok(()), |line| writeln!(text, "{line} || exit 1"))
}

fn one(attempt: &Attempt, config: &str, line: &str, text: &mut String) -> fmt::Result {
    let folder = path(&attempt.folder);
    writeln!(text, "\n# run {}", attempt.run)?;
    writeln!(text, "mkdir -p {folder} && chmod 0777 {folder} || exit 3")?;
    // A script may be run twice, a run may not.
    let marks = [STARTED_FILE, ENDED_FILE].map(|name| path(&attempt.folder.join(name)));
    writeln!(text, "rm -f {}", marks.join(" "))?;
    here_document(&attempt.folder.join(run_folder::CONFIG), config, text)?;
    let log = path(&attempt.folder.join(run_folder::LOG));
    writeln!(text, "({line}) </dev/null >>{log} 2>&1 || {{")?;
    let failed = quoted(&format!("run {} failed, see", attempt.run));
    writeln!(text, "  echo {failed} {log} >&2\n  status=1\n}}")
}

fn here_document(file: &Path, body: &str, text: &mut String) -> fmt::Result {
    // A body that holds the end word gets a longer one.
    let mut end = String::from("END");
    while body.lines().any(|line| line == end) {
        end.push('_');
    }
    let newline = if body.ends_with('\n') { "" } else { "\n" };
    writeln!(text, "cat >{} <<'{end}'\n{body}{newline}{end}", path(file))
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
