//! `lem campaign`: from the file to the summary.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::flags::Flags;
use super::render::{self, Progress};
use super::runtime::block_on;
use super::settings::{Layers, Source};
use super::{exit, locks, traces};
use crate::campaign::decided::{Campaign, record_of};
use crate::campaign::error::CampaignError;
use crate::campaign::event::Event;
use crate::campaign::execute::execute;
use crate::campaign::file::{self, CampaignFile, ContainerStrategy, Structure};
use crate::campaign::plan::{Plan, Run};
use crate::campaign::settings::{Foreign, RunnerKind};
use crate::campaign::site::survey;
use crate::campaign::{experiments, resume, run_folder, script};
use crate::cancel::Cancel;
use crate::engine::process::show;
use crate::record::{CampaignState, Instance, Store};

/// Run a campaign: many experiments, each in a container, in a chosen order.
///
/// Exit codes: 0 done; 1 at least one experiment failed; 2 the file or the usage is wrong; 3 the
/// machine can't; 75 somebody else is using the project; 130, 143 or 129 after SIGINT, SIGTERM or
/// SIGHUP.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The campaign file [default: campaign.yaml or campaign.yml]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub flags: Flags,
    /// Go on with the campaign that was interrupted: exactly the runs that are missing
    #[arg(long, conflicts_with = "fresh")]
    pub resume: bool,
    /// Start anew, whatever an earlier execution left undone
    #[arg(long)]
    pub fresh: bool,
    #[command(flatten)]
    pub manner: Manner,
}

/// How a campaign is gone about, whether it starts or goes on.
#[derive(Debug, Args)]
pub(super) struct Manner {
    /// Let Compose recreate a needed container that lem did not start
    #[arg(long)]
    replace_running: bool,
    /// Print what would be done as a shell script, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Answer the question with yes
    #[arg(short, long)]
    yes: bool,
    /// One event per line on standard output, as JSON
    #[arg(long)]
    json: bool,
    /// Show what the runs say while they run
    #[arg(short, long)]
    verbose: bool,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    block_on(async |cancel| drive(arguments, cancel).await)
}

async fn drive(arguments: Arguments, cancel: &Cancel) -> Result<u8, CampaignError> {
    let path = campaign_file(arguments.file.as_deref())?;
    let file = file::read(&path)?;
    let state_dir = path.with_file_name("").join(&file.io.state_dir);
    let _campaign_lock = (!arguments.manner.dry_run)
        .then(|| locks::campaign(&state_dir, &file.campaign_name))
        .transpose()?;
    let earlier = earlier(&state_dir, &file.campaign_name)?;
    let resumed = choose_resume(&arguments, earlier, &file.campaign_name)?;
    let (campaign, source) = decide(&arguments, path, &file, resumed.as_ref(), cancel).await?;
    let runs = match &resumed {
        Some((instance, recorded)) if instance.plan == campaign.plan.fingerprint() => {
            resume::missing(&campaign.plan, recorded)
        }
        Some(_) => return Err(CampaignError::Drifted { campaign: campaign.name }),
        None => campaign.plan.runs.clone(),
    };
    check(&campaign)?;
    if arguments.manner.dry_run {
        return dry_run(&campaign, &runs);
    }
    start(campaign, &runs, source, &arguments.manner, cancel).await
}

/// Makes every choice: what is said in which place, which experiments, in which order, and where.
async fn decide(
    arguments: &Arguments,
    path: PathBuf,
    file: &CampaignFile,
    resumed: Option<&Earlier>,
    cancel: &Cancel,
) -> Result<(Campaign, Source), CampaignError> {
    let mut flags = arguments.flags.clone().absolute();
    if let Some((instance, _)) = resumed {
        flags = flags.or(serde_json::from_str(&instance.settings).unwrap_or_default());
    }
    let layers = Layers::read()?;
    let order = layers.order(file, &flags);
    let foreign = if arguments.manner.replace_running { Foreign::Replace } else { Foreign::Refuse };
    let (settings, source) = layers.resolve(file, &path, &flags, foreign);
    let experiments = experiments::gather(file, &settings.base)?;
    let recorded_seed = resumed.and_then(|(instance, _)| instance.seed);
    let seed = match order.structure {
        Structure::Shuffled => {
            Some(order.seed.or(recorded_seed).unwrap_or_else(rand::random::<u64>))
        }
        Structure::Interleaved | Structure::Grouped => order.seed,
    };
    let plan = Plan {
        runs: Plan::order(&experiments, order.cycles, order.structure, seed),
        experiments,
        cycles: order.cycles,
        structure: order.structure,
        seed,
        config_gap: order.config_gap,
        cycle_gap: order.cycle_gap,
    };
    let results = run_folder::of_campaign(&settings.results_dir, &file.campaign_name);
    let site = match settings.runner {
        RunnerKind::Docker => {
            Some(survey(&plan, &file.services, &settings, &results, cancel).await?)
        }
        RunnerKind::Local => None,
    };
    let campaign = Campaign {
        name: file.campaign_name.clone(),
        file: path,
        plan,
        settings,
        results,
        site,
        flags: serde_json::to_string(&flags).unwrap_or_default(),
        resumed: resumed.map(|(instance, _)| instance.id.clone()),
    };
    Ok((campaign, source))
}

/// Shows it, asks, and does it.
async fn start(
    mut campaign: Campaign,
    runs: &[Run],
    source: Source,
    manner: &Manner,
    cancel: &Cancel,
) -> Result<u8, CampaignError> {
    let _project_lock =
        campaign.site.as_ref().map(|site| locks::project(site, &campaign.name)).transpose()?;
    render::plan(&campaign, runs, source);
    if !agreed(&campaign, manner.yes, source, cancel).await? {
        render::say("nothing was started");
        return Ok(exit::DONE);
    }
    if let Some(site) = &mut campaign.site
        && !(site.containers.is_empty() && manner.yes)
    {
        // The answer took its time, or what was seen belonged to a lem that has ended by now.
        site.look_at_containers(cancel).await?;
        check(&campaign)?;
    }
    let mut progress = Progress::new(&campaign.plan, runs, manner.json, manner.verbose);
    make_images(&mut campaign, &mut progress, cancel).await?;
    locks::index(&campaign);
    let traces = campaign.site.as_mut().map(traces::begin).transpose()?;
    let (summary, ended) =
        execute(&campaign, runs, &mut |event| progress.show(&event), cancel).await?;
    if let Some(traces) = traces.filter(|_| !campaign.leaves_containers()) {
        traces.end(&ended);
    }
    progress.end();
    if !manner.json {
        render::summary(&summary);
    }
    ended?;
    Ok(if summary.failed > 0 { exit::FAILED } else { exit::DONE })
}

fn campaign_file(named: Option<&Path>) -> Result<PathBuf, CampaignError> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => ["campaign.yaml", "campaign.yml"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.exists())
            .unwrap_or_else(|| "campaign.yaml".into()),
    };
    std::path::absolute(&path).map_err(|_| CampaignError::NoCampaignFile { path })
}

/// The campaign's newest execution, if there was one, with its runs.
type Earlier = (Instance, Vec<crate::record::RecordedRun>);

fn earlier(
    state_dir: &Path,
    campaign: &str,
) -> Result<Option<(Earlier, CampaignState)>, CampaignError> {
    let Some(mut store) = Store::open_existing(&record_of(state_dir))? else { return Ok(None) };
    let Some((instance, state)) = store.newest(campaign)? else { return Ok(None) };
    let runs = store.runs(&instance.id)?;
    Ok(Some(((instance, runs), state)))
}

/// Which execution goes on: the unfinished one, if the user says so.
fn choose_resume(
    arguments: &Arguments,
    earlier: Option<(Earlier, CampaignState)>,
    campaign: &str,
) -> Result<Option<Earlier>, CampaignError> {
    let nothing = |reason: &str| {
        Err(CampaignError::NothingToResume { reason: format!("`{campaign}` {reason}") })
    };
    match earlier {
        None if arguments.resume => nothing("was never started"),
        Some((_, CampaignState::Finished)) if arguments.resume => nothing("is finished"),
        Some((earlier, _)) if arguments.resume => Ok(Some(earlier)),
        Some((earlier, CampaignState::Running | CampaignState::Interrupted))
            if !arguments.fresh && !arguments.manner.dry_run =>
        {
            let done = earlier.1.iter().filter(|run| {
                matches!(
                    run.state,
                    crate::record::RunState::Completed | crate::record::RunState::Failed
                )
            });
            let (done, total) = (done.count(), earlier.1.len());
            if arguments.manner.yes || !render::can_ask() {
                let campaign = campaign.to_owned();
                return Err(CampaignError::Unfinished { campaign, done, total });
            }
            match render::ask_resume(campaign, done, total) {
                Some(true) => Ok(Some(earlier)),
                Some(false) => Ok(None),
                None => {
                    Err(CampaignError::Unfinished { campaign: campaign.to_owned(), done, total })
                }
            }
        }
        _ => Ok(None),
    }
}

/// What can be known to fail before anything starts.
fn check(campaign: &Campaign) -> Result<(), CampaignError> {
    let folder =
        campaign.results.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    for folder in [folder, campaign.settings.base.as_path()] {
        // A file without a name: nothing is left of it, even if lem is killed here.
        tempfile::tempfile_in(folder)
            .map_err(|source| CampaignError::Unwritable { path: folder.to_owned(), source })?;
    }
    // Every place of every command, before the first run rather than in the morning.
    let instance = campaign.instance()?;
    let mut seen = std::collections::HashSet::new();
    for run in campaign.plan.runs.iter().filter(|run| seen.insert(run.experiment)) {
        instance.attempt(&campaign.plan, *run, 1, &campaign.settings)?;
    }
    match &campaign.site {
        Some(site) if campaign.settings.strategy == ContainerStrategy::Persistent => {
            site.check_foreign(campaign.settings.foreign)
        }
        _ => Ok(()),
    }
}

fn dry_run(campaign: &Campaign, runs: &[Run]) -> Result<u8, CampaignError> {
    let mut stdout = std::io::stdout().lock();
    let mut broken = false;
    script::write(campaign, runs, &mut |text| {
        // The reader may have seen enough; then there is nobody to write for.
        broken = broken || stdout.write_all(text.as_bytes()).is_err();
    })?;
    Ok(exit::DONE)
}

/// The one question, where there is something to ask.
async fn agreed(
    campaign: &Campaign,
    yes: bool,
    source: Source,
    cancel: &Cancel,
) -> Result<bool, CampaignError> {
    let Some(site) = &campaign.site else { return Ok(true) };
    let persistent = campaign.settings.strategy == ContainerStrategy::Persistent;
    if persistent {
        render::persistent_mode(source);
    }
    let missing = site.missing_images();
    if yes || (!persistent && missing.is_empty()) {
        return Ok(true);
    }
    if !render::can_ask() {
        return Err(CampaignError::NoAnswer);
    }
    let asking = tokio::task::spawn_blocking(render::ask_start);
    tokio::select! {
        answer = asking => Ok(answer.unwrap_or(false)),
        signal = cancel.raised() => Err(CampaignError::Cancelled { signal }),
    }
}

async fn make_images(
    campaign: &mut Campaign,
    progress: &mut Progress,
    cancel: &Cancel,
) -> Result<(), CampaignError> {
    let Some(site) = &mut campaign.site else { return Ok(()) };
    let missing = site.missing_images();
    if missing.is_empty() {
        return Ok(());
    }
    for image in missing {
        let making = site.making(&image);
        progress.show(&Event::Preparing { what: making.to_string() });
        show(&making, cancel).await.map_err(|source| CampaignError::NoImage {
            service: image.service.clone(),
            image: image.image.clone(),
            source: Box::new(source),
        })?;
    }
    site.look_at_images(cancel).await?;
    match site.missing_images().first() {
        None => Ok(()),
        Some(image) => Err(CampaignError::NotReady {
            service: image.service.clone(),
            reason: format!("image `{}` is still missing after it was made", image.image),
            log: String::new(),
        }),
    }
}

/// Whether standard error is a terminal.
pub(super) fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}
