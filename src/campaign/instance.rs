//! One execution of a campaign, and the tries of its runs as values. Pure.

use std::path::PathBuf;

use super::attempt::Attempt;
use super::command::{self, Places};
use super::error::CampaignError;
use super::keeper::Keeper;
use super::plan::{Plan, Run};
use super::run_folder;
use super::settings::{ColdStart, Settings};

/// One execution of a campaign, as far as its runs need to know it.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// A UUID.
    pub id: String,
    /// When the first of its runs could begin: RFC 3339, UTC.
    pub started_at: String,
    pub campaign: String,
    /// The campaign's results folder on the host.
    pub results: PathBuf,
    /// The service of each experiment; empty in local runs.
    pub service_of: Vec<String>,
    /// What each service's containers see of it; empty in local runs.
    pub inside: Vec<Inside>,
    /// The experiment files' folder on the host, where it exists.
    pub configs: Option<PathBuf>,
}

/// The folders of a campaign in the containers of a service.
#[derive(Debug, Clone)]
pub(crate) struct Inside {
    pub service: String,
    pub keeper: Keeper,
    pub results: PathBuf,
    pub configs: Option<PathBuf>,
}

impl Instance {
    /// The id of a run: `4f2a9c1b-0001`.
    pub(crate) fn run_id(&self, run: Run) -> String {
        format!("{}-{:04}", &self.id[..8], run.position)
    }

    /// A try of a run, everything filled in.
    pub(crate) fn attempt(
        &self,
        plan: &Plan,
        run: Run,
        number: u32,
        settings: &Settings,
    ) -> Result<Attempt, CampaignError> {
        let experiment = plan.experiment(run);
        let id = self.run_id(run);
        let service = self.service_of.get(run.experiment).cloned();
        let folder = self.results.join(&id);
        let (inside, configs, keeper) =
            match self.inside.iter().find(|i| Some(&i.service) == service.as_ref()) {
                Some(seen) => (seen.results.join(&id), seen.configs.as_ref(), seen.keeper),
                None => (folder.clone(), self.configs.as_ref(), Keeper::InnerLem),
            };
        let result = inside.join(run_folder::RESULT).to_string_lossy().into_owned();
        let config = inside.join(run_folder::CONFIG).to_string_lossy().into_owned();
        let mut fixed = vec![
            ("config", config),
            ("result", result.clone()),
            ("results", inside.to_string_lossy().into_owned()),
            ("cycle", run.cycle.to_string()),
            ("backend", experiment.backend.clone().or_else(|| service.clone()).unwrap_or_default()),
        ];
        fixed.extend(settings.dataset.clone().map(|dataset| ("dataset", dataset)));
        fixed.extend(settings.num_samples.map(|n| ("num_samples", n.to_string())));
        let places =
            Places { experiment: &experiment.name, fixed: &fixed, config: &experiment.config };
        let command = command::fill(&settings.command, &places)?;
        let mut environment = vec![
            ("LEM_CAMPAIGN_ID", self.id.clone()),
            ("LEM_CAMPAIGN_NAME", self.campaign.clone()),
            ("LEM_CYCLE", run.cycle.to_string()),
            ("LEM_TOTAL_CYCLES", plan.cycles.to_string()),
            ("LEM_EXPERIMENT_ID", experiment.hash.clone()),
            ("LEM_RUN_ID", id.clone()),
            ("LEM_RESULT_PATH", result),
            ("LEM_COLD_START", (settings.cold_start == ColdStart::NewContainer).to_string()),
            ("LEM_WARMUP_PROMPTS", settings.warmup_prompts.to_string()),
            ("LEM_WARMUP_TIMEOUT", settings.warmup_timeout.as_secs_f64().to_string()),
            ("LLM_ENERGY_VERBOSITY", settings.verbosity.clone()),
        ];
        environment.extend(configs.map(|path| ("LEM_CONFIGS_DIR", path.display().to_string())));
        Ok(Attempt {
            container: format!("lem-{id}-a{number}"),
            run: id,
            instance: self.id.clone(),
            service,
            keeper,
            environment: environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            command,
            folder,
            folder_inside: inside,
            timeout: settings.timeout,
            grace: settings.stop_grace,
        })
    }
}
