//! The record as somebody else sees it, who must not disturb its lem: nothing is written, made or
//! locked.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::schema::{campaigns, runs};
use super::store::{RecordError, from_word, of_query};
use super::versions::{self, NEWEST};
use super::{CampaignState, RunState};

/// A record that is only looked at.
pub(crate) struct View {
    connection: SqliteConnection,
    path: PathBuf,
    /// Whoever looks must not bring the file to a newer version.
    version: usize,
}

/// One execution of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeenInstance {
    /// A UUID.
    pub id: String,
    pub campaign: String,
    /// The campaign file, absolute.
    pub file: PathBuf,
    /// The settings it was started with, as JSON.
    pub settings: String,
    pub state: CampaignState,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub ended_at: Option<String>,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeenRun {
    pub position: u32,
    /// Its id: `4f2a9c1b-0001`.
    pub run: String,
    /// The experiment's name.
    pub name: String,
    pub cycle: u32,
    pub state: RunState,
    /// How the last try that ended was judged.
    pub verdict: Option<String>,
    pub attempts: u32,
    /// Of the last try; RFC 3339, UTC.
    pub started_at: Option<String>,
    /// Of the last try that ended.
    pub ended_at: Option<String>,
    pub seconds: Option<f64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = campaigns)]
struct InstanceRow {
    id: String,
    campaign: String,
    file: String,
    settings: String,
    state: String,
    started_at: String,
    ended_at: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = runs)]
struct RunRow {
    position: i64,
    run: String,
    name: String,
    cycle: i64,
    state: String,
    verdict: Option<String>,
    attempts: i64,
    started_at: Option<String>,
    ended_at: Option<String>,
    seconds: Option<f64>,
}

impl View {
    /// Opens the record if it is there.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, RecordError> {
        if !path.is_file() {
            return Ok(None);
        }
        let connection = SqliteConnection::establish(&address(path))
            .map_err(|source| RecordError::Unopened { path: path.to_owned(), source })?;
        let mut view = Self { connection, path: path.to_owned(), version: 0 };
        view.connection
            .batch_execute("PRAGMA busy_timeout = 2000;")
            .map_err(|source| view.failed(source))?;
        view.version = versions::of(&mut view.connection).map_err(|source| view.failed(source))?;
        if view.version > NEWEST {
            return Err(RecordError::Newer { path: view.path });
        }
        Ok(Some(view))
    }

    fn failed(&self, source: diesel::result::Error) -> RecordError {
        of_query(&self.path, source)
    }

    fn word<T: serde::de::DeserializeOwned>(&self, word: &str) -> Result<T, RecordError> {
        from_word(word)
            .ok_or_else(|| RecordError::Unknown { path: self.path.clone(), value: word.to_owned() })
    }

    /// Every execution, newest first.
    pub(crate) fn instances(&mut self) -> Result<Vec<SeenInstance>, RecordError> {
        let rows = campaigns::table
            .order((campaigns::started_at.desc(), campaigns::id.desc()))
            .select(InstanceRow::as_select())
            .load(&mut self.connection)
            .map_err(|source| self.failed(source))?;
        rows.into_iter()
            .map(|row| {
                Ok(SeenInstance {
                    state: self.word(&row.state)?,
                    id: row.id,
                    campaign: row.campaign,
                    file: row.file.into(),
                    settings: row.settings,
                    started_at: row.started_at,
                    ended_at: row.ended_at,
                })
            })
            .collect()
    }

    /// The runs of an execution, in order; without those that its campaign does not have any more.
    pub(crate) fn runs(&mut self, instance: &str) -> Result<Vec<SeenRun>, RecordError> {
        let mut question = runs::table
            .filter(runs::instance.eq(instance))
            .order(runs::position)
            .select(RunRow::as_select())
            .into_boxed();
        if self.version >= versions::WITH_DROPPED {
            question = question.filter(runs::dropped_at.is_null());
        }
        let rows = question.load(&mut self.connection).map_err(|source| self.failed(source))?;
        let small = |number| u32::try_from(number).unwrap_or_default();
        rows.into_iter()
            .map(|row| {
                Ok(SeenRun {
                    position: small(row.position),
                    state: self.word(&row.state)?,
                    run: row.run,
                    name: row.name,
                    cycle: small(row.cycle),
                    verdict: row.verdict,
                    attempts: small(row.attempts),
                    started_at: row.started_at,
                    ended_at: row.ended_at,
                    seconds: row.seconds,
                })
            })
            .collect()
    }
}

/// The address that opens a file for reading alone.
///
/// Without a write-ahead log nobody is writing, and `immutable` keeps `SQLite` from making one.
fn address(path: &Path) -> String {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let manner = if Path::new(&log).exists() { "mode=ro" } else { "mode=ro&immutable=1" };
    let escaped: String = path
        .to_string_lossy()
        .chars()
        .map(|c| if "%?#".contains(c) { format!("%{:02X}", u32::from(c)) } else { c.into() })
        .collect();
    format!("file:{escaped}?{manner}")
}

#[cfg(test)]
mod tests {
    use super::super::{Instance, PlannedRun, Store};
    use super::*;

    #[test]
    fn a_look_at_a_record_makes_no_file_whether_or_not_it_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("50%?#/lem.db");
        let files = || {
            let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert!(View::open(&path).unwrap().is_none());
        let mut store = Store::open(&path).unwrap();
        let instance = Instance {
            id: "4f2a9c1b".into(),
            campaign: "nightly".into(),
            file: "/c.yaml".into(),
            plan: String::new(),
            seed: None,
            settings: "{}".into(),
            started_at: "2026-01-01T00:00:00Z".into(),
            structure: None,
            cycles: None,
            basis: None,
        };
        let planned = PlannedRun {
            position: 1,
            run: "4f2a9c1b-0001".into(),
            experiment: String::new(),
            repetition: 1,
            cycle: 1,
            name: "a".into(),
            known: None,
        };
        store.begin(&instance, &[], &[planned]).unwrap();
        let look = || {
            let before = files();
            let mut view = View::open(&path).unwrap().unwrap();
            let seen = view.instances().unwrap().remove(0);
            let run = view.runs(&seen.id).unwrap().remove(0);
            drop(view);
            assert_eq!(files(), before);
            (seen.campaign, run.run, run.state)
        };
        let expected = ("nightly".to_owned(), "4f2a9c1b-0001".to_owned(), RunState::Pending);
        assert_eq!(look(), expected);
        assert_eq!(files().len(), 3, "it is being written");
        drop(store);
        assert_eq!(files().len(), 1);
        assert_eq!(look(), expected);
    }
}
