//! The results folder of one run: what is put in it before, and which result is in it after.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::error::CampaignError;
use crate::durable::{self, Flush};
use crate::yaml;

/// The experiment's configuration, as the run reads it.
pub(crate) const CONFIG: &str = "config.yaml";
/// Where `LEM_RESULT_PATH` points.
pub(crate) const RESULT: &str = "result.json";
/// What a run says; the logs of earlier tries are `output-a1.log`, `output-a2.log`, …
pub(crate) const LOG: &str = "output.log";
/// Says which campaign the runs in a folder belong to.
const CAMPAIGN: &str = "campaign.json";
/// Files that lem itself puts into the folder for each try.
const OWN: [&str; 3] =
    [crate::inner::mark::STARTED_FILE, crate::inner::mark::ENDED_FILE, super::run_facts::FACTS];

/// The campaign's results folder: one level below `results_dir`.
pub(crate) fn of_campaign(results_dir: &Path, campaign: &str) -> PathBuf {
    results_dir.join(slug(campaign))
}

/// A name as a folder name: no separators, no leading dot, never empty.
pub(crate) fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let slug: String = name.trim().chars().map(plain).take(60).collect();
    let slug = slug.trim_start_matches('.').to_owned();
    if slug.is_empty() { "campaign".to_owned() } else { slug }
}

/// The configuration of an experiment as its run reads it, with the name it goes by.
pub(crate) fn config_text(name: &str, config: &Map<String, Value>) -> std::io::Result<String> {
    let mut config = config.clone();
    config.entry("config_name").or_insert_with(|| Value::from(name));
    yaml::to_text(&Value::Object(config))
}

/// Makes the campaign's folder, which every user may enter whatever the umask is.
pub(crate) fn prepare_campaign(folder: &Path, campaign: &str) -> Result<(), CampaignError> {
    let failed = |source| CampaignError::Unwritable { path: folder.to_owned(), source };
    if !folder.is_dir() {
        fs::create_dir_all(folder).map_err(failed)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    // Two names may be one folder name.
    if let Some(owner) = owner(folder).filter(|owner| owner != campaign) {
        return Err(CampaignError::ResultsTaken { folder: folder.to_owned(), owner });
    }
    let mark = serde_json::json!({ "campaign_name": campaign });
    durable::write_json(&folder.join(CAMPAIGN), &mark, Flush::Later).map_err(failed)
}

/// The campaign whose results a folder has, where it says so.
fn owner(folder: &Path) -> Option<String> {
    let mark: Value = serde_json::from_slice(&fs::read(folder.join(CAMPAIGN)).ok()?).ok()?;
    mark.get("campaign_name")?.as_str().map(str::to_owned)
}

/// Who may write to the folder of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writers {
    /// This user.
    Owner,
    /// Any user, to this folder alone: which one a container runs as is its own affair, and
    /// neither strategy may depend on it.
    Anyone,
}

/// Makes the folder for a try and writes the configuration into it.
pub(crate) fn prepare(
    folder: &Path,
    attempt: u32,
    config: &str,
    writers: Writers,
) -> Result<(), CampaignError> {
    let failed = |source| CampaignError::Unwritable { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    let log = folder.join(LOG);
    if log.exists() {
        // What an earlier try said must not be taken for the words of this one.
        let earlier = folder.join(format!("output-a{}.log", attempt.saturating_sub(1)));
        fs::rename(&log, earlier).map_err(failed)?;
    }
    for mark in OWN.into_iter().chain([RESULT]) {
        // Of an earlier try: it would speak for this one.
        match fs::remove_file(folder.join(mark)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
    }
    durable::write(&folder.join(CONFIG), config.as_bytes(), Flush::Later).map_err(failed)?;
    match writers {
        Writers::Owner => Ok(()),
        Writers::Anyone => {
            // Whatever this user's umask is.
            let allow =
                |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
            allow(&folder.join(CONFIG), 0o644).and_then(|()| allow(folder, 0o777)).map_err(failed)
        }
    }
}

/// The result of a run: the file that was asked for, else JSON that appeared under the results
/// folder while it ran, which is how tools that know nothing of `LEM_RESULT_PATH` leave theirs.
pub(crate) fn find_result(
    folder: &Path,
    run: &str,
    results_dir: &Path,
    began: SystemTime,
) -> Option<PathBuf> {
    let asked = folder.join(RESULT);
    if names_this_run(&asked, run) {
        return Some(asked);
    }
    appeared(folder, began, Some(run)).or_else(|| appeared(results_dir, began, None))
}

/// Whether the file is JSON and, where it says which run it is of, says this one.
fn names_this_run(path: &Path, run: &str) -> bool {
    let read = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(value) = read else { return false };
    match value.get("run_id") {
        Some(Value::String(id)) => id == run,
        _ => true,
    }
}

/// The first JSON file below `folder` that is not older than `began`. `run` is the one it must not
/// contradict; without it a file counts by its time alone.
fn appeared(folder: &Path, began: SystemTime, run: Option<&str>) -> Option<PathBuf> {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).ok()?.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() {
                // The runs of campaigns, this one and others, have their results in their folders.
                if !path.join(CAMPAIGN).exists() {
                    open.push(path);
                }
                continue;
            }
            let json = path.extension().is_some_and(|extension| extension == "json");
            let own = OWN.iter().any(|name| path.file_name().is_some_and(|file| file == *name));
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let new = modified.is_ok_and(|time| time >= began);
            if json && !own && new && names_this_run(&path, run.unwrap_or_default()) {
                return Some(path);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_one_folder_name() {
        for (name, folder) in
            [("a b/c", "a-b-c"), ("../x", "-x"), ("..", "campaign"), ("", "campaign"), ("é", "é")]
        {
            assert_eq!(slug(name), folder, "{name}");
        }
    }

    #[test]
    fn a_result_must_be_json_of_this_run() {
        let folder = tempfile::tempdir().unwrap();
        let (path, began) = (folder.path(), SystemTime::UNIX_EPOCH);
        let find = || find_result(path, "r-1", path, began);
        for (text, found) in [
            ("", false),
            ("{", false),
            (r#"{"run_id": "r-2"}"#, false),
            (r#"{"run_id": "r-1"}"#, true),
            ("{}", true),
        ] {
            fs::write(path.join(RESULT), text).unwrap();
            assert_eq!(find().is_some(), found, "{text}");
        }
    }

    #[test]
    fn results_of_tools_that_write_elsewhere_count_and_older_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("nightly/r-1");
        fs::create_dir_all(&run).unwrap();
        prepare_campaign(&folder.path().join("nightly"), "nightly").unwrap();
        fs::create_dir_all(folder.path().join("nightly/r-2")).unwrap();
        fs::write(folder.path().join("nightly/r-2/result.json"), "{}").unwrap();
        fs::create_dir_all(folder.path().join("raw/7")).unwrap();
        let raw = folder.path().join("raw/7/process_0.json");
        let find = |began| find_result(&run, "r-1", folder.path(), began);
        assert_eq!(find(SystemTime::UNIX_EPOCH), None);
        fs::write(&raw, "{}").unwrap();
        assert_eq!(find(SystemTime::UNIX_EPOCH), Some(raw));
        assert_eq!(find(SystemTime::now() + std::time::Duration::from_secs(60)), None);
    }
}
