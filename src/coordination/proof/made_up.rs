//! Operations as the ledger would have them, without a ledger.

use std::time::Duration;

use jiff::Timestamp;

use crate::coordination::operation::{Moment, OnConflict, Operation, OperationId, Priority, State};
use crate::coordination::part::Part;

/// One that was asked for at a moment.
pub(super) fn operation(id: usize, parts: Vec<Part>, priority: u8, queued: i64) -> Operation {
    let id = i64::try_from(id).unwrap();
    Operation {
        id: OperationId(id),
        state: State::Queued,
        parts,
        what: String::new(),
        command: None,
        agent: String::new(),
        reason: None,
        priority,
        rank: Priority::new(priority).unwrap().rank(Moment(queued)),
        group: String::new(),
        on_conflict: OnConflict::Queue,
        over_shared: false,
        parent: None,
        requested_at: Timestamp::UNIX_EPOCH,
        started_at: None,
        ended_at: None,
        queued: Moment(queued),
        started: None,
        took: None,
        waited: None,
        expect: None,
        limit: None,
        owner: String::new(),
        who: "somebody".to_owned(),
        token: None,
        step: None,
        settle: Duration::ZERO,
        freed: None,
        cancel: None,
        exit_code: None,
        note: None,
    }
}
