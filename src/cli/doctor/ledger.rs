//! Whether the ledger of operations can be used. One in a file is not made for that.

use super::finding::{Check, Finding};
use crate::cli::exit::Failure;
use crate::cli::{ledger, render};
use crate::coordination::asking::ask;
use crate::coordination::error::CoordinationError;
use crate::coordination::ledger::{Ledger, LedgerError};

/// Opens the ledger that the settings name.
pub(super) async fn ledger() -> Finding {
    let opened = match ledger::place() {
        Ok(place) => ask(move || Ledger::open_existing(&place)).await,
        // Which file is wrong, and where, is a finding of its own.
        Err(LedgerError::Settings(_)) => {
            return Finding::not_applicable(Check::Ledger, "nobody can say which one is meant");
        }
        Err(error) => Err(error),
    };
    match opened {
        Ok(Some(ledger)) => Finding::fine(Check::Ledger, ledger.name()),
        Ok(None) => Finding::fine(Check::Ledger, "none yet: the first operation makes it"),
        Err(error) => {
            let error = CoordinationError::from(error);
            let fix = error.hint().unwrap_or_else(|| "see what it says".to_owned());
            Finding::failure(Check::Ledger, render::with_causes(&error), fix)
        }
    }
}
