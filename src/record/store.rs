//! The record in `SQLite`.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::schema::{self, campaigns, runs};
use super::{CampaignState, Instance, Outcome, PlannedRun, RecordedRun, RunState};

/// The record can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("cannot open the record `{}`", path.display())]
    Unopened { path: PathBuf, source: diesel::ConnectionError },
    #[error("cannot make the folder of the record `{}`", path.display())]
    NoFolder { path: PathBuf, source: std::io::Error },
    #[error("cannot read or write the record `{}`", path.display())]
    Query { path: PathBuf, source: diesel::result::Error },
    #[error("the record `{}` was written by a newer lem", path.display())]
    Newer { path: PathBuf },
    #[error("the record `{}` holds `{value}`, which means nothing here", path.display())]
    Unknown { path: PathBuf, value: String },
}

/// An open record.
pub(crate) struct Store {
    connection: SqliteConnection,
    path: PathBuf,
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
}

#[derive(Insertable)]
#[diesel(table_name = runs)]
struct NewRun<'a> {
    instance: &'a str,
    position: i64,
    run: &'a str,
    experiment: &'a str,
    repetition: i64,
    cycle: i64,
    name: &'a str,
    state: String,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = runs)]
struct RunRow {
    position: i64,
    run: String,
    name: String,
    state: String,
    verdict: Option<String>,
    attempts: i64,
    seconds: Option<f64>,
    command_seconds: Option<f64>,
    result: Option<String>,
}

impl Store {
    /// Opens the record, making it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| RecordError::NoFolder { path: path.to_owned(), source })?;
        }
        let mut store = Self::connect(path)?;
        store.prepare().map_err(|source| store.query_error(source))?;
        if store.version()? > schema::VERSION {
            return Err(RecordError::Newer { path: path.to_owned() });
        }
        Ok(store)
    }

    /// Opens the record if it is there.
    pub(crate) fn open_existing(path: &Path) -> Result<Option<Self>, RecordError> {
        if path.is_file() { Self::open(path).map(Some) } else { Ok(None) }
    }

    fn connect(path: &Path) -> Result<Self, RecordError> {
        let connection = SqliteConnection::establish(&path.to_string_lossy())
            .map_err(|source| RecordError::Unopened { path: path.to_owned(), source })?;
        Ok(Self { connection, path: path.to_owned() })
    }

    fn prepare(&mut self) -> QueryResult<()> {
        self.connection.batch_execute(
            "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
        )?;
        self.connection.batch_execute(schema::CREATE)?;
        let version = schema::VERSION.max(self.read_version()?);
        self.connection.batch_execute(&format!("PRAGMA user_version = {version};"))
    }

    fn read_version(&mut self) -> QueryResult<i32> {
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>(
            "(SELECT user_version FROM pragma_user_version)",
        ))
        .get_result(&mut self.connection)
    }

    fn version(&mut self) -> Result<i32, RecordError> {
        self.read_version().map_err(|source| self.query_error(source))
    }

    fn query_error(&self, source: diesel::result::Error) -> RecordError {
        RecordError::Query { path: self.path.clone(), source }
    }

    fn read_word<T: DeserializeOwned>(&self, word: &str) -> Result<T, RecordError> {
        from_word(word)
            .ok_or_else(|| RecordError::Unknown { path: self.path.clone(), value: word.to_owned() })
    }

    /// Records that a campaign begins, with everything it will do.
    pub(crate) fn begin(
        &mut self,
        instance: &Instance,
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
        };
        let rows: Vec<NewRun<'_>> = planned
            .iter()
            .map(|run| NewRun {
                instance: &instance.id,
                position: run.position.into(),
                run: &run.run,
                experiment: &run.experiment,
                repetition: run.repetition.into(),
                cycle: run.cycle.into(),
                name: &run.name,
                state: to_word(RunState::Pending),
            })
            .collect();
        self.connection
            .immediate_transaction(|connection| {
                diesel::insert_into(campaigns::table).values(&campaign).execute(connection)?;
                for rows in rows.chunks(500) {
                    diesel::insert_into(runs::table).values(rows).execute(connection)?;
                }
                QueryResult::Ok(())
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
        };
        Ok((instance, state))
    }

    /// The runs of an instance, in order.
    pub(crate) fn runs(&mut self, instance: &str) -> Result<Vec<RecordedRun>, RecordError> {
        let rows = runs::table
            .filter(runs::instance.eq(instance))
            .order(runs::position)
            .select(RunRow::as_select())
            .load(&mut self.connection)
            .map_err(|source| self.query_error(source))?;
        rows.into_iter()
            .map(|row| {
                Ok(RecordedRun {
                    position: u32::try_from(row.position).unwrap_or_default(),
                    state: self.read_word(&row.state)?,
                    run: row.run,
                    name: row.name,
                    verdict: row.verdict,
                    attempts: u32::try_from(row.attempts).unwrap_or_default(),
                    seconds: row.seconds,
                    command_seconds: row.command_seconds,
                    has_result: row.result.is_some(),
                })
            })
            .collect()
    }

    /// Records that a run starts; returns which attempt this is, from 1.
    pub(crate) fn run_starts(
        &mut self,
        instance: &str,
        position: u32,
        now: &str,
    ) -> Result<u32, RecordError> {
        let row = runs::table.find((instance, i64::from(position)));
        let attempts: i64 = diesel::update(row)
            .set((
                runs::state.eq(to_word(RunState::Running)),
                runs::started_at.eq(now),
                runs::attempts.eq(runs::attempts + 1),
            ))
            .returning(runs::attempts)
            .get_result(&mut self.connection)
            .map_err(|source| self.query_error(source))?;
        Ok(u32::try_from(attempts).unwrap_or(u32::MAX))
    }

    /// Records how a run ended.
    pub(crate) fn run_ended(
        &mut self,
        instance: &str,
        position: u32,
        outcome: &Outcome,
    ) -> Result<(), RecordError> {
        let row = runs::table.find((instance, i64::from(position)));
        diesel::update(row)
            .set((
                runs::state.eq(to_word(outcome.state)),
                runs::verdict.eq(&outcome.verdict),
                runs::exit_code.eq(outcome.exit_code),
                runs::ended_at.eq(&outcome.ended_at),
                runs::seconds.eq(outcome.seconds),
                runs::command_seconds.eq(outcome.command_seconds),
                runs::result.eq(&outcome.result),
            ))
            .execute(&mut self.connection)
            .map(|_| ())
            .map_err(|source| self.query_error(source))
    }

    /// Marks the runs that a lem left `running` when it was killed; returns how many there were.
    pub(crate) fn interrupt_running(&mut self, instance: &str) -> Result<usize, RecordError> {
        let left = runs::table
            .filter(runs::instance.eq(instance))
            .filter(runs::state.eq(to_word(RunState::Running)));
        diesel::update(left)
            .set((runs::state.eq(to_word(RunState::Interrupted)), runs::verdict.eq("interrupted")))
            .execute(&mut self.connection)
            .map_err(|source| self.query_error(source))
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

/// The word that stands for a state in the file: the one that serde writes.
fn to_word<T: Serialize>(state: T) -> String {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn from_word<T: for<'de> Deserialize<'de>>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}
