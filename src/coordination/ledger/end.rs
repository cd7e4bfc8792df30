//! What is said of an operation while it runs, and how it ends. Only who has its token says so.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::ask::{hear, withdraw};
use super::look::IsLive;
use super::reclaim::{living, today};
use super::rows::{parts_to_text, to_word};
use super::schema::{events, operations, owners};
use super::{Db, Ledger, LedgerError, look, places};
use crate::coordination::admission::{Newcomer, in_the_way};
use crate::coordination::nesting::ancestors;
use crate::coordination::operation::{Moment, Operation, OperationId, State, Token, millis};
use crate::coordination::owner::Owner;
use crate::coordination::part::Part;

/// How an operation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub state: State,
    pub exit_code: Option<i32>,
    pub note: Option<String>,
}

impl Ending {
    pub(crate) fn done() -> Self {
        Self { state: State::Done, exit_code: None, note: None }
    }

    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self { state: State::Failed, exit_code: None, note: Some(why.into()) }
    }
}

/// What becomes of a wish to do something else in the same operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Done,
    /// These run, and would not get on with it.
    InTheWay(Vec<OperationId>),
    /// It is part of this one, which has what it wants.
    Nested(OperationId),
    /// Nobody has this operation with that token any more.
    TakenAway,
}

impl Ledger {
    /// Ends an operation; false where somebody took it away.
    pub(crate) fn finish(
        &mut self,
        id: OperationId,
        token: Token,
        ending: &Ending,
    ) -> Result<bool, LedgerError> {
        use operations::dsl as o;
        let note = ending.note.as_deref();
        // What `close` does, in one step: everybody's every operation comes by here.
        let ended = self.writing(|connection, at| {
            let own = o::operations.find(id.0).filter(o::token.eq(token.0));
            let own = own.filter(o::state.eq(to_word(State::Active)));
            let changed = diesel::update(own)
                .set((
                    Over::new(ending.state, ending.exit_code),
                    o::took.eq(at.now.0.into_sql::<BigInt>().nullable() - o::started),
                    note.map(|note| o::note.eq(note)),
                ))
                .execute(connection)?;
            if changed == 1 {
                pass_on(connection, id)?;
                event(connection, id, ending.state.word(), note)?;
            }
            Ok(changed == 1)
        })?;
        self.ring();
        Ok(ended)
    }

    /// Takes one that waits out of the queue; false where it does not wait.
    pub(crate) fn withdraw(
        &mut self,
        id: OperationId,
        state: State,
        why: Option<&str>,
    ) -> Result<bool, LedgerError> {
        let gone = self.writing(|connection, at| withdraw(connection, id, state, why, at.now))?;
        self.ring();
        Ok(gone)
    }

    /// Notes what the engine is about to be told, and how long it may be at it whoever dies;
    /// without one, that it is done. False where somebody took the operation away.
    pub(crate) fn step(
        &mut self,
        id: OperationId,
        token: Token,
        step: Option<(&str, Duration)>,
    ) -> Result<bool, LedgerError> {
        use operations::dsl as o;
        let changed = self.writing(|connection, at| {
            let own = o::operations.find(id.0).filter(o::token.eq(token.0));
            let own = own.filter(o::state.eq(to_word(State::Active)));
            diesel::update(own)
                .set((
                    o::step.eq(step.map(|(what, _)| what)),
                    o::step_until.eq(step.map(|(_, limit)| at.now.after(limit).0)),
                    // What follows a step that is done is another one.
                    o::settle.eq(step.map_or(0, |(_, limit)| millis(limit))),
                ))
                .execute(connection)
        })?;
        Ok(changed == 1)
    }

    /// Notes how long the engine may go on after the death of everybody who has an operation,
    /// while no step of it is noted. False where somebody took it away.
    pub(crate) fn settle(
        &mut self,
        id: OperationId,
        token: Token,
        settle: Duration,
    ) -> Result<bool, LedgerError> {
        use operations::dsl as o;
        let changed = self.writing(|connection, _| {
            let own = o::operations.find(id.0).filter(o::token.eq(token.0));
            let own = own.filter(o::state.eq(to_word(State::Active)));
            diesel::update(own)
                .set((
                    o::step.eq(None::<&str>),
                    o::step_until.eq(None::<i64>),
                    o::settle.eq(millis(settle)),
                ))
                .execute(connection)
        })?;
        Ok(changed == 1)
    }

    /// Has an operation that runs do something else, if nobody who runs is in the way. Who waits
    /// for it is not waited for.
    pub(crate) fn change(
        &mut self,
        id: OperationId,
        token: Token,
        parts: &[Part],
        over_shared: bool,
        what: &str,
    ) -> Result<Change, LedgerError> {
        let text = parts_to_text(parts);
        let change = self.writing(|connection, at| {
            let others = living(connection, at)?;
            let Some(own) = others.iter().find(|it| is(it, id, token)) else {
                return Ok(Change::TakenAway);
            };
            let ancestors = ancestors(own.parent, &others);
            let changed = Newcomer {
                id: Some(id),
                parts,
                rank: own.rank,
                on_conflict: own.on_conflict,
                over_shared,
                ancestors: &ancestors,
            };
            let blocking = in_the_way(&changed, &others, &places::graph(connection)?);
            if let Some(nested) = blocking.iter().find(|it| ancestors.contains(it)) {
                return Ok(Change::Nested(*nested));
            }
            if !blocking.is_empty() {
                return Ok(Change::InTheWay(blocking));
            }
            diesel::update(operations::table.find(id.0))
                .set((operations::parts.eq(&text), operations::what.eq(what)))
                .execute(connection)?;
            event(connection, id, "changed", Some(what))?;
            Ok(Change::Done)
        })?;
        // It may have given something back.
        self.ring();
        Ok(change)
    }

    /// Ends an operation for somebody else: one that waits at once, one that runs when its owner
    /// hears of it. The operation as it was, if it lived.
    pub(crate) fn cancel(
        &mut self,
        id: OperationId,
        why: &str,
    ) -> Result<Option<Operation>, LedgerError> {
        let found = self.writing(|connection, at| {
            let others = living(connection, at)?;
            let Some(own) = others.into_iter().find(|it| it.id == id) else { return Ok(None) };
            if own.state == State::Queued {
                close(connection, &own, State::Cancelled, None, None, Some(why), at.now)?;
            } else {
                diesel::update(operations::table.find(id.0))
                    .set(operations::cancel.eq(why))
                    .execute(connection)?;
                event(connection, id, "cancel", Some(why))?;
            }
            Ok(Some(own))
        })?;
        self.ring();
        Ok(found)
    }

    /// Takes an operation away from its owner. What it does to its containers goes on.
    pub(crate) fn take_away(
        &mut self,
        id: OperationId,
        why: &str,
    ) -> Result<Option<Operation>, LedgerError> {
        let found = self.writing(|connection, at| {
            let Some(own) = look::live_one(connection, id)? else { return Ok(None) };
            let took = own.started.map(|started| at.now.since(started));
            close(connection, &own, State::Lost, took, None, Some(why), at.now)?;
            Ok(Some(own))
        })?;
        self.ring();
        Ok(found)
    }

    /// Says that an owner is well; false where nobody knows it, since it has nothing.
    pub(crate) fn heartbeat(&mut self, owner: &Owner) -> Result<bool, LedgerError> {
        use operations::dsl as o;
        self.noting(|connection, at| {
            if !hear(connection, &owner.id, at)? || at.lease.is_none() {
                return Ok(at.lease.is_none());
            }
            // Somebody took it for dead, and nobody has followed yet.
            let own = o::operations.filter(o::owner.eq(&owner.id));
            let own = own.filter(o::state.eq(to_word(State::Active)));
            diesel::update(own.filter(o::exit_code.is_null()).filter(o::freed.is_not_null()))
                .set(o::freed.eq(None::<i64>))
                .execute(connection)?;
            Ok(true)
        })
    }

    /// Forgets an owner that has nothing any more.
    pub(crate) fn leave(&mut self, owner: &Owner) -> Result<(), LedgerError> {
        self.writing(|connection, _| {
            diesel::delete(owners::table.find(&owner.id)).execute(connection).map(drop)
        })
    }
}

pub(super) fn is(operation: &Operation, id: OperationId, token: Token) -> bool {
    operation.id == id && operation.state == State::Active && operation.token == Some(token)
}

/// What is noted of each operation that has ended.
#[derive(AsChangeset)]
#[diesel(table_name = operations, treat_none_as_null = true)]
struct Over {
    state: String,
    ended_at: String,
    exit_code: Option<i32>,
    step: Option<String>,
    step_until: Option<i64>,
}

impl Over {
    fn new(state: State, exit_code: Option<i32>) -> Self {
        let (state, ended_at) = (to_word(state), today());
        Self { state, ended_at, exit_code, step: None, step_until: None }
    }
}

/// Ends an operation, whoever says so.
pub(super) fn close(
    connection: &mut Db,
    operation: &Operation,
    state: State,
    took: Option<Duration>,
    exit_code: Option<i32>,
    note: Option<&str>,
    now: Moment,
) -> QueryResult<()> {
    use operations::dsl as o;
    let waited = operation.waited.unwrap_or_else(|| now.since(operation.queued));
    diesel::update(o::operations.find(operation.id.0))
        .set((
            Over::new(state, exit_code),
            o::took.eq(took.map(millis)),
            o::waited.eq(millis(waited)),
            o::note.eq(note.or(operation.note.as_deref())),
        ))
        .execute(connection)?;
    pass_on(connection, operation.id)?;
    event(connection, operation.id, state.word(), note)
}

/// What is part of an operation and goes on is part of what that is part of.
fn pass_on(connection: &mut Db, id: OperationId) -> QueryResult<()> {
    use operations::dsl as o;
    let parts = o::operations.filter(IsLive).filter(o::parent.eq(id.0)).select(o::id);
    let parts: Vec<i64> = parts.load(connection)?;
    if parts.is_empty() {
        return Ok(());
    }
    let above: Option<i64> = o::operations.find(id.0).select(o::parent).get_result(connection)?;
    let parts = o::operations.filter(o::id.eq_any(parts));
    diesel::update(parts).set(o::parent.eq(above)).execute(connection).map(drop)
}

/// A line of an operation's history.
pub(super) fn event(
    connection: &mut Db,
    id: OperationId,
    what: &str,
    detail: Option<&str>,
) -> QueryResult<()> {
    diesel::insert_into(events::table)
        .values((
            events::operation.eq(id.0),
            events::at.eq(today()),
            events::what.eq(what),
            events::detail.eq(detail),
        ))
        .execute(connection)
        .map(drop)
}
