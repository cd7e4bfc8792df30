//! The results folder of one run: what is put in it before, and which result is in it after.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::error::CampaignError;
use super::watch::LONGEST_MARK;
use crate::durable::{self, Flush};
use crate::foreign_file;
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
    let mark: Value =
        serde_json::from_slice(&foreign_file::read(&folder.join(CAMPAIGN), LONGEST_MARK).ok()?)
            .ok()?;
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
    for name in [LOG, RESULT].into_iter().chain(OWN) {
        // Of an earlier try: it would speak for this one.
        set_aside(folder, name, attempt.saturating_sub(1)).map_err(failed)?;
    }
    let (path, config) = (folder.join(CONFIG), config.as_bytes());
    if path.is_dir() {
        set_aside(folder, CONFIG, attempt.saturating_sub(1)).map_err(failed)?;
    }
    match writers {
        Writers::Owner => durable::write(&path, config, Flush::Later),
        // Whatever this user's umask is.
        Writers::Anyone => durable::write_with_mode(&path, config, Flush::Later, 0o644)
            .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o777))),
    }
    .map_err(failed)
}

/// Keeps what a try left under a name of its own: `output-a1.log`, `result-a1.json`. Whatever it is:
/// a run may have made a folder or a link of that name.
fn set_aside(folder: &Path, name: &str, attempt: u32) -> std::io::Result<()> {
    let path = folder.join(name);
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let free = (1_u32..).find_map(|n| {
        let more = if n == 1 { String::new() } else { format!("-{n}") };
        let kept = folder.join(format!("{stem}-a{attempt}{more}.{extension}"));
        kept.symlink_metadata().is_err().then_some(kept)
    });
    free.map_or(Ok(()), |kept| fs::rename(&path, kept))
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
    appeared(folder, began, run).or_else(|| appeared(results_dir, began, run))
}

/// Whether lem made the file: a mark, or what an earlier try left.
fn is_of_a_try(name: &str) -> bool {
    let of_earlier = |start: &str| name.starts_with(&format!("{start}-a"));
    OWN.contains(&name) || ["result", "started", "ended"].iter().any(|start| of_earlier(start))
}

/// What of a result lem reads; the rest is passed over, however large it is.
#[derive(Deserialize)]
struct Named {
    run_id: Option<Value>,
}

/// Whether the file is JSON and, where it says which run it is of, says this one.
fn names_this_run(path: &Path, run: &str) -> bool {
    let Ok(file) = foreign_file::open(path) else { return false };
    let mut text = BufReader::new(file);
    let is_mapping = text.fill_buf().is_ok_and(|start| {
        start.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{')
    });
    if !is_mapping {
        return serde_json::from_reader::<_, IgnoredAny>(text).is_ok();
    }
    match serde_json::from_reader::<_, Named>(text) {
        Ok(Named { run_id: Some(Value::String(id)) }) => id == run,
        Ok(Named { .. }) => true,
        Err(_) => false,
    }
}

/// The first JSON file below `folder` that is not older than `began` and does not name another run.
fn appeared(folder: &Path, began: SystemTime, run: &str) -> Option<PathBuf> {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        // A folder that can't be read hides no other.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() {
                // The runs of campaigns, this one and others, have their results in their folders.
                if !path.join(CAMPAIGN).exists() {
                    open.push(path);
                }
                continue;
            }
            let json = path.extension().is_some_and(|extension| extension == "json");
            let own = path.file_name().and_then(|name| name.to_str()).is_some_and(is_of_a_try);
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let new = modified.is_ok_and(|time| time >= began);
            if json && !own && new && names_this_run(&path, run) {
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
