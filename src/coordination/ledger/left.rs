//! Operations that are cut off in order: their command was ended, the engine may go on with what
//! it was told.
//!
//! 2026-11-21: they count as running until the engine must be done, as those of the dead do; what
//! they ended as is noted already: by the exit code of a time limit, by who cancelled it, or as
//! failed.

use diesel::prelude::*;

use super::end::{Ending, close, event, is};
use super::schema::operations;
use super::{Ledger, LedgerError, look};
use crate::coordination::operation::{Operation, OperationId, State, Token};

/// As `timeout` says it.
const TIME_LIMIT: i32 = 124;

impl Ledger {
    /// Ends an operation whose engine may still be at it; false where somebody took it away.
    pub(crate) fn leave_to_settle(
        &mut self,
        id: OperationId,
        token: Token,
        ending: &Ending,
    ) -> Result<bool, LedgerError> {
        use operations::dsl as o;
        let ended = self.writing(|connection, at| {
            let own = look::live_one(connection, id)?;
            let Some(own) = own.filter(|own| is(own, id, token)) else { return Ok(false) };
            let note = ending.note.as_deref();
            if own.settled(at.now) <= at.now {
                let took = own.started.map(|started| at.now.since(started));
                close(connection, &own, ending.state, took, ending.exit_code, note, at.now)?;
                return Ok(true);
            }
            let code = match ending.state {
                State::TimedOut => TIME_LIMIT,
                _ => ending.exit_code.filter(|code| *code != TIME_LIMIT).unwrap_or(1),
            };
            let cancel = (ending.state == State::Cancelled).then_some(note).flatten();
            diesel::update(o::operations.find(id.0))
                .set((
                    o::freed.eq(at.now.0),
                    o::exit_code.eq(code),
                    o::note.eq(note),
                    o::cancel.eq(cancel),
                ))
                .execute(connection)?;
            event(connection, id, "settles", note)?;
            Ok(true)
        })?;
        self.ring();
        Ok(ended)
    }
}

/// What an operation ends as that its owner has left, or did not live to end.
pub(crate) fn left_as(operation: &Operation) -> State {
    match operation.exit_code {
        Some(TIME_LIMIT) => State::TimedOut,
        Some(_) if operation.cancel.is_some() => State::Cancelled,
        Some(_) => State::Failed,
        None => State::Lost,
    }
}
