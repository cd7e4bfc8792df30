//! What lem and the runs leave in folders, and lem reads back: a container may have written it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::json;

use super::names_the_place;
use crate::campaign::file::Structure;
use crate::campaign::plan::{Candidate, Plan, identify};
use crate::campaign::resume::found::{self, Required};
use crate::campaign::resume::manifest::Manifest;
use crate::campaign::run_folder;
use crate::duration::{human, measured};

/// The name of a run's folder.
const RUN: &str = "4f2a9c1b-0001";

/// The files of a run's folder and of the state folder, each with the same bytes: a manifest, the
/// marks of the inner lem, the facts and the configuration of a run, its result and its log.
pub(super) fn left(bytes: &[u8]) {
    let Some(results) = folder() else { return };
    let run = results.join(RUN);
    let files = ["config.yaml", "started.json", "ended.json", "lem.json", "result.json"];
    let written = files
        .into_iter()
        .chain([run_folder::LOG])
        .map(|name| run.join(name))
        .chain(["campaign_manifest.json", "campaign.json"].map(|name| results.join(name)))
        .try_for_each(|path| fs::write(path, bytes));
    assert!(written.is_ok(), "{written:?}");
    for required in [Required::Yes, Required::No] {
        match found::look(results, required) {
            Ok(runs) => {
                for run in runs {
                    let known = run.known("2026-01-02T03:04:05Z");
                    let _ = human(measured(known.outcome.seconds));
                    let _ = (run.execution(), run.attempts());
                }
            }
            Err(error) => names_the_place(&error),
        }
    }
    if let Err(error) = run_folder::prepare_campaign(results, "nightly") {
        names_the_place(&error);
    }
    manifest(&results.join("campaign_manifest.json"));
}

fn manifest(path: &Path) {
    match Manifest::read(path) {
        Ok(Some(manifest)) => {
            let imported = manifest.import(&plan(), Path::new("/"));
            assert!(imported.known.len() <= manifest.done());
        }
        Ok(None) => {}
        Err(error) => names_the_place(&error),
    }
}

/// Two runs of one experiment, `a`.
fn plan() -> Plan {
    let config = json!({"backend": "x"}).as_object().cloned().unwrap_or_default();
    let experiments =
        identify(vec![Candidate { name: Some("a".to_owned()), config, ..Candidate::default() }]);
    Plan {
        runs: Plan::order(&experiments, 2, Structure::Grouped, None),
        experiments,
        cycles: 2,
        structure: Structure::Grouped,
        seed: None,
        config_gap: std::time::Duration::ZERO,
        cycle_gap: std::time::Duration::ZERO,
    }
}

/// One folder for the whole process: making one for each input would take most of the time.
fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("lem-fuzz-{}", std::process::id()));
        fs::create_dir_all(folder.join(RUN)).ok().map(|()| folder)
    });
    made.as_deref()
}
