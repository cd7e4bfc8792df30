//! What others do to operations without ending them: another place in the queue, and a note of
//! those that nobody has any more.

use diesel::prelude::*;

use super::end::event;
use super::reclaim::living;
use super::schema::operations;
use super::{Ledger, LedgerError};
use crate::coordination::operation::{Operation, OperationId, Priority, State};

impl Ledger {
    /// Takes back what the dead had, for who waits for the end of one of their operations: nobody
    /// else may come to note it.
    pub(crate) fn reclaim(&mut self) -> Result<(), LedgerError> {
        self.writing(|connection, at| living(connection, at).map(drop))
    }

    /// Gives one that waits another priority, as if it had been asked for with it. The operation
    /// as it was; nothing is changed of one that does not wait.
    pub(crate) fn prioritise(
        &mut self,
        id: OperationId,
        priority: Priority,
    ) -> Result<Option<Operation>, LedgerError> {
        let found = self.writing(|connection, at| {
            let others = living(connection, at)?;
            let Some(own) = others.into_iter().find(|it| it.id == id) else { return Ok(None) };
            if own.state == State::Queued {
                diesel::update(operations::table.find(id.0))
                    .set((
                        operations::priority.eq(i32::from(priority.number())),
                        operations::rank.eq(priority.rank(own.queued)),
                    ))
                    .execute(connection)?;
                let text = format!("{} instead of {}", priority.number(), own.priority);
                event(connection, id, "priority", Some(&text))?;
            }
            Ok(Some(own))
        })?;
        self.ring();
        Ok(found)
    }
}
