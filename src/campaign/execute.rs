//! One execution of a campaign, from the record of its beginning to its summary.
//!
//! Order matters: the record says that a run begins before docker hears of it, and the guard is
//! armed before the first container.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::decided::Campaign;
use super::error::CampaignError;
use super::event::{Event, Summary, TimeSpent};
use super::file::ContainerStrategy;
use super::gate::{Eyes, Gate};
use super::instance::Instance;
use super::keeper::share;
use super::opening;
use super::overhead::{self, Overhead};
use super::plan::Run;
use super::results_place::ResultsPlace;
use super::resume::drift::Recorded;
use super::resume::manifest::{self, Manifest};
use super::resume::{self, Failures};
use super::run_facts::Origin;
use super::run_folder;
use super::runner::{Runner, Seen, now, since};
use super::settings::Settings;
use super::site::Site;
use super::strategy::Strategy;
use super::strategy::containers::Containers;
use super::strategy::ephemeral::Ephemeral;
use super::strategy::local::Local;
use super::strategy::persistent::Persistent;
use super::summary;
use super::teardown::{Before, Teardown};
use super::tenure::Tenure;
use crate::cancel::Cancel;
use crate::durable::{self, Flush};
use crate::engine::devices::{Gpus, Said};
use crate::engine::events::Events;
use crate::engine::place::Place;
use crate::engine::process;
use crate::record::{CampaignState, Store};

/// Leave to execute a campaign.
pub(crate) struct Leave {
    pub tenure: Arc<Tenure>,
    /// How long it was waited for, in seconds.
    pub waited: f64,
}

/// Where an execution is at.
#[derive(Clone, Copy)]
struct At<'a> {
    campaign: &'a Campaign,
    instance: &'a Instance,
    tenure: &'a Arc<Tenure>,
}

/// Does `runs` of the campaign. What ended it early stands beside the summary of what was done.
pub(crate) async fn execute(
    campaign: &Campaign,
    instance: &Instance,
    runs: &[Run],
    leave: Leave,
    report: &mut dyn FnMut(Event),
    cancel: &Cancel,
) -> Result<(Summary, Result<(), CampaignError>), CampaignError> {
    let began = Instant::now();
    run_folder::prepare_campaign(&instance.results, &campaign.name)?;
    let _at_work = run_folder::at_work(&instance.results);
    let mut store = Store::open(&campaign.record())?;
    opening::record(campaign, instance, &mut store)?;
    report(Event::CampaignStarted {
        campaign: campaign.name.clone(),
        campaign_id: instance.id.clone(),
        strategy: campaign.strategy_name(),
        runs: runs.len(),
        total: campaign.plan.runs.len(),
        results: instance.results.clone(),
    });
    opening::found(campaign).into_iter().for_each(&mut *report);
    let mut time = TimeSpent { turn: leave.waited, ..TimeSpent::default() };
    let at = At { campaign, instance, tenure: &leave.tenure };
    let (mut done, restarts) = work(&at, runs, &mut store, report, cancel, &mut time).await;
    if let (Err(_), Some(signal)) = (&done, cancel.now()) {
        done = Err(CampaignError::Interrupted { signal });
    }
    // Of what was done without a record, the next lem should not learn by doing it again.
    done = done.and(store.check_place().map_err(CampaignError::from));
    let recorded = store.runs(&instance.id)?;
    let missing = resume::missing(&campaign.plan, &recorded, Failures::Stay);
    // Whatever ended it: what has nothing left to do is finished.
    let state =
        if missing.is_empty() { CampaignState::Finished } else { CampaignState::Interrupted };
    let closed = store.campaign_is(&instance.id, state, &now()).map_err(CampaignError::from);
    done = done.and(closed).and(write_manifest(campaign, &mut store));
    let mut summary = summary::of(campaign, instance, &recorded, state);
    summary.left_out = resume::left_out(&missing, runs);
    if done.is_ok() && summary.left_out > 0 && summary.left_out == summary.remaining {
        summary.state = "partial";
    }
    summary.seconds = leave.waited + since(began);
    summary.restarts = restarts;
    summary.time = time;
    summary.overheads = Overhead::of(&store.taken(&campaign.name)?);
    summary.advice = overhead::advice(&summary.strategy, &summary.overheads);
    report(Event::CampaignEnded(summary.clone()));
    Ok((summary, done))
}

/// Leaves the state for tools that read it as one file.
fn write_manifest(campaign: &Campaign, store: &mut Store) -> Result<(), CampaignError> {
    let Some(recorded) = Recorded::newest(store, &campaign.name)? else { return Ok(()) };
    Manifest::of(&recorded.0).write(&manifest::path_of(campaign))
}

/// Starts what is needed, does the runs, removes what was started.
async fn work(
    at: &At<'_>,
    runs: &[Run],
    store: &mut Store,
    report: &mut dyn FnMut(Event),
    cancel: &Cancel,
    time: &mut TimeSpent,
) -> (Result<(), CampaignError>, Vec<(String, u32)>) {
    let At { campaign, instance, tenure } = *at;
    let there = ResultsPlace::of(&instance.results, campaign.engine_root());
    let started = there.and_then(|place| Ok((place, strategy(at, cancel)?)));
    let (place, (mut strategy, guard)) = match started {
        Ok(started) => started,
        Err(error) => return (Err(error), Vec::new()),
    };
    if runs.is_empty() {
        // Nothing is left to do but to remove what a lem that was killed may still hold.
        drop(strategy);
        return (cleaned(guard, report).await, Vec::new());
    }
    let began = Instant::now();
    let elsewhere = campaign.site.as_ref().is_some_and(|site| site.place.is_elsewhere());
    let eyes = if elsewhere { Eyes::InContainers } else { Eyes::here() };
    let mut gate = Gate::new(&campaign.settings.health, gpus(campaign), eyes);
    gate.before_start(cancel).await;
    let ready = begin(campaign, &mut strategy, report, cancel).await;
    if ready.is_ok() {
        tenure.measures().await;
    }
    gate.after_start(&strategy, cancel).await;
    time.services += since(began);
    let origin = Origin::of(campaign, instance);
    let done = match ready {
        Ok(()) => {
            let (plan, settings) = (&campaign.plan, &campaign.settings);
            let mut runner = Runner {
                instance,
                plan,
                settings,
                store,
                strategy: &mut strategy,
                report,
                cancel,
                gate: &mut gate,
                time: *time,
                files: campaign.site.as_ref().map(|site| site.files.clone()),
                origin: &origin,
                place: &place,
                seen: Seen::default(),
            };
            let done = runner.run(runs).await;
            *time = runner.time;
            done
        }
        Err(error) => Err(error),
    };
    let restarts = strategy.restarts();
    drop(strategy);
    report_left_running(campaign, report);
    let ending = Instant::now();
    let guard = guard.map(|mut guard| {
        match &done {
            Ok(()) => guard.settle(),
            Err(CampaignError::EngineAway { .. }) => guard.give_up_waiting(),
            Err(_) => {}
        }
        guard
    });
    let cleaned = cleaned(guard, report).await;
    // The error is the other one.
    let message = match (&done, &cleaned) {
        (Err(_), Err(error @ CampaignError::LeftBehind { command, .. })) => {
            Some(format!("{error}; `{command}` removes it"))
        }
        (Err(_), Err(error @ CampaignError::NotLooked { command, .. })) => {
            Some(format!("{error}; `{command}` looks, when it answers again"))
        }
        _ => None,
    };
    if let Some(message) = message {
        report(Event::Warning { message });
    }
    time.services += since(ending);
    (done.and(cleaned), restarts)
}

async fn cleaned(
    guard: Option<Teardown>,
    report: &mut dyn FnMut(Event),
) -> Result<(), CampaignError> {
    match guard {
        Some(guard) => {
            report(Event::TeardownStarted);
            guard.finish().await
        }
        None => Ok(()),
    }
}

/// The GPUs of each service of the campaign, or those of this process's own children.
pub(crate) fn gpus(campaign: &Campaign) -> BTreeMap<String, Gpus> {
    if let Some(site) = &campaign.site {
        return site.gpus();
    }
    let cuda = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let gpus = Gpus::of(&Said { cuda: cuda.as_deref(), ..Said::default() });
    BTreeMap::from([(String::new(), gpus)])
}

/// Containers that stay up are said, with the way to end them.
fn report_left_running(campaign: &Campaign, report: &mut dyn FnMut(Event)) {
    if let (Some(site), true) = (&campaign.site, campaign.leaves_containers()) {
        report(Event::LeftRunning {
            services: site.everything().into_iter().map(str::to_owned).collect(),
            stop_with: format!("lem reap {}", site.owner),
        });
    }
}

async fn begin(
    campaign: &Campaign,
    strategy: &mut Strategy,
    report: &mut dyn FnMut(Event),
    cancel: &Cancel,
) -> Result<(), CampaignError> {
    if let Some(site) = &campaign.site {
        let stale: Vec<&str> = site
            .containers
            .iter()
            .filter(|c| c.one_off && c.belongs_to(&site.owner))
            .map(|c| c.id.as_str())
            .collect();
        if !stale.is_empty() {
            // The place in the project is ours, so the lem that made them is dead.
            let what = format!("removing {} containers of a lem that was killed", stale.len());
            report(Event::Preparing { what });
            process::remove(&site.engine.docker.remove(&stale), cancel).await?;
        }
        if let (true, Some(image)) = (site.place != Place::Here, site.an_image()) {
            let docker = &site.engine.docker;
            share::check(docker, &site.owner, &image, &campaign.results, cancel).await?;
        }
        let waited_for: Vec<&str> = match campaign.settings.strategy {
            ContainerStrategy::Ephemeral => Vec::new(),
            ContainerStrategy::Persistent => site.services(),
        };
        let names = site.dependencies.iter().map(|d| d.0.as_str()).chain(waited_for);
        let names: Vec<&str> = names.collect();
        if !names.is_empty() {
            report(Event::Preparing { what: format!("starting {}", names.join(", ")) });
        }
    }
    strategy.begin(cancel).await
}

/// The strategy with its override written, and the guard armed.
fn strategy(at: &At<'_>, cancel: &Cancel) -> Result<(Strategy, Option<Teardown>), CampaignError> {
    let At { campaign, instance, tenure } = *at;
    let settings = &campaign.settings;
    let Some(site) = &campaign.site else {
        let lem = std::env::current_exe().map_err(|source| CampaignError::Unwritable {
            path: "/proc/self/exe".into(),
            source,
        })?;
        let (directory, within) = (settings.base.clone(), tenure.environment());
        return Ok((Strategy::Local(Local { lem, directory, within }), None));
    };
    let path = campaign.override_path(instance);
    let unwritable = |source| CampaignError::Unwritable { path: path.clone(), source };
    if let Some(folder) = path.parent() {
        durable::private_folder(folder).map_err(unwritable)?;
    }
    durable::write_with_mode(&path, campaign.override_text(site)?.as_bytes(), Flush::Later, 0o600)
        .map_err(unwritable)?;
    let events = Events::open(&site.engine.docker, &site.owner)?;
    let containers = containers(site, &path, settings, events, tenure)?;
    let held = match settings.strategy {
        ContainerStrategy::Ephemeral => Vec::new(),
        ContainerStrategy::Persistent => site.services().into_iter().map(str::to_owned).collect(),
    };
    let before = Before {
        containers: site.containers.iter().map(|container| container.id.clone()).collect(),
        networks: site.networks.iter().cloned().collect(),
    };
    let mut guard = Teardown::new(
        &containers,
        before,
        held,
        settings.auto_teardown || settings.strategy == ContainerStrategy::Ephemeral,
        cancel,
    );
    guard.arm();
    let strategy = choose(containers, settings);
    Ok((strategy, Some(guard)))
}

/// The containers of a site, with the override at `path` as the project's last file.
pub(crate) fn containers(
    site: &Site,
    path: &Path,
    settings: &Settings,
    events: Events,
    tenure: &Arc<Tenure>,
) -> Result<Containers, CampaignError> {
    let mut project = site.project.clone();
    project.files.push(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let names = site.services().into_iter().chain(site.dependencies.iter().map(|d| d.0.as_str()));
    let healthchecks = names.map(|name| (name.to_owned(), site.has_healthcheck(name))).collect();
    Ok(Containers {
        docker: site.engine.docker.clone(),
        project,
        owner: site.owner.clone(),
        worlds: site.worlds()?,
        dependencies: site.dependencies.clone(),
        healthchecks,
        health_timeout: settings.health_timeout,
        events,
        serving: Vec::new(),
        tenure: Arc::clone(tenure),
    })
}

/// The strategy that the settings name.
pub(crate) fn choose(containers: Containers, settings: &Settings) -> Strategy {
    match settings.strategy {
        ContainerStrategy::Ephemeral => Strategy::Ephemeral(Ephemeral { containers }),
        ContainerStrategy::Persistent => {
            let (delay, cold) = (settings.warmup_delay, settings.cold_start);
            Strategy::Persistent(Persistent::new(containers, delay, cold))
        }
    }
}
