//! The results folder of one run: what is put in it before, and what is kept of earlier tries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
pub(crate) const CAMPAIGN: &str = "campaign.json";
/// Files that lem itself puts into the folder for each try.
pub(crate) const OWN: [&str; 3] =
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
    let failed = |source| CampaignError::unwritable(folder, source);
    if !folder.is_dir() {
        fs::create_dir_all(folder).map_err(failed)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    // Two names may be one folder name.
    match owner(folder) {
        Some(owner) if owner == campaign => return Ok(()),
        Some(owner) => {
            return Err(CampaignError::ResultsTaken { folder: folder.to_owned(), owner });
        }
        None => {}
    }
    let mark = serde_json::json!({ "campaign_name": campaign });
    durable::write_json(&folder.join(CAMPAIGN), &mark, Flush::Now).map_err(failed)
}

/// Shows others, until it is dropped or this process ends, that the campaign of a folder is at work.
/// Where there are no locks, nobody learns it.
pub(crate) fn at_work(folder: &Path) -> Option<fs::File> {
    let mark = foreign_file::open(&folder.join(CAMPAIGN)).ok()?;
    // Somebody may only be looking, which takes a lock for a moment.
    let held = (0..5).any(|look| {
        std::thread::park_timeout(Duration::from_millis(10) * look);
        mark.try_lock().is_ok()
    });
    held.then_some(mark)
}

/// Whether a lem does runs of the campaign of a folder.
pub(crate) fn is_at_work(folder: &Path) -> bool {
    let mark = foreign_file::open(&folder.join(CAMPAIGN));
    mark.is_ok_and(|mark| matches!(mark.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
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
    let failed = |source| CampaignError::unwritable(folder, source);
    fs::create_dir_all(folder).map_err(failed)?;
    for name in [LOG, RESULT].into_iter().chain(OWN) {
        // Of an earlier try: it would speak for this one.
        set_aside(folder, name, attempt.saturating_sub(1)).map_err(failed)?;
    }
    remove_halves(folder);
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

/// Removes what a try left that was killed while it wrote a mark. Nothing of it lives any more, and
/// the number in such a name is one of its container's processes, whatever has it here.
fn remove_halves(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let whose = || name.to_str()?.strip_prefix('.')?.strip_suffix(".tmp");
        let is_half =
            |own: &str| whose().and_then(|it| it.strip_prefix(own)?.strip_prefix('.')).is_some();
        if OWN.iter().any(|own| is_half(own)) {
            // One that stays speaks for nobody.
            let _ = fs::remove_file(entry.path());
        }
    }
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
    fn a_try_finds_no_half_of_a_mark_and_whatever_else_has_such_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let others = [".result.json.1-0.tmp", ".started.json.tmp-of-mine", "started.json.1-0.tmp"];
        for name in [".started.json.1-0.tmp", ".ended.json.1-0.tmp"].iter().chain(&others) {
            fs::write(folder.path().join(name), "{").unwrap();
        }
        prepare(folder.path(), 2, "", Writers::Owner).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != CONFIG)
            .collect();
        left.sort();
        assert_eq!(left, others);
    }
}
