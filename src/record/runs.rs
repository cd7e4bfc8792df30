//! The runs of the record.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::schema::{campaigns, runs};
use super::store::{Store, to_word};
use super::{
    Beginning, ExperimentName, Outcome, PlannedRun, RecordError, RecordedRun, RunState, Standing,
    Taken,
};

/// Of a strategy: its name, its runs, their seconds, those of their commands.
type Sums = (Option<String>, i64, Option<f64>, Option<f64>);

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
    experiment: String,
    repetition: i64,
    cycle: i64,
    name: String,
    state: String,
    verdict: Option<String>,
    exit_code: Option<i32>,
    attempts: i64,
    started_at: Option<String>,
    ended_at: Option<String>,
    seconds: Option<f64>,
    command_seconds: Option<f64>,
    result: Option<String>,
    service: Option<String>,
    strategy: Option<String>,
    gate_seconds: Option<f64>,
    gap_seconds: Option<f64>,
    idle_seconds: Option<f64>,
    dropped_at: Option<String>,
}

/// Writes runs that are planned, with what is known of them.
pub(super) fn plan(
    connection: &mut SqliteConnection,
    instance: &str,
    planned: &[PlannedRun],
) -> QueryResult<()> {
    let rows: Vec<NewRun<'_>> = planned
        .iter()
        .map(|run| NewRun {
            instance,
            position: run.position.into(),
            run: &run.run,
            experiment: &run.experiment,
            repetition: run.repetition.into(),
            cycle: run.cycle.into(),
            name: &run.name,
            state: to_word(RunState::Pending),
        })
        .collect();
    for rows in rows.chunks(500) {
        diesel::insert_into(runs::table).values(rows).execute(connection)?;
    }
    for (position, known) in
        planned.iter().filter_map(|run| Some((run.position, run.known.as_ref()?)))
    {
        diesel::update(runs::table.find((instance, i64::from(position))))
            .set((
                runs::attempts.eq(i64::from(known.attempts)),
                runs::started_at.eq(&known.started_at),
            ))
            .execute(connection)?;
        end(connection, instance, position, &known.outcome)?;
    }
    Ok(())
}

/// Takes positions out of the plan, or (`at` absent) back into it.
pub(super) fn drop_from_plan(
    connection: &mut SqliteConnection,
    instance: &str,
    positions: &[u32],
    at: Option<&str>,
) -> QueryResult<()> {
    for position in positions {
        diesel::update(runs::table.find((instance, i64::from(*position))))
            .set(runs::dropped_at.eq(at))
            .execute(connection)?;
    }
    Ok(())
}

/// Gives runs the names that their experiments have now: one experiment, one name.
pub(super) fn rename(
    connection: &mut SqliteConnection,
    instance: &str,
    names: &[ExperimentName],
) -> QueryResult<()> {
    for ExperimentName { experiment, repetition, name } in names {
        let runs = runs::table
            .filter(runs::instance.eq(instance))
            .filter(runs::experiment.eq(experiment))
            .filter(runs::repetition.eq(i64::from(*repetition)))
            .filter(runs::name.ne(name));
        diesel::update(runs).set(runs::name.eq(name)).execute(connection)?;
    }
    Ok(())
}

fn end(
    connection: &mut SqliteConnection,
    instance: &str,
    position: u32,
    outcome: &Outcome,
) -> QueryResult<()> {
    diesel::update(runs::table.find((instance, i64::from(position))))
        .set((
            runs::state.eq(to_word(outcome.state)),
            runs::verdict.eq(&outcome.verdict),
            runs::exit_code.eq(outcome.exit_code),
            runs::ended_at.eq(&outcome.ended_at),
            runs::seconds.eq(outcome.seconds),
            runs::command_seconds.eq(outcome.command_seconds),
            runs::gap_seconds.eq(outcome.gap_seconds),
            runs::gate_seconds.eq(outcome.gate_seconds),
            runs::idle_seconds.eq(outcome.idle_seconds),
            runs::result.eq(&outcome.result),
        ))
        .execute(connection)
        .map(|_| ())
}

impl Store {
    /// The runs of an instance in order, those that were dropped among them.
    pub(crate) fn runs(&mut self, instance: &str) -> Result<Vec<RecordedRun>, RecordError> {
        let rows = runs::table
            .filter(runs::instance.eq(instance))
            .order(runs::position)
            .select(RunRow::as_select())
            .load(&mut self.connection)
            .map_err(|source| self.query_error(source))?;
        rows.into_iter().map(|row| self.recorded(row)).collect()
    }

    fn recorded(&self, row: RunRow) -> Result<RecordedRun, RecordError> {
        let number = |n: i64| u32::try_from(n).unwrap_or_default();
        Ok(RecordedRun {
            state: self.read_word(&row.state)?,
            standing: match row.dropped_at {
                Some(_) => Standing::Dropped,
                None => Standing::Planned,
            },
            position: number(row.position),
            run: row.run,
            experiment: row.experiment,
            repetition: number(row.repetition),
            cycle: number(row.cycle),
            name: row.name,
            verdict: row.verdict,
            exit_code: row.exit_code,
            attempts: number(row.attempts),
            started_at: row.started_at,
            ended_at: row.ended_at,
            seconds: row.seconds,
            command_seconds: row.command_seconds,
            gate_seconds: row.gate_seconds,
            gap_seconds: row.gap_seconds,
            idle_seconds: row.idle_seconds,
            service: row.service,
            strategy: row.strategy,
            result: row.result,
        })
    }

    /// Records that a run starts; returns which attempt this is, from 1.
    pub(crate) fn run_starts(
        &mut self,
        instance: &str,
        position: u32,
        beginning: &Beginning<'_>,
    ) -> Result<u32, RecordError> {
        let row = runs::table.find((instance, i64::from(position)));
        let attempts: i64 = diesel::update(row)
            .set((
                runs::state.eq(to_word(RunState::Running)),
                runs::started_at.eq(beginning.started_at),
                runs::service.eq(beginning.service),
                runs::strategy.eq(beginning.strategy),
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
        end(&mut self.connection, instance, position, outcome)
            .map_err(|source| self.query_error(source))
    }

    /// Every result that is recorded, of whatever campaign.
    pub(crate) fn results(&mut self) -> Result<Vec<String>, RecordError> {
        runs::table
            .filter(runs::result.is_not_null())
            .select(runs::result.assume_not_null())
            .load(&mut self.connection)
            .map_err(|source| self.query_error(source))
    }

    /// What the completed runs of a campaign took, by strategy.
    pub(crate) fn taken(&mut self, campaign: &str) -> Result<Vec<Taken>, RecordError> {
        use diesel::dsl::{count_star, sum};
        let instances =
            campaigns::table.filter(campaigns::campaign.eq(campaign)).select(campaigns::id);
        let rows: Vec<Sums> = runs::table
            .filter(runs::instance.eq_any(instances))
            .filter(runs::state.eq(to_word(RunState::Completed)))
            .filter(runs::command_seconds.is_not_null())
            .group_by(runs::strategy)
            .order(runs::strategy)
            .select((runs::strategy, count_star(), sum(runs::seconds), sum(runs::command_seconds)))
            .load(&mut self.connection)
            .map_err(|source| self.query_error(source))?;
        let taken = |(strategy, runs, seconds, command_seconds): Sums| {
            Some(Taken {
                strategy: strategy?,
                runs: u32::try_from(runs).ok()?,
                seconds: seconds?,
                command_seconds: command_seconds?,
            })
        };
        Ok(rows.into_iter().filter_map(taken).collect())
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
}
