//! What kept one waiting when it last asked, for as long as nothing has happened since: so a hundred
//! who look again from time to time, though nobody woke them, cost next to nothing.

use std::time::{Duration, Instant};

use diesel::prelude::*;

use super::Db;
use super::schema::events;
use crate::coordination::admission::Obstacle;
use crate::coordination::operation::OperationId;
use crate::coordination::owner::{Life, Owner};

/// For so long it is believed: what is learned of who needs whom is no event.
const BELIEVED: Duration = Duration::from_secs(60);

/// Why one waits.
#[derive(Debug)]
pub(super) struct Still {
    pub id: OperationId,
    /// The last event by then.
    pub happened: Option<i64>,
    pub seen: Instant,
    pub behind: Vec<Obstacle>,
    /// Those of `behind`.
    pub owners: Vec<Owner>,
}

impl Still {
    /// Whether it is so still. That an owner dies is no event either, and the kernel tells it.
    pub(super) fn holds(&self, id: OperationId, happened: Option<i64>) -> bool {
        let lives = |owner: &Owner| owner.lease().is_none() && owner.glance() == Life::Lives;
        (self.id, self.happened) == (id, happened)
            && self.seen.elapsed() < BELIEVED
            && self.owners.iter().all(lives)
    }
}

/// The last event: whatever becomes of an operation is one.
pub(super) fn last_event(db: &mut Db) -> QueryResult<Option<i64>> {
    events::table.select(diesel::dsl::max(events::seq)).get_result(db)
}
