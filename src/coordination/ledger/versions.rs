//! The versions of the ledger: how an empty one becomes the first, and each one the next.
//!
//! A step is never edited once a lem has written ledgers with it: it only ever gets a successor.

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::Db;

/// The steps of a file, in order. One whose `PRAGMA user_version` is n has had the first n.
const OF_A_FILE: [&str; 2] = [include_str!("steps/file-1.sql"), include_str!("steps/file-2.sql")];
/// The steps of a server, which counts them in a table.
const OF_A_SERVER: [&str; 1] = [include_str!("steps/server-1.sql")];

/// How the version of a ledger compares with this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Ours,
    Older,
    Newer,
}

fn steps_of(db: &Db) -> &'static [&'static str] {
    match db {
        Db::File(_) => &OF_A_FILE,
        Db::Server(_) => &OF_A_SERVER,
    }
}

/// The version of a ledger.
pub(super) fn of(db: &mut Db) -> QueryResult<Version> {
    Ok(match steps_had(db)?.cmp(&steps_of(db).len()) {
        std::cmp::Ordering::Less => Version::Older,
        std::cmp::Ordering::Equal => Version::Ours,
        std::cmp::Ordering::Greater => Version::Newer,
    })
}

fn steps_had(db: &mut Db) -> QueryResult<usize> {
    let number = match db {
        Db::File(_) => sql::<BigInt>("(SELECT user_version FROM pragma_user_version)"),
        Db::Server(_) => {
            let table = sql::<Nullable<Text>>("to_regclass('lem.version')::text");
            if diesel::select(table).get_result::<Option<String>>(db)?.is_none() {
                return Ok(0);
            }
            // Somebody else may make it in this moment: the table is seen, and what is in it is not.
            sql::<BigInt>("coalesce((SELECT steps FROM lem.version), 0)")
        }
    };
    let number: i64 = diesel::select(number).get_result(db)?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

/// Brings a ledger to the newest version, within the caller's transaction.
pub(super) fn bring_up(db: &mut Db) -> QueryResult<()> {
    if let Db::Server(_) = db {
        // Who may use a schema may not be who may make one.
        let there = sql::<Nullable<Text>>("to_regnamespace('lem')::text");
        if diesel::select(there).get_result::<Option<String>>(db)?.is_none() {
            db.batch_execute("CREATE SCHEMA lem")?;
        }
    }
    bring_up_by(steps_of(db), db)
}

fn bring_up_by(steps: &[&str], db: &mut Db) -> QueryResult<()> {
    for (number, step) in steps.iter().enumerate().skip(steps_had(db)?) {
        db.batch_execute(step)?;
        let number = number + 1;
        db.batch_execute(&match db {
            Db::File(_) => format!("PRAGMA user_version = {number}"),
            Db::Server(_) => format!("UPDATE version SET steps = {number}"),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use diesel::sqlite::SqliteConnection;

    use super::*;
    use crate::coordination::ledger::db::Mode;

    const ONE: &str = "CREATE TABLE a (n INTEGER) STRICT; INSERT INTO a VALUES (1);";
    const TWO: &str = "ALTER TABLE a ADD COLUMN m INTEGER; UPDATE a SET m = n + 1;";

    fn empty() -> Db {
        Db::File(SqliteConnection::establish(":memory:").unwrap())
    }

    fn all(db: &mut Db) -> (usize, i64) {
        let sum = diesel::dsl::sql::<BigInt>("(SELECT sum(n + m) FROM a)");
        (steps_had(db).unwrap(), diesel::select(sum).get_result(db).unwrap())
    }

    #[test]
    fn a_file_gets_the_steps_that_it_has_not_had_whenever_it_was_made() {
        let mut old = empty();
        bring_up_by(&[ONE], &mut old).unwrap();
        bring_up_by(&[ONE, TWO], &mut old).unwrap();
        bring_up_by(&[ONE, TWO], &mut old).unwrap();
        let mut new = empty();
        bring_up_by(&[ONE, TWO], &mut new).unwrap();
        assert_eq!((all(&mut old), all(&mut new)), ((2, 3), (2, 3)));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let mut file = empty();
        bring_up_by(&[ONE, TWO], &mut file).unwrap();
        let broken = [ONE, TWO, "DELETE FROM a; CREATE TABLE a (n INTEGER);"];
        file.transact(Mode::Writing, |file| bring_up_by(&broken, file)).unwrap_err();
        assert_eq!(all(&mut file), (2, 3));
    }

    #[test]
    fn the_ledger_of_a_newer_lem_is_left_alone() {
        let mut file = empty();
        assert_eq!(of(&mut file).unwrap(), Version::Older);
        bring_up(&mut file).unwrap();
        assert_eq!(of(&mut file).unwrap(), Version::Ours);
        file.batch_execute(&format!("PRAGMA user_version = {}", OF_A_FILE.len() + 1)).unwrap();
        assert_eq!(of(&mut file).unwrap(), Version::Newer);
    }
}
