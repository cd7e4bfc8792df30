//! A campaign with every choice made: what it does, how, and where. Nothing has happened yet.

use std::path::{Path, PathBuf};

use super::error::CampaignError;
use super::file::ContainerStrategy;
use super::instance::{Inside, Instance};
use super::override_file::{self, Between};
use super::plan::Plan;
use super::resume::drift::Placed;
use super::resume::repair::Learnt;
use super::runner::now;
use super::settings::Settings;
use super::site::Site;
use crate::record::Known;
use crate::yaml;

/// Everything that is decided before a campaign starts.
#[derive(Debug)]
pub(crate) struct Campaign {
    pub name: String,
    /// The campaign file, absolute.
    pub file: PathBuf,
    pub plan: Plan,
    pub settings: Settings,
    /// The campaign's results folder.
    pub results: PathBuf,
    /// Where containers are used.
    pub site: Option<Site>,
    /// The flags it is started with, for a later resume.
    pub flags: String,
    pub past: Past,
}

/// What an execution goes on from.
#[derive(Debug)]
pub(crate) enum Past {
    /// No instance of the record. What is known of runs from elsewhere, by position.
    New { known: Vec<(u32, Known)> },
    /// An instance of the record, what its folders know of it and the record doesn't, and how it
    /// has to be changed first.
    Recorded { id: String, started_at: String, learnt: Vec<Learnt>, changes: Option<Placed> },
}

impl Past {
    /// Whether something was done before.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::New { known } if known.is_empty())
    }
}

impl Campaign {
    /// How the runs run, for people: `ephemeral`, `persistent` or `local`.
    pub(crate) fn strategy_name(&self) -> String {
        self.settings.strategy_name().to_owned()
    }

    /// The instance that an execution would have.
    pub(crate) fn instance(&self) -> Result<Instance, CampaignError> {
        let worlds = self.site.as_ref().map(Site::worlds).transpose()?.unwrap_or_default();
        let (id, started_at) = match &self.past {
            Past::Recorded { id, started_at, .. } => (id.clone(), started_at.clone()),
            Past::New { .. } => (uuid::Uuid::new_v4().to_string(), now()),
        };
        Ok(Instance {
            id,
            started_at,
            campaign: self.name.clone(),
            results: self.results.clone(),
            service_of: self.site.as_ref().map(|s| s.service_of.clone()).unwrap_or_default(),
            inside: worlds
                .into_iter()
                .map(|w| Inside {
                    service: w.service,
                    keeper: w.keeper,
                    results: w.results,
                    configs: w.configs,
                })
                .collect(),
            configs: Some(self.settings.configs_dir.clone()).filter(|folder| folder.is_dir()),
        })
    }

    /// Whether the containers stay when the campaign ends.
    pub(crate) fn leaves_containers(&self) -> bool {
        self.settings.strategy == ContainerStrategy::Persistent && !self.settings.auto_teardown
    }

    /// Where the engine keeps its containers.
    pub(crate) fn engine_root(&self) -> Option<&Path> {
        let root = &self.site.as_ref()?.engine.root;
        (!root.as_os_str().is_empty()).then_some(root)
    }

    /// The record of the campaign's folder.
    pub(crate) fn record(&self) -> PathBuf {
        record_of(&self.settings.state_dir)
    }

    /// Where the override of an instance is.
    pub(crate) fn override_path(&self, instance: &Instance) -> PathBuf {
        self.settings.state_dir.join(&instance.id[..8]).join("override.yaml")
    }

    /// The text of the override, for campaigns in containers.
    pub(crate) fn override_text(&self, site: &Site) -> Result<String, CampaignError> {
        let hold = self.settings.hold_command.as_deref();
        let between = match self.settings.strategy {
            ContainerStrategy::Ephemeral => Between::Nothing,
            ContainerStrategy::Persistent => Between::Hold(hold),
        };
        let names: Vec<String> = site.dependencies.iter().map(|d| d.0.clone()).collect();
        let value = override_file::compose(&site.owner, &site.worlds()?, &names, &between);
        yaml::to_text(&value).map_err(|source| CampaignError::Unwritable {
            path: self.settings.state_dir.clone(),
            source,
        })
    }
}

/// The record below a state folder.
pub(crate) fn record_of(state_dir: &Path) -> PathBuf {
    state_dir.join("lem.db")
}
