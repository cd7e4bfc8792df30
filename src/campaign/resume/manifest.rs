//! `campaign_manifest.json`: a campaign's state as one file, for tools that read it.
//!
//! lem itself works with its record. It writes the manifest when an execution ends, and reads one
//! once: where there is no record of the campaign yet, so that runs which another tool completed
//! are not done again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::drift::Recorded;
use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::plan::{Plan, Run};
use crate::campaign::run_folder::slug;
use crate::campaign::runner::now;
use crate::durable::{self, Flush};
use crate::record::{Known, Outcome, RecordedRun, RunState, Standing};

/// Says that this program wrote a manifest.
const GENERATOR: &str = concat!("lem ", env!("CARGO_PKG_VERSION"));

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub campaign_id: String,
    pub campaign_name: String,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
    pub config_hash: Option<String>,
    pub total_experiments: usize,
    pub experiments: Vec<Entry>,
    /// Absent where another tool wrote it.
    pub generator: Option<String>,
}

/// A run in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub exp_id: String,
    pub config_name: String,
    pub config_path: Option<String>,
    pub config_hash: Option<String>,
    pub backend: Option<String>,
    pub container: Option<String>,
    /// From 0.
    pub cycle_index: u32,
    pub status: Status,
    pub result_path: Option<String>,
    pub started_at: Option<String>,
    pub completed_at: Option<String>,
    pub error: Option<String>,
    #[serde(default)]
    pub retry_count: u32,
}

/// The state of a run in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Pending,
    Running,
    Completed,
    Failed,
    /// Not part of the campaign any more.
    Skipped,
}

impl Status {
    fn of(run: &RecordedRun) -> Self {
        match (run.state, run.standing) {
            (RunState::Completed, _) => Self::Completed,
            (RunState::Failed, _) => Self::Failed,
            (_, Standing::Dropped) => Self::Skipped,
            (RunState::Running, Standing::Planned) => Self::Running,
            (RunState::Pending | RunState::Interrupted, Standing::Planned) => Self::Pending,
        }
    }
}

impl Manifest {
    /// The manifest of what is recorded.
    pub(crate) fn of(recorded: &Recorded) -> Self {
        let instance = &recorded.instance;
        let entry = |run: &RecordedRun| {
            let experiment = recorded.experiments.iter().find(|e| e.hash == run.experiment);
            let status = Status::of(run);
            let backend = experiment.and_then(|e| e.backend.clone());
            Entry {
                exp_id: run.run.clone(),
                config_name: run.name.clone(),
                config_path: experiment.and_then(|e| e.source.clone()),
                config_hash: Some(run.experiment.clone()),
                container: run.service.clone().or_else(|| backend.clone()),
                backend,
                cycle_index: run.cycle.saturating_sub(1),
                status,
                result_path: run.result.clone(),
                started_at: run.started_at.clone(),
                completed_at: run.ended_at.clone(),
                error: run.verdict.clone().filter(|_| status == Status::Failed),
                retry_count: run.attempts.saturating_sub(1),
            }
        };
        Self {
            campaign_id: instance.id.clone(),
            campaign_name: instance.campaign.clone(),
            created_at: Some(instance.started_at.clone()),
            updated_at: Some(now()),
            config_hash: Some(instance.plan.clone()),
            total_experiments: recorded.runs.len(),
            experiments: recorded.runs.iter().map(entry).collect(),
            generator: Some(GENERATOR.to_owned()),
        }
    }

    /// Writes it. A file there that is another campaign's, or none that lem understands, is moved
    /// aside.
    pub(crate) fn write(&self, path: &Path) -> Result<(), CampaignError> {
        let failed = |source| CampaignError::Unwritable { path: path.to_owned(), source };
        let aside = match Self::read(path) {
            Ok(Some(other)) if other.campaign_name != self.campaign_name => {
                Some(beside(path, &slug(&other.campaign_name)))
            }
            Ok(_) => None,
            Err(CampaignError::NoManifest { .. }) => {
                Some(beside(path, &format!("unreadable-{}", now().replace(':', ""))))
            }
            Err(error) => return Err(error),
        };
        if let Some(aside) = aside {
            std::fs::rename(path, aside).map_err(failed)?;
        }
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        durable::write_with_mode(path, &text, Flush::Now, 0o600).map_err(failed)
    }

    /// Reads it, where there is one.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, CampaignError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CampaignError::Unreadable { path: path.to_owned(), source }),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| CampaignError::NoManifest { path: path.to_owned(), source })
    }

    /// How many of its runs are done, as it says.
    pub(crate) fn done(&self) -> usize {
        let done = |entry: &&Entry| entry.status == Status::Completed;
        self.experiments.iter().filter(done).count()
    }

    /// What it knows of the runs of `plan`. Relative paths of results begin at `base`.
    pub(crate) fn import(&self, plan: &Plan, base: &Path) -> Imported {
        let ours = self.generator.as_deref().is_some_and(|by| by.starts_with("lem "));
        let mut imported = Imported::default();
        let mut free: HashMap<(&str, u32), Vec<Run>> = HashMap::new();
        // The last first, because they are taken from the end.
        for run in plan.runs.iter().rev() {
            free.entry((&plan.experiment(*run).name, run.cycle)).or_default().push(*run);
        }
        for entry in self.experiments.iter().filter(|entry| entry.status == Status::Completed) {
            let of_name =
                free.get_mut(&(entry.config_name.as_str(), entry.cycle_index.saturating_add(1)));
            // Other tools have hashes of their own; lem's say that a configuration changed.
            let same = |run: &Run| {
                !ours || entry.config_hash.as_ref() == Some(&plan.experiment(*run).hash)
            };
            let Some(run) = of_name.and_then(|runs| {
                let last = runs.iter().rposition(same)?;
                Some(runs.remove(last))
            }) else {
                imported.strangers += 1;
                continue;
            };
            let result = entry.result_path.as_ref().map(|path| base.join(path));
            if result.as_ref().is_some_and(|result| !result.is_file()) {
                imported.without_result += 1;
                continue;
            }
            imported.known.push((run.position, known(entry, result)));
        }
        imported
    }
}

/// What a manifest of the campaign says about a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Imported {
    /// Completed runs, by position.
    pub known: Vec<(u32, Known)>,
    /// Entries that say completed, whose result is not where they say.
    pub without_result: usize,
    /// Completed entries that are no run of the plan.
    pub strangers: usize,
}

fn known(entry: &Entry, result: Option<PathBuf>) -> Known {
    Known {
        attempts: entry.retry_count.saturating_add(1),
        started_at: entry.started_at.as_deref().and_then(utc),
        outcome: Outcome {
            state: RunState::Completed,
            verdict: "completed".to_owned(),
            exit_code: Some(0),
            ended_at: entry.completed_at.as_deref().and_then(utc).unwrap_or_else(now),
            seconds: seconds(entry).unwrap_or_default(),
            result: result.map(|path| path.to_string_lossy().into_owned()),
            ..Outcome::interrupted(String::new())
        },
    }
}

fn seconds(entry: &Entry) -> Option<f64> {
    let time = |text: &Option<String>| text.as_deref().and_then(timestamp);
    let seconds = time(&entry.completed_at)?.duration_since(time(&entry.started_at)?).as_secs_f64();
    (seconds >= 0.0).then_some(seconds)
}

/// A time of a manifest: with an offset, or without one, which means this machine's own.
fn timestamp(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::system()).ok().map(|zoned| zoned.timestamp())
    })
}

fn utc(text: &str) -> Option<String> {
    Some(timestamp(text)?.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// `campaign_manifest.json` as `campaign_manifest.WORD.json`.
fn beside(path: &Path, word: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}.{word}.json"))
}

/// Where a campaign's manifest is.
pub(crate) fn path_of(campaign: &Campaign) -> PathBuf {
    campaign.settings.state_dir.join(&campaign.settings.manifest_filename)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str) -> Manifest {
        let text = serde_json::json!({
            "campaign_id": "f3829eb0", "campaign_name": name,
            "created_at": "2026-02-04T10:00:00.123456", "updated_at": null,
            "config_hash": "0123456789ab", "total_experiments": 1,
            "experiments": [{
                "exp_id": "0001", "config_name": "a", "config_path": "configs/a.yaml",
                "config_hash": "ba9876543210", "backend": "pytorch", "container": "pytorch",
                "cycle_index": 0, "status": "completed", "result_path": null,
                "started_at": "2026-02-04T10:00:00.5", "completed_at": "2026-02-04T10:00:02",
                "error": null, "retry_count": 0
            }]
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn times_without_an_offset_are_this_machines() {
        let known = known(&manifest("x").experiments[0], None);
        assert!((known.outcome.seconds - 1.5).abs() < 1e-9);
        assert_eq!(known.started_at.unwrap().split_once('.').unwrap().1, "500Z");
    }

    #[test]
    fn a_file_of_another_campaign_or_of_nobody_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("campaign_manifest.json");
        manifest("other one").write(&path).unwrap();
        manifest("mine").write(&path).unwrap();
        manifest("mine").write(&path).unwrap();
        let other = folder.path().join("campaign_manifest.other-one.json");
        assert_eq!(Manifest::read(&other).unwrap().unwrap().campaign_name, "other one");
        std::fs::write(&path, "{rubbish").unwrap();
        assert!(matches!(Manifest::read(&path), Err(CampaignError::NoManifest { .. })));
        manifest("mine").write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap().unwrap().campaign_name, "mine");
        let kept = std::fs::read_dir(folder.path()).unwrap().flatten().any(|entry| {
            std::fs::read_to_string(entry.path()).is_ok_and(|text| text == "{rubbish")
        });
        assert!(kept);
    }
}
