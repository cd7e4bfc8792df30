//! What ended long ago is forgotten.
//!
//! 2026-11-21: after 30 days, or when 10,000 newer ones are there. An owner that joins does it, the
//! first one of each day; a few hundred at a time, so that nobody waits behind it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, SystemTime};

use diesel::prelude::*;
use jiff::{SignedDuration, Timestamp};

use super::schema::operations;
use super::{Ledger, LedgerError};

/// How long an operation is remembered that has ended.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many are remembered.
const KEPT: i64 = 10_000;
/// How many are forgotten in one transaction.
const AT_ONCE: i64 = 500;
/// Between two times.
const A_DAY: Duration = Duration::from_secs(86_400);
/// The file that was touched the last time.
const MARK: &str = "tidied";

impl Ledger {
    /// Forgets what ended long ago, unless that was done today.
    pub(crate) fn tidy(&mut self) -> Result<(), LedgerError> {
        let mark = self.folder.join(MARK);
        let touched = std::fs::metadata(&mark).and_then(|it| it.modified()).ok();
        if touched.and_then(|at| at.elapsed().ok()).is_some_and(|age| age < A_DAY) {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o660).open(&mark);
        let touching = file.and_then(|file| file.set_modified(SystemTime::now()));
        // Without the mark everybody would do it again.
        touching.map_err(|source| LedgerError::Folder { path: mark, source })?;
        self.forget_before(Timestamp::now().saturating_sub(KEPT_FOR).unwrap_or_default(), KEPT)
    }

    fn forget_before(&mut self, before: Timestamp, kept: i64) -> Result<(), LedgerError> {
        use operations::dsl as o;
        let before = before.to_string();
        loop {
            let gone = self.writing(|connection, _| {
                let newest: Option<i64> =
                    o::operations.select(diesel::dsl::max(o::id)).get_result(connection)?;
                let oldest = newest.unwrap_or(0) - kept;
                let old: Vec<i64> = o::operations
                    .filter(o::ended_at.is_not_null())
                    .filter(o::ended_at.lt(&before).or(o::id.le(oldest)))
                    .order(o::id)
                    .limit(AT_ONCE)
                    .select(o::id)
                    .load(connection)?;
                // Their events go with them.
                diesel::delete(o::operations.filter(o::id.eq_any(&old))).execute(connection)
            })?;
            if i64::try_from(gone).unwrap_or(0) < AT_ONCE {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::sql_query;

    use super::*;
    use crate::coordination::ledger::schema::events;

    /// A ledger with so many operations that ended so many days ago, and one that runs.
    fn ledger(folder: &std::path::Path, ended: i64, days: i64) -> Ledger {
        let mut ledger = Ledger::open_in(folder).unwrap();
        let now = Timestamp::now();
        let at = now - SignedDuration::from_hours(days * 24);
        let row = |state: &str, ended: &str| {
            format!(
                "INSERT INTO operations (state, parts, what, agent, priority, rank, project, \
                 on_conflict, over_shared, requested_at, ended_at, queued, owner, who, settle) \
                 VALUES ('{state}', '[]', 'x', 'a', 5, 0, '', 'queue', 0, '{at}', {ended}, 0, 'o', \
                 'w', 0)"
            )
        };
        let done = row("done", &format!("'{at}'"));
        let active = row("active", "NULL");
        ledger
            .writing(|connection, _| {
                sql_query(&active).execute(connection)?;
                for _ in 0..ended {
                    sql_query(&done).execute(connection)?;
                }
                sql_query(
                    "INSERT INTO events (operation, at, what) SELECT id, '', 'x' FROM operations",
                )
                .execute(connection)
            })
            .unwrap();
        ledger
    }

    /// Operations and events that are there.
    fn left(ledger: &mut Ledger) -> (i64, i64) {
        ledger
            .reading(|connection, _| {
                Ok((
                    operations::table.count().get_result(connection)?,
                    events::table.count().get_result(connection)?,
                ))
            })
            .unwrap()
    }

    #[test]
    fn what_ended_a_month_ago_is_forgotten_with_its_history_and_what_runs_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = ledger(folder.path(), 1_100, 31);
        ledger.tidy().unwrap();
        assert_eq!(left(&mut ledger), (1, 1));
        let folder = tempfile::tempdir().unwrap();
        let mut young = self::ledger(folder.path(), 7, 29);
        young.tidy().unwrap();
        assert_eq!(left(&mut young), (8, 8));
    }

    #[test]
    fn beyond_so_many_the_oldest_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = ledger(folder.path(), 20, 1);
        ledger.forget_before(Timestamp::UNIX_EPOCH, 5).unwrap();
        // The one that runs is the oldest of all.
        assert_eq!(left(&mut ledger), (6, 6));
    }

    #[test]
    fn it_is_done_once_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = ledger(folder.path(), 0, 0);
        ledger.tidy().unwrap();
        let at = Timestamp::now() - KEPT_FOR - KEPT_FOR;
        let age = format!("UPDATE operations SET state = 'done', ended_at = '{at}'");
        ledger.writing(|connection, _| sql_query(&age).execute(connection)).unwrap();
        ledger.tidy().unwrap();
        assert_eq!(left(&mut ledger).0, 1);
        let mark = OpenOptions::new().write(true).open(folder.path().join(MARK)).unwrap();
        mark.set_modified(SystemTime::now() - A_DAY).unwrap();
        ledger.tidy().unwrap();
        assert_eq!(left(&mut ledger).0, 0);
    }
}
