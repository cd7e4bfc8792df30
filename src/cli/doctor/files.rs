//! The files that a campaign here would read: each is read, and its error is a finding.

use std::error::Error;
use std::path::{Path, PathBuf};

use super::asked::PATIENCE;
use super::finding::{Check, Finding};
use crate::campaign::error::CampaignError;
use crate::campaign::experiments;
use crate::campaign::file::CampaignFile;
use crate::campaign::plan::Experiment;
use crate::campaign::settings::{RunnerKind, Settings};
use crate::campaign::site::service_of;
use crate::cancel::Cancel;
use crate::cli::campaign::{Named, checked};
use crate::cli::exit::Failure;
use crate::cli::flags::{self, Flags};
use crate::cli::render::counted;
use crate::cli::settings::{ConfigFile, Layers, Manners, PROJECT_FILE, user_file};
use crate::engine::compose::{ComposeProgram, Project};
use crate::engine::error::EngineError;
use crate::engine::files::{self as compose_files, FilesError};
use crate::engine::process::capture;
use crate::engine::resolved::{self, Resolved};
use crate::yaml::YamlError;

/// What was read, and what a campaign here would make of it.
pub(super) struct Files {
    pub findings: Vec<Finding>,
    pub settings: Settings,
    file: CampaignFile,
    /// The campaign's, where there is a campaign that can be read.
    experiments: Option<Vec<Experiment>>,
}

/// A Compose project that Compose accepts.
pub(super) struct Services {
    pub project: Project,
    pub resolved: Resolved,
    /// Those in which the campaign's experiments run; all, where there is no campaign.
    pub used: Vec<String>,
}

/// Reads what is there; `named` is the campaign file that must be.
pub(super) fn read(named: Option<&Path>) -> Files {
    let mut findings = Vec::new();
    let here = std::env::current_dir().unwrap_or_default();
    let project = config(Check::ProjectConfig, Some(here.join(PROJECT_FILE)), &mut findings);
    let user = config(Check::UserConfig, user_file(), &mut findings);
    let mut flags = flags::of_variables().unwrap_or_else(|error| {
        let said = error.to_string();
        let first = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let fix = "`env | grep LEM_` shows what is set; correct or unset it";
        findings.push(Finding::failure(Check::Variables, first, fix));
        Flags::default()
    });
    let campaign = campaign(named, &mut flags);
    findings.push(campaign.finding);
    let chosen = Layers::of(project, user).resolve(
        &campaign.file,
        &campaign.base.unwrap_or(here),
        &flags.absolute(),
        Manners::default(),
    );
    let (file, experiments) = (campaign.file, campaign.experiments);
    Files { findings, settings: chosen.settings, file, experiments }
}

fn config(check: Check, path: Option<PathBuf>, findings: &mut Vec<Finding>) -> ConfigFile {
    let Some(path) = path else {
        findings.push(Finding::not_applicable(check, "this user has no home"));
        return ConfigFile::default();
    };
    let shown = path.display();
    match ConfigFile::read(&path) {
        Ok(file) => {
            findings.push(if path.exists() {
                Finding::fine(check, shown.to_string())
            } else {
                Finding::not_applicable(check, format!("there is no {shown}"))
            });
            file
        }
        Err(error) => {
            findings.push(wrong(check, &error));
            ConfigFile::default()
        }
    }
}

struct Campaign {
    finding: Finding,
    file: CampaignFile,
    base: Option<PathBuf>,
    experiments: Option<Vec<Experiment>>,
}

fn campaign(named: Option<&Path>, flags: &mut Flags) -> Campaign {
    let check = Check::Campaign;
    let without = |finding| {
        let file = CampaignFile::default();
        Campaign { finding, file, base: None, experiments: None }
    };
    let words: Vec<PathBuf> = named.map(Path::to_owned).into_iter().collect();
    let found = match Named::find(&words, flags) {
        Ok(found) => found,
        Err(CampaignError::NoCampaignFile { .. }) if named.is_none() => {
            let none = Finding::not_applicable(check, "there is no campaign.yaml here");
            return without(
                none.with_fix("`lem init` writes one, `lem doctor FILE` checks another"),
            );
        }
        Err(error) => return without(wrong(check, &error)),
    };
    let gathered = experiments::gather(&found.file, &found.base, flags.backend.as_deref());
    let (finding, experiments) = match gathered {
        Ok(experiments) => {
            if let Err(error @ CampaignError::Place(_)) =
                checked(Manners::default(), flags.clone(), &found)
            {
                return without(wrong(check, &error));
            }
            let count = counted(experiments.len(), "experiment");
            let words = format!("{}: {count}", found.path.display());
            (Finding::fine(check, words), Some(experiments))
        }
        Err(error) => (wrong(check, &error), None),
    };
    Campaign { finding, file: found.file, base: Some(found.base), experiments }
}

/// Has Compose resolve its file, and looks for the services of the experiments in it.
pub(super) async fn services(
    files: &Files,
    program: Option<ComposeProgram>,
    cancel: &Cancel,
) -> (Finding, Option<Services>) {
    let check = Check::ComposeFile;
    if files.settings.runner == RunnerKind::Local {
        let found = "runs are processes of this machine (LEM_RUNNER)";
        return (Finding::not_applicable(check, found), None);
    }
    let Some(program) = program else {
        return (Finding::not_applicable(check, "there is no Compose to read it"), None);
    };
    match resolve(files, program, cancel).await {
        Ok(services) => {
            let names: Vec<&str> = services.resolved.services.keys().map(String::as_str).collect();
            let shown = services.project.files.iter().map(|file| file.display().to_string());
            let shown: Vec<String> = shown.collect();
            let project = services.project.name.as_deref().unwrap_or(&services.resolved.name);
            let found = format!(
                "{}: project {project}, {} {}",
                shown.join(", "),
                if names.len() == 1 { "service" } else { "services" },
                names.join(", ")
            );
            (Finding::fine(check, found), Some(services))
        }
        Err(CampaignError::ComposeFiles(FilesError::NoComposeFile { .. }))
            if files.experiments.is_none() =>
        {
            let found = "there is no Compose file here, and no campaign that needs one";
            (Finding::not_applicable(check, found), None)
        }
        Err(error) => (wrong(check, &error), None),
    }
}

async fn resolve(
    files: &Files,
    program: ComposeProgram,
    cancel: &Cancel,
) -> Result<Services, CampaignError> {
    let settings = &files.settings;
    let project = compose_files::project(
        program,
        settings.compose_file.as_slice(),
        settings.project_name.as_deref(),
        &settings.base,
    )?;
    let config = project.config();
    let reply = capture(&config, PATIENCE, cancel).await?;
    let text = reply.success(&config).map_err(|error| match error {
        EngineError::Failed { complaint, .. } => {
            let shown = project.files.iter().map(|file| format!("`{}`", file.display()));
            let files = shown.collect::<Vec<_>>().join(", ");
            CampaignError::ComposeFileBroken { files, complaint }
        }
        other => other.into(),
    })?;
    let resolved = resolved::parse(&text)?;
    let mut used = match &files.experiments {
        Some(experiments) => experiments
            .iter()
            .map(|experiment| service_of(experiment, &files.file.services, &resolved))
            .collect::<Result<Vec<_>, _>>()?,
        None => resolved.services.keys().cloned().collect(),
    };
    used.sort_unstable();
    used.dedup();
    Ok(Services { project, resolved, used })
}

/// A file's error as a finding, with its causes and its way out.
fn wrong(check: Check, error: &CampaignError) -> Finding {
    let mut found = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        found.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let help = match error {
        CampaignError::File(YamlError::Invalid { help, .. })
        | CampaignError::Engine(EngineError::File(YamlError::Invalid { help, .. })) => help.clone(),
        _ => None,
    };
    let fix = help.or_else(|| error.hint()).unwrap_or_else(|| "correct the file".to_owned());
    Finding::failure(check, found, fix)
}
