//! The ledger's file, read as a stranger reads it.

use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::SqliteConnection;

/// An operation, and how many ends its history has.
#[derive(Debug, QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = Text)]
    pub(super) state: String,
    #[diesel(sql_type = Text)]
    pub(super) agent: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) waited: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub(super) ends: i64,
}

impl Row {
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.state.as_str(), "queued" | "active")
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    id: String,
}

/// The one ledger below a folder of state.
pub(super) fn file(state: &Path) -> PathBuf {
    let mut open = vec![state.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            match entry.file_name().to_str() {
                Some("ledger.db") => return entry.path(),
                _ if entry.file_type().unwrap().is_dir() => open.push(entry.path()),
                _ => {}
            }
        }
    }
    panic!("no ledger below {}", state.display())
}

pub(super) fn rows(ledger: &Path) -> Vec<Row> {
    let question = "SELECT id, state, agent, waited, (SELECT count(*) FROM events \
        WHERE operation = operations.id AND what IN ('done', 'failed', 'timed_out', 'cancelled', \
        'lost', 'rejected', 'expired')) AS ends FROM operations ORDER BY id";
    diesel::sql_query(question).load(&mut open(ledger)).unwrap()
}

/// The owners that the ledger knows.
pub(super) fn owners(ledger: &Path) -> Vec<String> {
    let names: Vec<Name> =
        diesel::sql_query("SELECT id FROM owners").load(&mut open(ledger)).unwrap();
    names.into_iter().map(|name| format!("owner {}", name.id)).collect()
}

fn open(ledger: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(ledger.to_str().unwrap()).unwrap();
    diesel::sql_query("PRAGMA busy_timeout = 20000").execute(&mut connection).unwrap();
    connection
}
