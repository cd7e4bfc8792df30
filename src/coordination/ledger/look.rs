//! What the ledger says now, as one moment of it. Looking waits for nobody, and changes nothing but
//! that it notes who is dead.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Bool;
use jiff::Timestamp;

use super::rows::{OperationRow, OwnerRow, to_word};
use super::schema::{events, operations, owners};
use super::vantage::Vantage;
use super::{Db, Ledger, LedgerError, places};
use crate::coordination::dependency::Graph;
use crate::coordination::kind::Kind;
use crate::coordination::operation::{Moment, Operation, OperationId, State};
use crate::coordination::owner::{Life, Owner};

/// One moment of the ledger.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// On the ledger's clock.
    pub now: Moment,
    /// What waits or runs, in the order of the queue.
    pub live: Vec<Operation>,
    pub owners: BTreeMap<String, Owner>,
    pub graph: Graph,
}

impl Snapshot {
    /// Whether the owner of an operation lives.
    pub(crate) fn life(&self, operation: &Operation) -> Life {
        self.owners.get(&operation.owner).map_or(Life::Dead, Owner::life)
    }
}

/// What a day brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub requested: u64,
    pub done: u64,
    pub lost: u64,
}

/// A line of an operation's history.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct EventLine {
    pub at: String,
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Ledger {
    /// One moment of everything that waits or runs.
    pub(crate) fn snapshot(&mut self) -> Result<Snapshot, LedgerError> {
        let snapshot = self.reading(|connection, at| {
            let live = live(connection)?;
            let owners = owners_of_live(connection, at)?;
            Ok(Snapshot { now: at.now, live, owners, graph: places::graph(connection)? })
        })?;
        self.note_dead(&snapshot);
        Ok(snapshot)
    }

    /// An operation, whatever became of it.
    pub(crate) fn operation(&mut self, id: OperationId) -> Result<Option<Operation>, LedgerError> {
        let row = self.reading(|connection, _| {
            let query = operations::table.find(id.0).select(OperationRow::as_select());
            query.get_result(connection).optional()
        })?;
        let ledger = self.name();
        row.map(|row| row.operation().map_err(|value| LedgerError::Senseless { ledger, value }))
            .transpose()
    }

    /// What happened to an operation, in order.
    pub(crate) fn history(&mut self, id: OperationId) -> Result<Vec<EventLine>, LedgerError> {
        let rows: Vec<(String, String, Option<String>)> = self.reading(|connection, _| {
            events::table
                .filter(events::operation.eq(id.0))
                .order(events::seq)
                .select((events::at, events::what, events::detail))
                .load(connection)
        })?;
        Ok(rows.into_iter().map(|(at, what, detail)| EventLine { at, what, detail }).collect())
    }

    /// Operations that were asked for since then, newest first.
    pub(crate) fn asked_since(
        &mut self,
        since: Timestamp,
        most: i64,
    ) -> Result<Vec<Operation>, LedgerError> {
        let rows = self.reading(|connection, _| {
            operations::table
                .filter(operations::requested_at.ge(since.to_string()))
                .order(operations::id.desc())
                .limit(most)
                .select(OperationRow::as_select())
                .load(connection)
        })?;
        let ledger = self.name();
        rows.into_iter()
            .map(OperationRow::operation)
            .collect::<Result<_, _>>()
            .map_err(|value| LedgerError::Senseless { ledger, value })
    }

    /// How long operations of a kind take: in the middle of the last ones that were done.
    pub(crate) fn usual(&mut self, kind: Kind) -> Result<Duration, LedgerError> {
        self.reading(|connection, _| usual_of(connection, kind))
    }
}

/// The middle of how long the last ones of a kind took that were done.
pub(super) fn usual_of(connection: &mut Db, kind: Kind) -> QueryResult<Duration> {
    const LAST: i64 = 31;
    let done = operations::kind.eq(kind.word()).and(operations::state.eq(to_word(State::Done)));
    let mut took: Vec<Option<i64>> = operations::table
        .filter(done)
        .order(operations::id.desc())
        .limit(LAST)
        .select(operations::took)
        .load(connection)?;
    took.sort_unstable();
    let middle = took.get(took.len() / 2).copied().flatten();
    Ok(middle.map_or_else(|| kind.usual(), super::rows::duration))
}

/// How many operations were asked for since then.
pub(super) fn tally_of(connection: &mut Db, since: Timestamp) -> QueryResult<Tally> {
    use diesel::dsl::count_star;
    let rows: Vec<(String, i64)> = operations::table
        .filter(operations::requested_at.ge(since.to_string()))
        .group_by(operations::state)
        .select((operations::state, count_star()))
        .load(connection)?;
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let of = |word: &str| {
        rows.iter().find(|(state, _)| state == word).map_or(0, |(_, count)| number(*count))
    };
    let requested = rows.iter().map(|(_, count)| number(*count)).sum();
    Ok(Tally { requested, done: of("done"), lost: of("lost") })
}

/// That an operation waits or runs, in the words of the index of those: in others, all that ever ran
/// would be read to find them. Unlike `diesel::dsl::sql`, which does the same, it is compiled once.
#[derive(Debug, Clone, Copy, diesel::query_builder::QueryId)]
pub(super) struct IsLive;

impl Expression for IsLive {
    type SqlType = Bool;
}

impl ValidGrouping<()> for IsLive {
    type IsAggregate = is_aggregate::No;
}

impl<Source> SelectableExpression<Source> for IsLive {}

impl<Source> AppearsOnTable<Source> for IsLive {}

impl<DB: Backend> QueryFragment<DB> for IsLive {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("operations.state IN ('queued', 'active')");
        Ok(())
    }
}

/// What waits or runs, in the order of the queue.
pub(super) fn live(connection: &mut Db) -> QueryResult<Vec<Operation>> {
    let rows: Vec<OperationRow> = operations::table
        .filter(IsLive)
        .order((operations::rank, operations::id))
        .select(OperationRow::as_select())
        .load(connection)?;
    rows.into_iter().map(|row| row.operation().map_err(senseless)).collect()
}

/// An operation, if it waits or runs.
pub(super) fn live_one(connection: &mut Db, id: OperationId) -> QueryResult<Option<Operation>> {
    let found = operations::table.find(id.0).select(OperationRow::as_select());
    let found = found.get_result::<OperationRow>(connection).optional()?;
    let found = found.map(|row| row.operation().map_err(senseless)).transpose()?;
    Ok(found.filter(|it| !it.state.is_over()))
}

fn senseless(value: String) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(value.into())
}

/// Who has what waits or runs.
pub(super) fn owners_of_live(
    connection: &mut Db,
    at: &Vantage,
) -> QueryResult<BTreeMap<String, Owner>> {
    let theirs = operations::table.filter(IsLive).select(operations::owner);
    let rows: Vec<OwnerRow> = owners::table
        .filter(owners::id.eq_any(theirs))
        .select(OwnerRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(|row| row.owner(at)).map(|owner| (owner.id.clone(), owner)).collect())
}
