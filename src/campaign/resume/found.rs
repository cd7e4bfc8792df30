//! Runs as their folders tell them: what the marks prove, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::campaign::error::CampaignError;
use crate::campaign::result_search::Search;
use crate::campaign::run_facts::Facts;
use crate::campaign::run_folder;
use crate::campaign::verdict::{self, Evidence, Verdict};
use crate::campaign::watch::LONGEST_MARK;
use crate::campaign::watch::last_lines;
use crate::engine::process::Exit;
use crate::foreign_file;
use crate::inner::mark::{ENDED_FILE, EndReason, EndedMark, STARTED_FILE, StartedMark};
use crate::record::{Known, Outcome, RunState};
use crate::yaml;

/// Clocks of files are coarse, and a run's own files come before its command.
const SLACK: Duration = Duration::from_secs(1);
/// The longest that the end of a run takes after that of its command, if the clock is right.
const LONGEST_SWEEP: Duration = Duration::from_secs(600);

/// A run of which there is a folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundRun {
    /// Its id, after which the folder is named: `4f2a9c1b-0001`.
    pub run: String,
    pub position: u32,
    pub facts: Option<Facts>,
    /// The configuration that it was given, with its `config_name`.
    pub config: Map<String, Value>,
    /// RFC 3339, UTC; none of a run that never began.
    pub started_at: Option<String>,
    /// How it ended, where that is certain.
    pub outcome: Option<Outcome>,
}

impl FoundRun {
    /// What the ids of the runs of one execution begin with.
    pub(crate) fn execution(&self) -> &str {
        self.run.split_once('-').map_or(&self.run, |(execution, _)| execution)
    }

    /// Whether it is of the campaign in `file`. A file that is gone may have been moved to there,
    /// and a folder that names none is taken at its place.
    fn belongs_to(&self, campaign: &str, file: &Path) -> bool {
        let Some(origin) = self.facts.as_ref().map(|facts| &facts.campaign) else { return true };
        let theirs = Path::new(&origin.file);
        let same = || match (theirs.canonicalize(), file.canonicalize()) {
            (Ok(theirs), Ok(ours)) => theirs == ours,
            (Err(_), _) => true,
            (Ok(_), Err(_)) => theirs == file,
        };
        origin.name == campaign && same()
    }

    /// When its execution began, as far as this folder knows.
    fn execution_began(&self) -> Option<&str> {
        let said = self.facts.as_ref().and_then(|facts| facts.campaign.started_at.as_deref());
        let ended = || Some(self.outcome.as_ref()?.ended_at.as_str());
        said.or(self.started_at.as_deref()).or_else(ended)
    }

    /// The tries that the folder knows of.
    pub(crate) fn attempts(&self) -> u32 {
        self.facts.as_ref().map_or(1, |facts| facts.attempt)
    }

    /// As the record keeps it; a run whose end is not certain was cut off.
    pub(crate) fn known(&self, now: &str) -> Known {
        Known {
            attempts: self.attempts(),
            started_at: self.started_at.clone(),
            outcome: self.outcome.clone().unwrap_or_else(|| Outcome::interrupted(now.to_owned())),
        }
    }
}

/// Whether the runs of one execution are of the campaign in `file`.
pub(crate) fn are_of(runs: &[FoundRun], campaign: &str, file: &Path) -> bool {
    runs.iter().all(|run| run.belongs_to(campaign, file))
}

/// When an execution began, by the folders of its runs; none where nothing proves that it did.
pub(crate) fn began(runs: &[FoundRun]) -> Option<&str> {
    runs.iter().filter_map(FoundRun::execution_began).min()
}

/// The runs of a campaign's results folder, in the order of their ids.
pub(crate) fn look(results: &Path, result: Required) -> Result<Vec<FoundRun>, CampaignError> {
    let failed = |source| CampaignError::Unreadable { path: results.to_owned(), source };
    let entries = match std::fs::read_dir(results) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        found.extend(read(&entry.map_err(failed)?.path(), result));
    }
    found.sort_by(|a, b| a.run.cmp(&b.run));
    Ok(found)
}

/// Whether a run without a result has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Required {
    Yes,
    No,
}

/// The run of a folder, if it is one.
pub(crate) fn read(folder: &Path, result: Required) -> Option<FoundRun> {
    let run = folder.file_name()?.to_str()?.to_owned();
    let position = position(&run)?;
    // A pipe of that name would be waited for.
    let config = folder.join(run_folder::CONFIG);
    foreign_file::open(&config).ok()?;
    let config = yaml::read(&config).ok()?;
    let started: Option<StartedMark> = mark(folder, STARTED_FILE);
    let started = started.filter(|mark| mark.run.as_ref().is_none_or(|name| *name == run));
    let ended: Option<EndedMark> = mark(folder, ENDED_FILE);
    let ended = ended.filter(|mark| mark.run.as_ref().is_none_or(|name| *name == run));
    let outcome = ended.and_then(|ended| outcome(folder, &run, started.as_ref(), &ended, result));
    let started_at = started.map(|mark| time(mark.started_at));
    Some(FoundRun { position, facts: Facts::read(folder), config, started_at, outcome, run })
}

/// `4f2a9c1b-0012` is the twelfth.
fn position(run: &str) -> Option<u32> {
    let (execution, position) = run.split_once('-')?;
    let hex = execution.len() == 8 && execution.chars().all(|c| c.is_ascii_hexdigit());
    let digits = position.len() >= 4 && position.chars().all(|c| c.is_ascii_digit());
    (hex && digits).then(|| position.parse().ok())?.filter(|position| *position > 0)
}

fn outcome(
    folder: &Path,
    run: &str,
    started: Option<&StartedMark>,
    ended: &EndedMark,
    required: Required,
) -> Option<Outcome> {
    let began = started.map_or(ended.ended_at, |mark| mark.started_at);
    let file = Search {
        folder: folder.to_owned(),
        run: run.to_owned(),
        elsewhere: folder.to_owned(),
        since: began_at_latest(began, ended),
        taken: Arc::default(),
    }
    .find();
    let code = ended.exit_code.or(ended.signal.map(|signal| 128_i32.saturating_add(signal)));
    let log = folder.join(run_folder::LOG);
    let verdict = verdict::judge(&Evidence {
        stopped: None,
        started: true,
        ended: Some(ended),
        exit: Exit::Code(code.unwrap_or_default()),
        oom: false,
        outage: false,
        folder_gone: false,
        last_lines: &last_lines(&log, 20).join("\n"),
        result: file.is_some(),
        result_required: required == Required::Yes,
    });
    let state = match (ended.reason, verdict) {
        // Somebody wanted it stopped: that is no outcome. And tools may leave their results
        // elsewhere, where nobody can say whose they are.
        (EndReason::Stopped | EndReason::LifelineCut, _) | (_, Verdict::NoResult) => return None,
        (_, Verdict::Completed) => RunState::Completed,
        _ => RunState::Failed,
    };
    Some(Outcome {
        state,
        verdict: verdict.word().to_owned(),
        exit_code: code,
        ended_at: time(ended.ended_at),
        seconds: seconds(began, ended),
        command_seconds: Some(ended.wall_seconds),
        result: file.map(|path: PathBuf| path.to_string_lossy().into_owned()),
        ..Outcome::interrupted(String::new())
    })
}

/// From the start of the run to its end; of a clock that was set meanwhile, the command's own time.
fn seconds(began: Timestamp, ended: &EndedMark) -> f64 {
    let seconds = ended.ended_at.duration_since(began).as_secs_f64();
    let plausible = ended.wall_seconds..ended.wall_seconds + LONGEST_SWEEP.as_secs_f64();
    if plausible.contains(&seconds) { seconds } else { ended.wall_seconds }
}

/// When the run began at the latest, should the clock have been set back while it ran.
fn began_at_latest(began: Timestamp, ended: &EndedMark) -> SystemTime {
    let lasted = Duration::try_from_secs_f64(ended.wall_seconds).unwrap_or_default();
    let by_its_end = SystemTime::from(ended.ended_at).checked_sub(lasted + SLACK);
    SystemTime::from(began).min(by_its_end.unwrap_or(SystemTime::UNIX_EPOCH))
}

fn time(timestamp: Timestamp) -> String {
    timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn mark<T: DeserializeOwned>(folder: &Path, name: &str) -> Option<T> {
    serde_json::from_slice(&foreign_file::read(&folder.join(name), LONGEST_MARK).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(name: &str, ended: &Value, required: Required) -> Option<FoundRun> {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join(name);
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join("config.yaml"), "config_name: a\n").unwrap();
        std::fs::write(run.join("ended.json"), ended.to_string()).unwrap();
        look(folder.path(), required).unwrap().pop()
    }

    fn ended(reason: &str, code: Option<i32>) -> Value {
        json!({
            "run": "4f2a9c1b-0002", "reason": reason, "exit_code": code, "signal": null,
            "wall_seconds": 1.0, "cpu_seconds": 0.0, "peak_memory_bytes": 0, "oom_kills": 0,
            "leftovers": 0, "ended_at": "2026-01-02T03:04:05Z"
        })
    }

    #[test]
    fn a_result_is_never_invented() {
        use Required::{No, Yes};
        for (reason, code, required, state) in [
            ("exited", Some(0), No, Some(RunState::Completed)),
            ("exited", Some(0), Yes, None),
            ("exited", Some(3), Yes, Some(RunState::Failed)),
            ("time_limit", None, No, Some(RunState::Failed)),
            ("lifeline_cut", None, No, None),
            ("lifeline_cut", Some(0), No, None),
            ("stopped", None, No, None),
        ] {
            let run = found("4f2a9c1b-0002", &ended(reason, code), required).unwrap();
            assert_eq!(run.outcome.map(|outcome| outcome.state), state, "{reason} {code:?}");
            assert_eq!(run.position, 2);
        }
        // The marks of another run, put here by somebody.
        let other = found("4f2a9c1b-0003", &ended("exited", Some(0)), No).unwrap();
        assert_eq!(other.outcome, None);
    }

    #[test]
    fn folders_that_are_no_runs_are_left_alone() {
        for name in ["4f2a9c1b", "4f2a9c1b-1", "4f2a9c1b-0000", "nothing-0001", "raw"] {
            assert_eq!(found(name, &ended("exited", Some(0)), Required::No), None, "{name}");
        }
    }
}
