//! What can be known to fail before anything starts.

use std::collections::HashSet;
use std::path::Path;

use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::file::{CampaignFile, ContainerStrategy};
use crate::campaign::instance::Instance;
use crate::campaign::plan::{Experiment, Plan};
use crate::campaign::results_place::roomy;
use crate::campaign::settings::Settings;
use crate::room;

/// Less room than this, for logs and results, is worth a word.
const LITTLE: u64 = 64 << 20;
/// The same for the files that containers write.
const LITTLE_FOR_CONTAINERS: u64 = 256 << 20;

/// What can be known to fail before anything starts.
pub(super) fn check(campaign: &Campaign) -> Result<(), CampaignError> {
    for folder in written(campaign) {
        room::try_writing(folder, 0).map_err(|source| CampaignError::unwritable(folder, source))?;
        roomy(folder)?;
    }
    attempts(&campaign.instance()?, &campaign.plan, &campaign.settings)?;
    if let Some(site) = &campaign.site {
        site.check_keepers(&campaign.settings)?;
    }
    match &campaign.site {
        Some(site) if campaign.settings.strategy == ContainerStrategy::Persistent => {
            site.check_foreign(campaign.settings.foreign)
        }
        _ => Ok(()),
    }
}

/// The folders that lem writes to; of one that is not there yet, where it will be made.
fn written(campaign: &Campaign) -> [&Path; 3] {
    let Campaign { results, settings, .. } = campaign;
    [nearest(results), nearest(&settings.state_dir), &settings.base]
}

fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|it| it.exists()).unwrap_or(Path::new("/"))
}

/// Where room is scarce, for people.
pub(super) fn scarce(campaign: &Campaign) -> Vec<String> {
    let written = written(campaign).into_iter().map(|folder| (folder, LITTLE));
    let engine = campaign.engine_root().map(|root| (root, LITTLE_FOR_CONTAINERS));
    let mut said = Vec::new();
    for (folder, little) in written.chain(engine) {
        if room::of(folder).is_some_and(|room| room.free < little) {
            let line =
                format!("warning: only {} are free on `{}`", room::free(folder), folder.display());
            if !said.contains(&line) {
                said.push(line);
            }
        }
    }
    said
}

/// What is probably forgotten, if anything: the default command needs a `workload`, unless the image
/// brings a `lem` that does not.
pub(super) fn doubt(file: &CampaignFile, plan: &Plan) -> Option<String> {
    let idle = |experiment: &&Experiment| !experiment.config.contains_key("workload");
    let idle = plan.experiments.iter().find(idle).filter(|_| file.command.is_none())?;
    Some(format!(
        "note: `{}` has no `workload` and the campaign no `command`, so its image must bring a `lem` \
         of its own that knows what to do",
        idle.name
    ))
}

/// Every place of every command, before the first run rather than in the morning.
pub(in crate::cli) fn places(plan: &Plan, settings: &Settings) -> Result<(), CampaignError> {
    let nowhere = Instance {
        id: "00000000-0000-0000-0000-000000000000".to_owned(),
        started_at: String::new(),
        campaign: String::new(),
        results: settings.results_dir.clone(),
        service_of: Vec::new(),
        inside: Vec::new(),
        configs: None,
    };
    attempts(&nowhere, plan, settings)
}

fn attempts(instance: &Instance, plan: &Plan, settings: &Settings) -> Result<(), CampaignError> {
    let mut seen = HashSet::new();
    for run in plan.runs.iter().filter(|run| seen.insert(run.experiment)) {
        instance.attempt(plan, *run, 1, settings)?;
    }
    Ok(())
}
