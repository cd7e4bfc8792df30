//! The connection that the questions are asked through: to a file or to a server, in one language.

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

/// A connection to a ledger.
#[derive(diesel::MultiConnection)]
pub(in crate::coordination) enum Db {
    File(SqliteConnection),
    Server(PgConnection),
}

/// What a transaction is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// One moment of the ledger, whatever is written meanwhile.
    Reading,
    Writing,
    /// Says of oneself what nobody decides anything by in the same moment: it keeps nobody waiting,
    /// and waits for nobody.
    Noting,
}

impl Db {
    /// Does something in a transaction. `SQLite` has to be told at once that it will write: it does not
    /// wait for a file that others write to once it has begun to read it.
    pub(super) fn transact<T>(
        &mut self,
        mode: Mode,
        work: impl FnOnce(&mut Self) -> QueryResult<T>,
    ) -> QueryResult<T> {
        const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        // Whatever the database begins with by itself: what was written before the lock was had is seen.
        const EACH_SEES_ALL: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        type Transaction = AnsiTransactionManager;
        match (&mut *self, mode) {
            (Self::File(file), Mode::Reading) => Transaction::begin_transaction(file)?,
            (Self::File(file), Mode::Writing | Mode::Noting) => {
                Transaction::begin_transaction_sql(file, "BEGIN IMMEDIATE")?;
            }
            (Self::Server(server), Mode::Reading) => {
                Transaction::begin_transaction_sql(server, ONE_MOMENT)?;
            }
            (Self::Server(server), Mode::Writing | Mode::Noting) => {
                Transaction::begin_transaction_sql(server, EACH_SEES_ALL)?;
            }
        }
        let done = work(self);
        let ended = match (self, &done) {
            (Self::File(file), Ok(_)) => Transaction::commit_transaction(file),
            (Self::Server(server), Ok(_)) => Transaction::commit_transaction(server),
            (Self::File(file), Err(_)) => Transaction::rollback_transaction(file),
            (Self::Server(server), Err(_)) => Transaction::rollback_transaction(server),
        };
        // What went wrong first is what there is to tell.
        done.and_then(|done| ended.map(|()| done))
    }
}
