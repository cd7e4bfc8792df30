//! A campaign file, all the way to the script of `--dry-run`.

use std::path::{Path, PathBuf};

use super::{FOLDER, means_the_same, names_the_place};
use crate::campaign::decided::Campaign;
use crate::campaign::decided::Past;
use crate::campaign::error::CampaignError;
use crate::campaign::file::{self, CampaignFile};
use crate::campaign::settings::RunnerKind;
use crate::campaign::{run_folder, script};
use crate::cli::campaign::{Decided, Named, decide_with, places};
use crate::cli::flags::Flags;
use crate::cli::settings::{ConfigFile, Layers, Manners};
use crate::yaml;

/// A script of more runs is longer, and says nothing new.
const RUNS: usize = 500;

/// A campaign file: read, checked, its grid made, its runs ordered and written as a script.
pub(super) fn campaign(bytes: &[u8]) {
    let path = Path::new(FOLDER).join("campaign.yaml");
    let read = || -> Result<CampaignFile, CampaignError> {
        file::parse(&path, &yaml::text::decoded(&path, bytes.to_vec())?)
    };
    match read() {
        Ok(mut file) => {
            carry_on(file.clone(), &path);
            // No file lies beside it; the grid alone needs none.
            file.configs.clear();
            file.experiments.clear();
            carry_on(file, &path);
        }
        Err(error) => names_the_place(&error),
    }
}

fn carry_on(file: CampaignFile, path: &Path) {
    let named = Named { file, path: path.to_owned(), base: PathBuf::from(FOLDER) };
    let layers = Layers::of(ConfigFile::default(), ConfigFile::default());
    let decided = decide_with(&layers, Manners::default(), Flags::default(), &named, None)
        .and_then(|decided| places(&decided.plan, &decided.chosen.settings).map(|()| decided));
    match decided {
        Ok(decided) => {
            decided.plan.experiments.iter().for_each(|e| means_the_same(&e.config));
            whole(decided, named);
        }
        Err(error) => names_the_place(&error),
    }
}

/// The script of a local campaign, which asks no engine.
fn whole(decided: Decided, named: Named) {
    let Decided { plan, chosen, .. } = decided;
    let mut settings = chosen.settings;
    settings.runner = RunnerKind::Local;
    let results = run_folder::of_campaign(&settings.results_dir, &named.file.campaign_name);
    assert_eq!(results.parent(), Some(settings.results_dir.as_path()));
    let runs: Vec<_> = plan.runs.iter().copied().take(RUNS).collect();
    let campaign = Campaign {
        name: named.file.campaign_name,
        file: named.path,
        plan,
        settings,
        results,
        site: None,
        flags: String::new(),
        past: Past::New { known: Vec::new() },
    };
    let mut lines = 0;
    match script::write(&campaign, &runs, &mut |text| lines += text.lines().count()) {
        Ok(()) => assert!(lines >= 5 * runs.len(), "{lines} lines for {} runs", runs.len()),
        Err(error) => names_the_place(&error),
    }
}
