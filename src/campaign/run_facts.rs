//! What the folder of a run says about its place in the campaign, so that a lost record can be
//! made again from the results alone.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::decided::Campaign;
use super::error::CampaignError;
use super::instance::Instance;
use super::plan::Run;
use super::watch::LONGEST_MARK;
use crate::durable::{self, Flush};
use crate::foreign_file;

/// The name of the file.
pub(crate) const FACTS: &str = "lem.json";

/// The facts of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub run_id: String,
    pub position: u32,
    /// The hash of the configuration.
    pub experiment_id: String,
    pub experiment: String,
    pub repetition: u32,
    pub cycle: u32,
    pub attempt: u32,
    pub campaign: Origin,
}

/// The campaign that a run belongs to, and how it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// A UUID.
    pub id: String,
    pub name: String,
    /// The campaign file, absolute.
    pub file: String,
    /// RFC 3339, UTC; unknown where the first version left it.
    #[serde(default)]
    pub started_at: Option<String>,
    pub structure: String,
    pub cycles: u32,
    pub seed: Option<u64>,
    /// The flags it was started with, as JSON.
    pub flags: String,
}

impl Origin {
    /// That of a campaign which is about to begin or go on.
    pub(crate) fn of(campaign: &Campaign, instance: &Instance) -> Self {
        Self {
            id: instance.id.clone(),
            name: campaign.name.clone(),
            file: campaign.file.to_string_lossy().into_owned(),
            started_at: Some(instance.started_at.clone()),
            structure: campaign.plan.structure.to_string(),
            cycles: campaign.plan.cycles,
            seed: campaign.plan.seed,
            flags: campaign.flags.clone(),
        }
    }
}

impl Facts {
    /// The facts of a try.
    pub(crate) fn of(
        origin: &Origin,
        plan: &super::plan::Plan,
        run: Run,
        id: &str,
        attempt: u32,
    ) -> Self {
        let experiment = plan.experiment(run);
        Self {
            run_id: id.to_owned(),
            position: run.position,
            experiment_id: experiment.hash.clone(),
            experiment: experiment.name.clone(),
            repetition: experiment.repetition,
            cycle: run.cycle,
            attempt,
            campaign: origin.clone(),
        }
    }

    /// Leaves them in the run's folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), CampaignError> {
        durable::write_json(&folder.join(FACTS), self, Flush::Later)
            .map_err(|source| CampaignError::unwritable(folder, source))
    }

    /// The facts in a folder, if they are there and of the run that the folder is named after.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let facts: Self =
            serde_json::from_slice(&foreign_file::read(&folder.join(FACTS), LONGEST_MARK).ok()?)
                .ok()?;
        let named = folder.file_name().is_some_and(|name| *name == *facts.run_id);
        named.then_some(facts)
    }
}
