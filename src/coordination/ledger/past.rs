//! What is over: lists and numbers of it.

use std::time::Duration;

use diesel::prelude::*;
use jiff::Timestamp;

use super::rows::{OperationRow, duration};
use super::schema::operations;
use super::{Ledger, LedgerError};
use crate::coordination::operation::Operation;
use crate::coordination::resource::Resource;

/// One operation, as far as numbers are made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    /// None for one that only keeps something.
    pub kind: Option<String>,
    pub state: String,
    pub agent: String,
    pub took: Option<Duration>,
    pub waited: Option<Duration>,
}

impl Ledger {
    /// What was asked for since then, for numbers.
    pub(crate) fn counts(&mut self, since: Timestamp) -> Result<Vec<Count>, LedgerError> {
        type Row = (Option<String>, String, String, Option<i64>, Option<i64>);
        let rows: Vec<Row> = self.reading(|connection, _| {
            operations::table
                .filter(operations::requested_at.ge(since.to_string()))
                .select((
                    operations::kind,
                    operations::state,
                    operations::agent,
                    operations::took,
                    operations::waited,
                ))
                .load(connection)
        })?;
        let count = |(kind, state, agent, took, waited): Row| Count {
            kind,
            state,
            agent,
            took: took.map(duration),
            waited: waited.map(duration),
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// What was done lately to a container or what it is in, newest first: the last few.
    pub(crate) fn lately(&mut self, of: &Resource) -> Result<Vec<Operation>, LedgerError> {
        /// More than a container is tried to be started in a row.
        const LAST: i64 = 12;
        let paths: Vec<String> =
            of.above().chain([of.clone()]).map(|it| format!("\"{it}\"")).collect();
        let rows = self.reading(|connection, _| {
            let mut found: Vec<OperationRow> = Vec::new();
            for path in &paths {
                let mut pattern = path.replace('\\', "\\\\").replace('%', "\\%");
                pattern = format!("%{}%", pattern.replace('_', "\\_"));
                found.extend(
                    operations::table
                        .filter(operations::parts.like(pattern).escape('\\'))
                        .filter(operations::state.ne_all(["rejected", "expired"]))
                        .order(operations::id.desc())
                        .limit(LAST)
                        .select(OperationRow::as_select())
                        .load(connection)?,
                );
            }
            found.sort_by_key(|row| std::cmp::Reverse(row.id));
            found.dedup_by_key(|row| row.id);
            Ok(found)
        })?;
        let ledger = self.name();
        rows.into_iter()
            .map(OperationRow::operation)
            .collect::<Result<_, _>>()
            .map_err(|value| LedgerError::Senseless { ledger, value })
    }
}
