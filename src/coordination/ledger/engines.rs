//! Which engine is behind an address, as far as it was asked already; and which ledger this is.

use diesel::prelude::*;
use jiff::Timestamp;

use super::schema::{engines, meta};
use super::{Ledger, LedgerError};

/// An engine that answered at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenEngine {
    /// Its id.
    pub engine: String,
    /// What told then whether it is still the same one.
    pub stamp: String,
    pub seen_at: Timestamp,
}

impl Ledger {
    /// The engine that answered at an address last.
    pub(crate) fn engine_at(&mut self, address: &str) -> Result<Option<SeenEngine>, LedgerError> {
        let row: Option<(String, String, String)> = self.reading(|connection, _| {
            engines::table
                .find(address)
                .select((engines::engine, engines::stamp, engines::learned_at))
                .get_result(connection)
                .optional()
        })?;
        Ok(row.and_then(|(engine, stamp, at)| {
            Some(SeenEngine { engine, stamp, seen_at: at.parse().ok()? })
        }))
    }

    /// Notes which engine has answered.
    pub(crate) fn note_engine(
        &mut self,
        address: &str,
        stamp: &str,
        engine: &str,
    ) -> Result<(), LedgerError> {
        let now = Timestamp::now().to_string();
        self.writing(|connection, _| {
            diesel::delete(engines::table.find(address)).execute(connection)?;
            diesel::insert_into(engines::table)
                .values((
                    engines::endpoint.eq(address),
                    engines::stamp.eq(stamp),
                    engines::engine.eq(engine),
                    engines::learned_at.eq(&now),
                ))
                .execute(connection)
                .map(drop)
        })
    }

    /// The id of this ledger.
    pub(crate) fn id(&mut self) -> Result<String, LedgerError> {
        self.reading(|connection, _| meta::table.select(meta::store).get_result(connection))
    }
}
