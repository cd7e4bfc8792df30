//! The versions of the ledger: how an empty file becomes the first, and each one the next.
//!
//! A step is never edited once a lem has written files with it: it only ever gets a successor.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

/// The steps in order. A file whose `PRAGMA user_version` is n has had the first n.
const STEPS: [&str; 1] = ["
CREATE TABLE meta (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    store TEXT NOT NULL,
    boot TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    counter INTEGER NOT NULL
) STRICT;
CREATE TABLE owners (
    id TEXT PRIMARY KEY NOT NULL,
    host TEXT NOT NULL,
    boot TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_start INTEGER NOT NULL,
    namespace INTEGER NOT NULL,
    file TEXT NOT NULL,
    who TEXT NOT NULL,
    heartbeat INTEGER NOT NULL
) STRICT;
CREATE TABLE operations (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    state TEXT NOT NULL,
    kind TEXT,
    parts TEXT NOT NULL,
    what TEXT NOT NULL,
    command TEXT,
    agent TEXT NOT NULL,
    reason TEXT,
    priority INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    project TEXT NOT NULL,
    on_conflict TEXT NOT NULL,
    over_shared INTEGER NOT NULL,
    parent INTEGER,
    requested_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    queued INTEGER NOT NULL,
    started INTEGER,
    took INTEGER,
    waited INTEGER,
    expect INTEGER,
    limit_ms INTEGER,
    owner TEXT NOT NULL,
    who TEXT NOT NULL,
    token INTEGER,
    step TEXT,
    step_until INTEGER,
    settle INTEGER NOT NULL,
    freed INTEGER,
    cancel TEXT,
    exit_code INTEGER,
    note TEXT
) STRICT;
CREATE INDEX operations_that_live ON operations (rank, id) WHERE state IN ('queued', 'active');
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    operation INTEGER NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    at TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT
) STRICT;
CREATE INDEX events_of ON events (operation);
CREATE TABLE containers (
    resource TEXT PRIMARY KEY NOT NULL,
    names TEXT NOT NULL,
    ports TEXT NOT NULL,
    needs TEXT,
    source TEXT NOT NULL,
    learned_at TEXT NOT NULL
) STRICT;
CREATE TABLE engines (
    endpoint TEXT PRIMARY KEY NOT NULL,
    stamp TEXT NOT NULL,
    engine TEXT NOT NULL,
    learned_at TEXT NOT NULL
) STRICT;
"];

/// How the version of a file compares with this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Ours,
    Older,
    Newer,
}

/// The version of the file.
pub(super) fn of(connection: &mut SqliteConnection) -> QueryResult<Version> {
    let version: i64 = diesel::select(diesel::dsl::sql::<BigInt>(
        "(SELECT user_version FROM pragma_user_version)",
    ))
    .get_result(connection)?;
    let had = usize::try_from(version).unwrap_or(usize::MAX);
    Ok(match had.cmp(&STEPS.len()) {
        std::cmp::Ordering::Less => Version::Older,
        std::cmp::Ordering::Equal => Version::Ours,
        std::cmp::Ordering::Greater => Version::Newer,
    })
}

/// Brings the file to the newest version, within the caller's transaction.
pub(super) fn bring_up(connection: &mut SqliteConnection) -> QueryResult<()> {
    let version: i64 = diesel::select(diesel::dsl::sql::<BigInt>(
        "(SELECT user_version FROM pragma_user_version)",
    ))
    .get_result(connection)?;
    let had = usize::try_from(version).unwrap_or(usize::MAX);
    for (number, step) in STEPS.iter().enumerate().skip(had) {
        connection.batch_execute(step)?;
        connection.batch_execute(&format!("PRAGMA user_version = {}", number + 1))?;
    }
    Ok(())
}
