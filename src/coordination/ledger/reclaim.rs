//! What the dead had is taken back.
//!
//! 2026-11-21: who is found dead is noted first, with the moment; nobody follows before the engine
//! must be done with what it was told last. A killer in between costs nothing: the next one finds
//! the note. What was interrupted is `lost`, and is not done again by itself.
//!
//! 2026-12-01: who meets nobody does not look for the dead: that takes the longer the more there are,
//! and everybody waits for it. Those who wait for the dead hear them die, and look.

use std::collections::BTreeMap;

use diesel::prelude::*;
use jiff::Timestamp;

use super::left::left_as;
use super::schema::{operations, owners};
use super::vantage::Vantage;
use super::{Db, Ledger, Snapshot, look, rows};
use crate::coordination::operation::{Moment, Operation, OperationId, State};
use crate::coordination::owner::{self, Life, Owner};

/// The operations that wait or run, after those of the dead were taken back.
pub(super) fn living(connection: &mut Db, at: &Vantage) -> QueryResult<Vec<Operation>> {
    let all = look::live(connection)?;
    let owners = look::owners_of_live(connection, at)?;
    let lives: BTreeMap<&str, Life> =
        owners.iter().map(|(id, owner)| (id.as_str(), owner.glance())).collect();
    let mut living = Vec::with_capacity(all.len());
    let mut lost = BTreeMap::new();
    for mut operation in all {
        let life = lives.get(operation.owner.as_str()).copied().unwrap_or(Life::Dead);
        match fate(&operation, life, at.now) {
            Fate::Lives => living.push(operation),
            Fate::Settles { freed } => {
                if operation.freed.is_none() {
                    note_freed(connection, operation.id, freed)?;
                    operation.freed = Some(freed);
                }
                living.push(operation);
            }
            Fate::Lost { why } => {
                lose(connection, &operation, at.now, &why)?;
                lost.insert(operation.id, operation.parent);
            }
        }
    }
    for operation in &mut living {
        while let Some(above) = operation.parent.and_then(|parent| lost.get(&parent)) {
            operation.parent = *above;
        }
    }
    Ok(living)
}

/// Notes that nobody has an operation any more; whoever notes it first says since when.
fn note_freed(connection: &mut Db, id: OperationId, freed: Moment) -> QueryResult<()> {
    use operations::dsl as o;
    let unnoted = o::operations.find(id.0).filter(o::freed.is_null());
    let unnoted = unnoted.filter(o::state.eq(rows::to_word(State::Active)));
    if diesel::update(unnoted).set(o::freed.eq(freed.0)).execute(connection)? == 1 {
        super::end::event(connection, id, "freed", None)?;
    }
    Ok(())
}

impl Ledger {
    /// Notes who is seen dead. Who only looks does that too: else the engine would be said to be at
    /// it for as long as nobody comes who writes.
    pub(super) fn note_dead(&mut self, seen: &Snapshot) {
        let is_new = |it: &&Operation| {
            it.state == State::Active && it.freed.is_none() && seen.life(it) == Life::Dead
        };
        let dead: Vec<OperationId> = seen.live.iter().filter(is_new).map(|it| it.id).collect();
        if !dead.is_empty() {
            self.noting_at_once(|connection, at| {
                dead.iter().try_for_each(|id| note_freed(connection, *id, at.now))
            });
        }
    }
}

/// What becomes of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Lives,
    /// Nobody has it since; the engine may still be at it.
    Settles {
        freed: Moment,
    },
    Lost {
        why: String,
    },
}

/// What becomes of an operation whose owner is so.
pub(crate) fn fate(operation: &Operation, life: Life, now: Moment) -> Fate {
    let lost = |why: &str| Fate::Lost { why: format!("{} {why}", operation.who) };
    match (life, operation.state) {
        (Life::Lives | Life::Outlived | Life::Elsewhere, _) => Fate::Lives,
        // Its clock was another one, and its engine was started anew too.
        (Life::OfAnotherBoot, _) => lost("ended with the machine"),
        (Life::Dead, State::Active) => {
            let freed = operation.freed.unwrap_or(now);
            if now < operation.settled(freed) { Fate::Settles { freed } } else { lost("died") }
        }
        (Life::Dead, _) => lost("died while it waited"),
    }
}

fn lose(connection: &mut Db, operation: &Operation, now: Moment, why: &str) -> QueryResult<()> {
    let took = operation.started.map(|started| now.since(started));
    let state = left_as(operation);
    // One that was left in order has said why already.
    let note = if state == State::Lost { Some(why) } else { operation.note.as_deref() };
    super::end::close(connection, operation, state, took, operation.exit_code, note, now)
}

/// Forgets owners that have nothing any more and don't live.
pub(super) fn forget_owners(connection: &mut Db, at: &Vantage) -> QueryResult<()> {
    let with_operations = operations::table.filter(look::IsLive).select(operations::owner);
    let idle: Vec<rows::OwnerRow> = owners::table
        .filter(owners::id.ne_all(with_operations))
        .select(rows::OwnerRow::as_select())
        .load(connection)?;
    for owner in idle.into_iter().map(|row| row.owner(at)) {
        if !matches!(owner.glance(), Life::Lives | Life::Elsewhere) {
            diesel::delete(owners::table.find(&owner.id)).execute(connection)?;
            remove_file(&owner);
        }
    }
    let known: Vec<String> = owners::table.select(owners::id).load(connection)?;
    owner::sweep(&at.owners, &known);
    Ok(())
}

fn remove_file(owner: &Owner) {
    if owner::is_one(&owner.file) {
        let _ = std::fs::remove_file(&owner.file);
    }
}

/// The moment at which it was noted, for the record of people.
pub(super) fn today() -> String {
    Timestamp::now().to_string()
}
