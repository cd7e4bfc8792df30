//! The record in `SQLite`: the file, and the campaigns in it.

use std::borrow::Cow;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::place::{Identity, identity};
use super::schema::{campaigns, experiments};
use super::versions::{self, Version};
use super::{Amendment, CampaignState, Instance, PlannedRun, RecordedExperiment};
use crate::{durable, room};

/// The record can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("cannot open the record `{}`", path.display())]
    Unopened { path: PathBuf, source: diesel::ConnectionError },
    #[error("cannot make the folder of the record `{}`", path.display())]
    NoFolder { path: PathBuf, source: std::io::Error },
    #[error("cannot read or write the record `{}`", path.display())]
    Query { path: PathBuf, source: diesel::result::Error },
    #[error("there is no room left for the record `{}` ({free} free)", path.display())]
    Full { path: PathBuf, free: String, source: diesel::result::Error },
    #[error("the record `{}` is damaged", path.display())]
    Damaged { path: PathBuf, source: diesel::result::Error },
    #[error("the record `{}` was {how} while lem worked", path.display())]
    Gone { path: PathBuf, how: &'static str },
    #[error("cannot reach the record `{}` any more", path.display())]
    OutOfReach { path: PathBuf, source: std::io::Error },
    #[error("the record `{}` was written by a newer lem", path.display())]
    Newer { path: PathBuf },
    #[error("the record `{}` holds `{value}`, which means nothing here", path.display())]
    Unknown { path: PathBuf, value: String },
}

impl RecordError {
    /// Whether what is in the file makes no sense, so that only its results can tell the state.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Unknown { .. })
    }
}

/// More than `SQLite` wants at once.
const SIGN: usize = 64 * 1024;

/// An open record.
pub(crate) struct Store {
    pub(super) connection: SqliteConnection,
    pub(super) path: PathBuf,
    /// The file that was opened; none of a copy.
    pub(super) identity: Option<Identity>,
    /// Where the copy of an older file is, if this is one.
    _copy: Option<tempfile::TempDir>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = campaigns)]
struct CampaignRow {
    id: String,
    campaign: String,
    file: String,
    plan: String,
    seed: Option<i64>,
    settings: String,
    state: String,
    started_at: String,
    structure: Option<String>,
    cycles: Option<i64>,
    basis: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = experiments)]
struct ExperimentRow<'a> {
    instance: Cow<'a, str>,
    hash: Cow<'a, str>,
    name: Cow<'a, str>,
    backend: Option<Cow<'a, str>>,
    config: Cow<'a, str>,
    source: Option<Cow<'a, str>>,
}

impl Store {
    /// Opens the record, making it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordError> {
        if let Some(folder) = path.parent() {
            durable::private_folder(folder)
                .map_err(|source| RecordError::NoFolder { path: path.to_owned(), source })?;
        }
        keep_to_its_owner(path);
        let mut store = Self::connect(path)?;
        match store.prepare().map_err(|source| store.query_error(source))? {
            Version::Ours => Ok(store),
            Version::Newer => Err(RecordError::Newer { path: path.to_owned() }),
        }
    }

    /// Opens the record to look at it, if it is there.
    pub(crate) fn open_existing(path: &Path) -> Result<Option<Self>, RecordError> {
        if !path.is_file() {
            return Ok(None);
        }
        let mut store = Self::connect(path)?;
        let version = versions::of(&mut store.connection);
        match version.map_err(|source| store.query_error(source))? {
            versions::NEWEST.. => Self::open(path).map(Some),
            _ => store.copied().map(Some),
        }
    }

    /// A copy that is brought to the newest version: who only looks changes nothing.
    fn copied(mut self) -> Result<Self, RecordError> {
        let failed = |source| RecordError::NoFolder { path: self.path.clone(), source };
        let folder = tempfile::tempdir().map_err(failed)?;
        let file = folder.path().join("lem.db");
        let quoted = file.to_string_lossy().replace('\'', "''");
        let copying = self.connection.batch_execute(&format!("VACUUM INTO '{quoted}'"));
        copying.map_err(|source| self.query_error(source))?;
        Ok(Self { path: self.path, identity: None, _copy: Some(folder), ..Self::open(&file)? })
    }

    fn connect(path: &Path) -> Result<Self, RecordError> {
        let connection = SqliteConnection::establish(&path.to_string_lossy())
            .map_err(|source| RecordError::Unopened { path: path.to_owned(), source })?;
        Ok(Self { connection, path: path.to_owned(), identity: identity(path).ok(), _copy: None })
    }

    fn prepare(&mut self) -> QueryResult<Version> {
        self.connection.batch_execute(
            "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
        )?;
        versions::bring_up(&mut self.connection)
    }

    /// Reads every page of the file: damage may lie where no question has led yet.
    pub(crate) fn check(&mut self) -> Result<(), RecordError> {
        let found: String = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(
            "(SELECT quick_check FROM pragma_quick_check LIMIT 1)",
        ))
        .get_result(&mut self.connection)
        .map_err(|source| self.query_error(source))?;
        if found == "ok" {
            return self.has_every_table();
        }
        let source = diesel::result::Error::DeserializationError(found.into());
        Err(RecordError::Damaged { path: self.path.clone(), source })
    }

    fn has_every_table(&mut self) -> Result<(), RecordError> {
        let all = "SELECT 1 FROM campaigns, runs, experiments LIMIT 0";
        self.connection.batch_execute(all).map_err(|source| self.query_error(source))
    }

    pub(super) fn query_error(&self, source: diesel::result::Error) -> RecordError {
        of_query(&self.path, source)
    }

    pub(super) fn read_word<T: DeserializeOwned>(&self, word: &str) -> Result<T, RecordError> {
        from_word(word)
            .ok_or_else(|| RecordError::Unknown { path: self.path.clone(), value: word.to_owned() })
    }

    /// Records that a campaign begins, with everything it will do.
    pub(crate) fn begin(
        &mut self,
        instance: &Instance,
        experiments: &[RecordedExperiment],
        planned: &[PlannedRun],
    ) -> Result<(), RecordError> {
        let campaign = CampaignRow {
            id: instance.id.clone(),
            campaign: instance.campaign.clone(),
            file: instance.file.clone(),
            plan: instance.plan.clone(),
            seed: instance.seed.map(u64::cast_signed),
            settings: instance.settings.clone(),
            state: to_word(CampaignState::Running),
            started_at: instance.started_at.clone(),
            structure: instance.structure.clone(),
            cycles: instance.cycles.map(i64::from),
            basis: instance.basis.clone(),
        };
        self.connection
            .immediate_transaction(|connection| {
                diesel::insert_into(campaigns::table).values(&campaign).execute(connection)?;
                keep_experiments(connection, &instance.id, experiments)?;
                super::runs::plan(connection, &instance.id, planned)
            })
            .map_err(|source| self.query_error(source))
    }

    /// Records that a campaign was changed. Runs keep their places and their outcomes.
    pub(crate) fn amend(
        &mut self,
        instance: &str,
        amendment: &Amendment,
        now: &str,
    ) -> Result<(), RecordError> {
        self.connection
            .immediate_transaction(|connection| {
                diesel::update(campaigns::table.find(instance))
                    .set((
                        campaigns::plan.eq(&amendment.plan),
                        campaigns::structure.eq(&amendment.structure),
                        campaigns::cycles.eq(i64::from(amendment.cycles)),
                        campaigns::settings.eq(&amendment.settings),
                        campaigns::basis.eq(&amendment.basis),
                        campaigns::seed.eq(amendment.seed.map(u64::cast_signed)),
                    ))
                    .execute(connection)?;
                keep_experiments(connection, instance, &amendment.experiments)?;
                super::runs::rename(connection, instance, &amendment.names)?;
                super::runs::drop_from_plan(connection, instance, &amendment.dropped, Some(now))?;
                super::runs::drop_from_plan(connection, instance, &amendment.revived, None)?;
                super::runs::plan(connection, instance, &amendment.added)
            })
            .map_err(|source| self.query_error(source))
    }

    /// The newest instance of a campaign, with its state.
    pub(crate) fn newest(
        &mut self,
        campaign: &str,
    ) -> Result<Option<(Instance, CampaignState)>, RecordError> {
        let row = campaigns::table
            .filter(campaigns::campaign.eq(campaign))
            .order((campaigns::started_at.desc(), campaigns::id.desc()))
            .select(CampaignRow::as_select())
            .first(&mut self.connection)
            .optional()
            .map_err(|source| self.query_error(source))?;
        row.map(|row| self.instance(row)).transpose()
    }

    /// Every instance that has not finished, newest first.
    pub(crate) fn unfinished(&mut self) -> Result<Vec<Instance>, RecordError> {
        let rows = campaigns::table
            .filter(campaigns::state.ne(to_word(CampaignState::Finished)))
            .order(campaigns::started_at.desc())
            .select(CampaignRow::as_select())
            .load(&mut self.connection)
            .map_err(|source| self.query_error(source))?;
        rows.into_iter().map(|row| self.instance(row).map(|(instance, _)| instance)).collect()
    }

    /// Every instance, newest first.
    pub(crate) fn newest_first(&mut self) -> Result<Vec<Instance>, RecordError> {
        let rows = campaigns::table
            .order((campaigns::started_at.desc(), campaigns::id.desc()))
            .select(CampaignRow::as_select())
            .load(&mut self.connection)
            .map_err(|source| self.query_error(source))?;
        rows.into_iter().map(|row| self.instance(row).map(|(instance, _)| instance)).collect()
    }

    fn instance(&self, row: CampaignRow) -> Result<(Instance, CampaignState), RecordError> {
        let state = self.read_word(&row.state)?;
        let instance = Instance {
            id: row.id,
            campaign: row.campaign,
            file: row.file,
            plan: row.plan,
            seed: row.seed.map(i64::cast_unsigned),
            settings: row.settings,
            started_at: row.started_at,
            structure: row.structure,
            cycles: row.cycles.and_then(|cycles| u32::try_from(cycles).ok()),
            basis: row.basis,
        };
        Ok((instance, state))
    }

    /// The experiments of an instance; none where the first version recorded it.
    pub(crate) fn experiments(
        &mut self,
        instance: &str,
    ) -> Result<Vec<RecordedExperiment>, RecordError> {
        let rows = experiments::table
            .filter(experiments::instance.eq(instance))
            .select(ExperimentRow::as_select())
            .load(&mut self.connection)
            .map_err(|source| self.query_error(source))?;
        let recorded = |row: ExperimentRow<'_>| RecordedExperiment {
            hash: row.hash.into_owned(),
            name: row.name.into_owned(),
            backend: row.backend.map(Cow::into_owned),
            config: row.config.into_owned(),
            source: row.source.map(Cow::into_owned),
        };
        Ok(rows.into_iter().map(recorded).collect())
    }

    /// Records the state of a campaign.
    pub(crate) fn campaign_is(
        &mut self,
        instance: &str,
        state: CampaignState,
        now: &str,
    ) -> Result<(), RecordError> {
        diesel::update(campaigns::table.find(instance))
            .set((campaigns::state.eq(to_word(state)), campaigns::ended_at.eq(now)))
            .execute(&mut self.connection)
            .map(|_| ())
            .map_err(|source| self.query_error(source))
    }
}

/// Makes the file, where there is none, so that its owner alone reads it; what `SQLite` puts beside
/// it gets the same mode. What can't be made, `SQLite` will say.
fn keep_to_its_owner(path: &Path) {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    if made.is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists) {
        // One of an earlier version; somebody else's stays as it is.
        let _ = std::fs::set_permissions(path, Permissions::from_mode(0o600));
    }
}

/// What a failed question says about the file.
pub(super) fn of_query(path: &Path, source: diesel::result::Error) -> RecordError {
    const DAMAGE: [&str; 4] =
        ["file is not a database", "disk image is malformed", "no such table", "no such column"];
    let path = path.to_owned();
    // SQLITE_NOTADB and SQLITE_CORRUPT reach us as their words alone.
    let words = source.to_string();
    let senseless = matches!(source, diesel::result::Error::DeserializationError(_));
    if senseless || DAMAGE.iter().any(|damage| words.contains(damage)) {
        return RecordError::Damaged { path, source };
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    // A log or an index that can't be made larger is an input or output error, as others are.
    let perhaps = ["disk I/O error", "unable to open database file"];
    let perhaps = perhaps.iter().any(|complaint| words.contains(complaint));
    let takes_no_more =
        || room::try_writing(folder, SIGN).is_err_and(|error| room::is_full(&error));
    if words.contains("disk is full") || (perhaps && takes_no_more()) {
        return RecordError::Full { free: room::free(folder), path, source };
    }
    RecordError::Query { path, source }
}

/// Keeps experiments; one that is known already stays as it is.
fn keep_experiments(
    connection: &mut SqliteConnection,
    instance: &str,
    experiments: &[RecordedExperiment],
) -> QueryResult<()> {
    let rows: Vec<ExperimentRow<'_>> = experiments
        .iter()
        .map(|experiment| ExperimentRow {
            instance: instance.into(),
            hash: experiment.hash.as_str().into(),
            name: experiment.name.as_str().into(),
            backend: experiment.backend.as_deref().map(Into::into),
            config: experiment.config.as_str().into(),
            source: experiment.source.as_deref().map(Into::into),
        })
        .collect();
    for rows in rows.chunks(500) {
        diesel::insert_or_ignore_into(experiments::table).values(rows).execute(connection)?;
    }
    Ok(())
}

/// The word that stands for a state in the file: the one that serde writes.
pub(super) fn to_word<T: Serialize>(state: T) -> String {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn from_word<T: for<'de> Deserialize<'de>>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}

#[cfg(test)]
mod tests;
