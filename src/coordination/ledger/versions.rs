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
    seq INTEGER PRIMARY KEY NOT NULL,
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
    Ok(match steps_had(connection)?.cmp(&STEPS.len()) {
        std::cmp::Ordering::Less => Version::Older,
        std::cmp::Ordering::Equal => Version::Ours,
        std::cmp::Ordering::Greater => Version::Newer,
    })
}

fn steps_had(connection: &mut SqliteConnection) -> QueryResult<usize> {
    let version: i64 = diesel::select(diesel::dsl::sql::<BigInt>(
        "(SELECT user_version FROM pragma_user_version)",
    ))
    .get_result(connection)?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Brings the file to the newest version, within the caller's transaction.
pub(super) fn bring_up(connection: &mut SqliteConnection) -> QueryResult<()> {
    bring_up_by(&STEPS, connection)
}

fn bring_up_by(steps: &[&str], connection: &mut SqliteConnection) -> QueryResult<()> {
    for (number, step) in steps.iter().enumerate().skip(steps_had(connection)?) {
        connection.batch_execute(step)?;
        connection.batch_execute(&format!("PRAGMA user_version = {}", number + 1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "CREATE TABLE a (n INTEGER) STRICT; INSERT INTO a VALUES (1);";
    const TWO: &str = "ALTER TABLE a ADD COLUMN m INTEGER; UPDATE a SET m = n + 1;";

    fn all(connection: &mut SqliteConnection) -> (usize, i64) {
        let sum = diesel::dsl::sql::<BigInt>("(SELECT sum(n + m) FROM a)");
        (steps_had(connection).unwrap(), diesel::select(sum).get_result(connection).unwrap())
    }

    #[test]
    fn a_file_gets_the_steps_that_it_has_not_had_whenever_it_was_made() {
        let mut old = SqliteConnection::establish(":memory:").unwrap();
        bring_up_by(&[ONE], &mut old).unwrap();
        bring_up_by(&[ONE, TWO], &mut old).unwrap();
        bring_up_by(&[ONE, TWO], &mut old).unwrap();
        let mut new = SqliteConnection::establish(":memory:").unwrap();
        bring_up_by(&[ONE, TWO], &mut new).unwrap();
        assert_eq!((all(&mut old), all(&mut new)), ((2, 3), (2, 3)));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let mut file = SqliteConnection::establish(":memory:").unwrap();
        bring_up_by(&[ONE, TWO], &mut file).unwrap();
        let broken = [ONE, TWO, "DELETE FROM a; CREATE TABLE a (n INTEGER);"];
        let bring_up = |file: &mut SqliteConnection| bring_up_by(&broken, file);
        file.immediate_transaction(bring_up).unwrap_err();
        assert_eq!(all(&mut file), (2, 3));
    }

    #[test]
    fn the_ledger_of_a_newer_lem_is_left_alone() {
        let mut file = SqliteConnection::establish(":memory:").unwrap();
        assert_eq!(of(&mut file).unwrap(), Version::Older);
        bring_up(&mut file).unwrap();
        assert_eq!(of(&mut file).unwrap(), Version::Ours);
        file.batch_execute(&format!("PRAGMA user_version = {}", STEPS.len() + 1)).unwrap();
        assert_eq!(of(&mut file).unwrap(), Version::Newer);
    }
}
