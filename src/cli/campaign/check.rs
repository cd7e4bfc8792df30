//! What can be known to fail before anything starts.

use std::collections::HashSet;
use std::path::Path;

use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::file::{CampaignFile, ContainerStrategy};
use crate::campaign::instance::Instance;
use crate::campaign::plan::{Experiment, Plan};
use crate::campaign::settings::Settings;

/// What can be known to fail before anything starts.
pub(super) fn check(campaign: &Campaign) -> Result<(), CampaignError> {
    let folder =
        campaign.results.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    for folder in [folder, campaign.settings.base.as_path()] {
        // A file without a name: nothing is left of it, even if lem is killed here.
        tempfile::tempfile_in(folder)
            .map_err(|source| CampaignError::Unwritable { path: folder.to_owned(), source })?;
    }
    attempts(&campaign.instance()?, &campaign.plan, &campaign.settings)?;
    match &campaign.site {
        Some(site) if campaign.settings.strategy == ContainerStrategy::Persistent => {
            site.check_foreign(campaign.settings.foreign)
        }
        _ => Ok(()),
    }
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
