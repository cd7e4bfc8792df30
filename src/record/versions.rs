//! The versions of `lem.db`: how an empty file becomes the first, and each one the next.
//!
//! A step is never edited once a lem has written files with it: it only ever gets a successor.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

/// The steps in order. A file whose `PRAGMA user_version` is n has had the first n.
const STEPS: [&str; 3] = [
    "
CREATE TABLE IF NOT EXISTS campaigns (
    id TEXT PRIMARY KEY NOT NULL,
    campaign TEXT NOT NULL,
    file TEXT NOT NULL,
    plan TEXT NOT NULL,
    seed INTEGER,
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS runs (
    instance TEXT NOT NULL REFERENCES campaigns (id),
    position INTEGER NOT NULL,
    run TEXT NOT NULL,
    experiment TEXT NOT NULL,
    repetition INTEGER NOT NULL,
    cycle INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    verdict TEXT,
    exit_code INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    started_at TEXT,
    ended_at TEXT,
    seconds REAL,
    command_seconds REAL,
    result TEXT,
    PRIMARY KEY (instance, position)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE campaigns ADD COLUMN structure TEXT;
ALTER TABLE campaigns ADD COLUMN cycles INTEGER;
ALTER TABLE runs ADD COLUMN service TEXT;
ALTER TABLE runs ADD COLUMN strategy TEXT;
ALTER TABLE runs ADD COLUMN gate_seconds REAL;
ALTER TABLE runs ADD COLUMN gap_seconds REAL;
ALTER TABLE runs ADD COLUMN idle_seconds REAL;
ALTER TABLE runs ADD COLUMN dropped_at TEXT;
CREATE TABLE experiments (
    instance TEXT NOT NULL REFERENCES campaigns (id),
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    backend TEXT,
    config TEXT NOT NULL,
    source TEXT,
    PRIMARY KEY (instance, hash)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE campaigns ADD COLUMN basis TEXT;
",
];

/// The newest version.
pub(super) const NEWEST: usize = STEPS.len();
/// The first version whose runs may have been dropped from their campaign.
pub(super) const WITH_DROPPED: usize = 2;

/// Whether this lem understands a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Ours,
    Newer,
}

/// Brings a file to the newest version, in one transaction; one of a newer lem is left as it is.
pub(super) fn bring_up(connection: &mut SqliteConnection) -> QueryResult<Version> {
    match of(connection)? {
        version if version > NEWEST => return Ok(Version::Newer),
        version if version == NEWEST => return Ok(Version::Ours),
        _ => {}
    }
    connection.immediate_transaction(|connection| {
        // Another lem may have been quicker.
        for (version, step) in (1..).zip(STEPS).skip(of(connection)?) {
            connection.batch_execute(step)?;
            connection.batch_execute(&format!("PRAGMA user_version = {version};"))?;
        }
        Ok(Version::Ours)
    })
}

/// The version of a file.
pub(super) fn of(connection: &mut SqliteConnection) -> QueryResult<usize> {
    let version: i32 = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>(
        "(SELECT user_version FROM pragma_user_version)",
    ))
    .get_result(connection)?;
    Ok(usize::try_from(version).unwrap_or_default())
}

#[cfg(test)]
pub(super) const FIRST: &str = STEPS[0];
