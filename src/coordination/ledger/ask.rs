//! What is asked for: it begins, waits or is refused, all in one transaction.

use std::time::{Duration, Instant};

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

use super::end::{close, event};
use super::reclaim::{living, today};
use super::rows::{NewOperation, OwnerRow, to_word};
use super::schema::{operations, owners};
use super::still::{Still, last_event};
use super::vantage::Vantage;
use super::{Db, Ledger, LedgerError, look, places};
use crate::coordination::admission::{Cause, Decision, Full, Newcomer, Obstacle, decide, full};
use crate::coordination::nesting::{again, ancestors};
use crate::coordination::operation::{Moment, Operation, OperationId, State, Token, Wish};
use crate::coordination::owner::{Life, Owner};
use crate::coordination::severity::Severity;

/// What the ledger says to a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Started(Started),
    /// It waits, and has to ask for its turn.
    Queued {
        id: OperationId,
        behind: Vec<Obstacle>,
    },
    /// It repeats or contradicts another one.
    Refused {
        id: OperationId,
        by: Obstacle,
    },
    /// It would have to wait, and does not want to.
    WouldWait {
        id: OperationId,
        behind: Vec<Obstacle>,
    },
    /// It is in the way of the operation that it is part of.
    Nested {
        by: Obstacle,
    },
    /// Too many wait.
    Full {
        limit: Full,
        waiting: usize,
    },
}

/// An operation that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    pub id: OperationId,
    pub token: Token,
    /// What runs beside it.
    pub beside: Vec<Obstacle>,
}

/// What the ledger says to one that waits.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    Started(Started),
    /// Not yet; look again after so long, even if nothing is heard.
    Waiting {
        behind: Vec<Obstacle>,
        again: Option<Duration>,
    },
    /// Somebody ended it.
    Over(Box<Operation>),
    /// It is not there.
    Gone,
}

impl Ledger {
    /// Asks for an operation. Where it would have to wait, it is put into the queue if it `waits`.
    pub(crate) fn ask(
        &mut self,
        wish: &Wish,
        owner: &Owner,
        waits: bool,
    ) -> Result<Answer, LedgerError> {
        self.writing(|connection, at| {
            let graph = places::graph(connection)?;
            let among = |others: &[Operation]| {
                let ancestors = ancestors(wish.parent, others);
                let newcomer = Newcomer {
                    id: None,
                    parts: &wish.parts,
                    rank: wish.priority.rank(at.now),
                    on_conflict: wish.on_conflict,
                    over_shared: wish.over_shared,
                    ancestors: &ancestors,
                };
                decide(&newcomer, others, &graph)
            };
            let known = hear(connection, &owner.id, at)?;
            let mut others = look::live(connection)?;
            let mut decision = among(&others);
            // Who meets nobody need not know who of them is dead; who comes for the first time takes
            // back what they had. What is part of an operation ceases to be that with its owner.
            let alone = matches!(&decision, Decision::Start { beside } if beside.is_empty())
                && wish.parent.is_none();
            if !(known && alone) {
                others = living(connection, at)?;
                decision = among(&others);
            }
            let group = wish.parts.first().map_or_else(String::new, |part| part.resource.group());
            let mut row = NewOperation::new(wish, owner, at.now, group);
            match decision {
                Decision::Nested { by } => Ok(Answer::Nested { by }),
                Decision::Refuse { by } => {
                    row.refused(State::Rejected, &by);
                    let id = insert(connection, &row, "rejected", Some(&by.reason))?;
                    Ok(Answer::Refused { id, by })
                }
                Decision::Wait { behind } if !waits => {
                    row.refused(State::Rejected, &behind[0]);
                    let id = insert(connection, &row, "rejected", Some("it did not want to wait"))?;
                    Ok(Answer::WouldWait { id, behind })
                }
                Decision::Wait { behind } => {
                    if let Some(limit) = full(&row.project, &wish.agent, &others) {
                        let waiting = |it: &&Operation| {
                            it.state == State::Queued
                                && it.group == row.project
                                && (limit == Full::Project || it.agent == wish.agent)
                        };
                        let waiting = others.iter().filter(waiting).count();
                        return Ok(Answer::Full { limit, waiting });
                    }
                    if !known {
                        join(connection, owner, at)?;
                    }
                    let id = insert(connection, &row, "queued", Some(&behind[0].reason))?;
                    Ok(Answer::Queued { id, behind })
                }
                Decision::Start { beside } => {
                    if !known {
                        join(connection, owner, at)?;
                    }
                    let token = next_token(connection)?;
                    row.state = to_word(State::Active);
                    row.token = Some(token.0);
                    row.started = Some(at.now.0);
                    row.started_at = Some(row.requested_at.clone());
                    row.waited = Some(0);
                    row.note = warning(&beside);
                    let id = insert(connection, &row, "started", None)?;
                    warn(connection, id, &wish.what, &beside)?;
                    Ok(Answer::Started(Started { id, token, beside }))
                }
            }
        })
    }

    /// Asks whether it is the turn of one that waits.
    pub(crate) fn turn(&mut self, id: OperationId) -> Result<Turn, LedgerError> {
        let happened = self.reading(|connection, _| last_event(connection))?;
        if let Some(still) = self.still.as_ref().filter(|it| it.holds(id, happened)) {
            return Ok(Turn::Waiting { behind: still.behind.clone(), again: None });
        }
        // Most who are woken go on waiting: to see that, nothing needs to be written.
        let seen = self.reading(|connection, at| {
            let others = look::live(connection)?;
            let Some(own) = others.iter().find(|it| it.id == id && it.state == State::Queued)
            else {
                return Ok(None);
            };
            let Decision::Wait { behind } = again(own, &others, &places::graph(connection)?) else {
                return Ok(None);
            };
            let owners = look::owners_of_live(connection, at)?;
            let of = |obstacle: &Obstacle| {
                let other = others.iter().find(|it| it.id == obstacle.operation)?;
                owners.get(&other.owner)
            };
            let dead = |obstacle: &Obstacle| {
                let life = of(obstacle).map(Owner::glance);
                !matches!(life, Some(Life::Lives | Life::Elsewhere))
            };
            let owners: Vec<Owner> = behind.iter().filter_map(of).cloned().collect();
            Ok((!behind.iter().any(dead)).then_some((behind, owners)))
        })?;
        if let Some((behind, owners)) = seen {
            let again = owners.iter().filter_map(Owner::lease).min();
            let (seen, kept) = (Instant::now(), behind.clone());
            self.still = Some(Still { id, happened, seen, behind: kept, owners });
            return Ok(Turn::Waiting { behind, again });
        }
        let turn = self.writing(|connection, at| {
            let others = living(connection, at)?;
            let Some(own) = others.iter().find(|it| it.id == id && it.state == State::Queued)
            else {
                return Ok(None);
            };
            match again(own, &others, &places::graph(connection)?) {
                Decision::Start { beside } => {
                    let token = next_token(connection)?;
                    hear(connection, &own.owner, at)?;
                    start(connection, own, token, &beside, at.now)?;
                    Ok(Some(Turn::Started(Started { id, token, beside })))
                }
                Decision::Wait { behind } => {
                    let in_the_way = |it: &&Operation| behind.iter().any(|o| o.operation == it.id);
                    let settled = |it: &Operation| Some(it.settled(it.freed?).since(at.now));
                    let again = others.iter().filter(in_the_way).filter_map(settled).min();
                    Ok(Some(Turn::Waiting { behind, again }))
                }
                // What it is part of does something else by now, and waits for it.
                Decision::Nested { by } => {
                    let why =
                        format!("it waits for operation {}, of which it is part", by.operation);
                    close(connection, own, State::Cancelled, None, None, Some(&why), at.now)?;
                    Ok(None)
                }
                // One that waits is not refused.
                Decision::Refuse { .. } => Ok(None),
            }
        })?;
        match turn {
            Some(turn) => Ok(turn),
            None => Ok(match self.operation(id)? {
                Some(operation) => Turn::Over(Box::new(operation)),
                None => Turn::Gone,
            }),
        }
    }
}

fn start(
    connection: &mut Db,
    own: &Operation,
    token: Token,
    beside: &[Obstacle],
    now: Moment,
) -> QueryResult<()> {
    use operations::dsl as o;
    diesel::update(o::operations.find(own.id.0))
        .set((
            o::state.eq(to_word(State::Active)),
            o::token.eq(token.0),
            o::started.eq(now.0),
            o::started_at.eq(today()),
            o::waited.eq(now.0 - own.queued.0),
            o::note.eq(warning(beside)),
        ))
        .execute(connection)?;
    event(connection, own.id, "started", None)?;
    warn(connection, own.id, &own.what, beside)
}

fn next_token(connection: &mut Db) -> QueryResult<Token> {
    /// Tokens of one epoch.
    const EPOCH: u32 = 40;
    let (epoch, counter) = Count.get_result::<(i64, i64)>(connection)?;
    Ok(Token((epoch << EPOCH) | counter))
}

/// Takes the next number. diesel has each update of its own compiled anew; this is not.
#[derive(Debug, Clone, Copy, QueryId)]
struct Count;

impl Query for Count {
    type SqlType = (BigInt, BigInt);
}

impl<Connection> RunQueryDsl<Connection> for Count {}

impl<DB: Backend> QueryFragment<DB> for Count {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE meta SET counter = counter + 1 RETURNING epoch, counter");
        Ok(())
    }
}

fn insert(
    connection: &mut Db,
    row: &NewOperation<'_>,
    what: &str,
    detail: Option<&str>,
) -> QueryResult<OperationId> {
    let id = diesel::insert_into(operations::table)
        .values(row)
        .returning(operations::id)
        .get_result::<i64>(connection)?;
    event(connection, OperationId(id), what, detail)?;
    Ok(OperationId(id))
}

/// Notes that an owner is well; false where nobody knows it. Where the kernel tells that it lives,
/// it is not noted again at once.
pub(super) fn hear(connection: &mut Db, owner: &str, at: &Vantage) -> QueryResult<bool> {
    const AT_ONCE: Duration = Duration::from_secs(10);
    if at.lease.is_none() {
        let heard = owners::table.find(owner).select(owners::heartbeat);
        let heard = heard.get_result::<i64>(connection).optional()?.map(Moment);
        if heard.is_some_and(|heard| at.now.since(heard) < AT_ONCE) {
            return Ok(true);
        }
    }
    let known = diesel::update(owners::table.find(owner)).set(owners::heartbeat.eq(at.now.0));
    Ok(known.execute(connection)? == 1)
}

fn join(connection: &mut Db, owner: &Owner, at: &Vantage) -> QueryResult<()> {
    super::reclaim::forget_owners(connection, at)?;
    let owner = OwnerRow::new(owner, at);
    diesel::insert_into(owners::table).values(owner).execute(connection).map(drop)
}

fn warning(beside: &[Obstacle]) -> Option<String> {
    let cautions: Vec<String> = beside
        .iter()
        .filter(|it| it.severity == Severity::Medium && it.cause == Cause::Runs)
        .map(|it| format!("beside operation {}: {}", it.operation, it.reason))
        .collect();
    (!cautions.is_empty()).then(|| cautions.join("; "))
}

/// Tells those that run what runs beside them now.
fn warn(connection: &mut Db, id: OperationId, what: &str, beside: &[Obstacle]) -> QueryResult<()> {
    for it in beside.iter().filter(|it| it.severity == Severity::Medium) {
        let text = format!("beside operation {id} ({what}): {}", it.reason);
        diesel::update(operations::table.find(it.operation.0))
            .set(operations::note.eq(&text))
            .execute(connection)?;
        event(connection, it.operation, "warned", Some(&text))?;
    }
    Ok(())
}

impl NewOperation<'_> {
    /// One that ends as soon as it is asked for.
    fn refused(&mut self, state: State, by: &Obstacle) {
        self.state = to_word(state);
        self.ended_at = Some(self.requested_at.clone());
        self.note = Some(format!("operation {}: {}", by.operation, by.reason));
    }
}

/// Takes one that waits out of the queue.
pub(super) fn withdraw(
    connection: &mut Db,
    id: OperationId,
    state: State,
    why: Option<&str>,
    now: Moment,
) -> QueryResult<bool> {
    match look::live_one(connection, id)?.filter(|it| it.state == State::Queued) {
        Some(own) => close(connection, &own, state, None, None, why, now).map(|()| true),
        None => Ok(false),
    }
}
