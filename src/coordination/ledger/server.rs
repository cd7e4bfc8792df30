//! A ledger on a `PostgreSQL` server, which several machines share.
//!
//! 2026-11-30: who writes takes one lock of the database first and keeps it until the end of the
//! transaction, as the gate is passed for a file; the server hands it on in the order in which it was
//! asked for. A lem that was stopped within a transaction is cut off by the server.
//!
//! 2026-11-30: a connection that ends while a transaction does leaves open whether it counted. The
//! server knows: it is asked by the number of the transaction, and nothing is done twice or lost.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Nullable, Text};

use super::db::{Db, Mode};
use super::place::Server;
use super::vantage::Vantage;
use super::{LedgerError, gate};
use crate::coordination::operation::Moment;

/// How long a server may be away that was there, if leases are long.
const AWAY: Duration = Duration::from_secs(60);
/// How long somebody may stand still within a transaction, if leases are long: those of others may
/// be short.
const STANDS_STILL: Duration = Duration::from_secs(5);
/// How often a connection may end within one transaction.
const MOST: usize = 20;
/// How long a transaction may stay undecided whose client is gone.
const UNDECIDED: Duration = Duration::from_secs(30);
/// The channel on which who changed something says so.
const CHANNEL: &str = "lem";

/// The tables are in a schema of their own. What was granted is on the server's disk before anybody
/// acts on it. Nobody waits for ever; and for one who stands still within a transaction nobody waits
/// so long that it could not renew its lease meanwhile.
fn settings(server: &Server) -> String {
    format!(
        "SET search_path TO lem; SET synchronous_commit TO on; SET lock_timeout TO '30s'; \
         SET statement_timeout TO '45s'; SET idle_in_transaction_session_timeout TO {}; \
         LISTEN {CHANNEL}",
        (server.lease() / 3).min(STANDS_STILL).as_millis()
    )
}

/// Connects to it.
pub(super) fn connect(server: &Server) -> ConnectionResult<Db> {
    let connection = PgConnection::establish(server.url());
    let mut connection = connection.map_err(|error| match error {
        ConnectionError::BadConnection(words) => {
            ConnectionError::BadConnection(server.without_secrets(&words))
        }
        error => error,
    })?;
    let settings = connection.batch_execute(&settings(server));
    settings.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(Db::Server(connection))
}

/// Connects again, as long as it may be away.
fn connect_again(server: &Server) -> Result<Db, LedgerError> {
    // Longer than that nobody believes to have anything still.
    let (begun, away) = (Instant::now(), (server.lease() * 2 / 3).min(AWAY));
    loop {
        match connect(server) {
            Ok(db) => return Ok(db),
            Err(_) if begun.elapsed() < away => {
                std::thread::park_timeout(Duration::from_millis(100));
                gate::pause();
            }
            Err(source) => return Err(LedgerError::Away { ledger: server.to_string(), source }),
        }
    }
}

/// A transaction on a server, done once, however often the connection ends.
pub(super) fn transaction<T>(
    server: &Server,
    db: &mut Db,
    mode: Mode,
    vantage: &mut Vantage,
    work: impl Fn(&mut Db, &Vantage) -> QueryResult<T>,
) -> Result<T, LedgerError> {
    let failed = |source| {
        let ledger = server.to_string();
        if is_stuck(&source) {
            return LedgerError::Stuck { ledger, limit: gate::LONGEST };
        }
        LedgerError::Query { ledger, source }
    };
    // One that is done, if it counts.
    let mut undecided: Option<(i64, T)> = None;
    for _ in 0..MOST {
        let error = if let Some((number, done)) = undecided.take() {
            match counts(db, number) {
                Ok(true) => return Ok(done),
                Ok(false) => continue,
                Err(error) => {
                    undecided = Some((number, done));
                    error
                }
            }
        } else {
            let (mut number, mut done) = (None, None);
            let tried = db.transact(mode, |db| {
                vantage.now = match mode {
                    Mode::Reading => now(db)?,
                    Mode::Noting => {
                        db.batch_execute("SET LOCAL synchronous_commit TO off")?;
                        now(db)?
                    }
                    Mode::Writing => {
                        let (own, now) = enter(db)?;
                        number = Some(own);
                        now
                    }
                };
                done = Some(work(db, vantage)?);
                Ok(())
            });
            match (tried, done) {
                (Ok(()), Some(done)) => return Ok(done),
                (Ok(()), None) => continue,
                (Err(error), done) => {
                    undecided = number.zip(done);
                    error
                }
            }
        };
        if is_crossed(&error) {
            gate::pause();
            continue;
        }
        if !is_cut_off(db, &error) {
            return Err(failed(error));
        }
        *db = connect_again(server)?;
    }
    Err(failed(Error::BrokenTransactionManager))
}

/// Waits until nobody else writes. The number of this transaction, and when it is.
fn enter(db: &mut Db) -> QueryResult<(i64, Moment)> {
    // `lem` in ASCII.
    db.batch_execute("SELECT pg_advisory_xact_lock(7103853)")?;
    // Asked after the lock was had: what others did before is seen, and is before.
    let (number, now) =
        diesel::select((sql::<BigInt>("txid_current()"), clock())).get_result(db)?;
    Ok((number, Moment(now)))
}

/// Now, by the clock of the server: in milliseconds, the same for everybody.
fn now(db: &mut Db) -> QueryResult<Moment> {
    diesel::select(clock()).get_result(db).map(Moment)
}

fn clock() -> diesel::expression::SqlLiteral<BigInt> {
    sql::<BigInt>("(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
}

/// Whether a transaction counts whose connection ended with it.
fn counts(db: &mut Db, number: i64) -> QueryResult<bool> {
    let begun = Instant::now();
    loop {
        let state = sql::<Nullable<Text>>("txid_status(").bind::<BigInt, _>(number).sql(")");
        let state: Option<String> = diesel::select(state).get_result(db)?;
        match state.as_deref() {
            Some("committed") => return Ok(true),
            Some("in progress") if begun.elapsed() < UNDECIDED => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Some("in progress") => {
                let words = "a transaction of this lem is undecided".to_owned();
                return Err(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(words)));
            }
            _ => return Ok(false),
        }
    }
}

/// Whether it was the connection that failed, and not the question.
fn is_cut_off(db: &mut Db, error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _,
        )
        | Error::BrokenTransactionManager => true,
        Error::DatabaseError(DatabaseErrorKind::Unknown, _) => {
            db.batch_execute("SELECT 1").is_err()
        }
        _ => false,
    }
}

/// Whether two were in each other's way, of whom one was to begin anew.
fn is_crossed(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _))
        || error.to_string().contains("deadlock detected")
}

/// Whether somebody else had it for too long.
fn is_stuck(error: &Error) -> bool {
    error.to_string().contains("lock timeout")
}

/// Tells everybody who listens.
pub(super) fn ring(db: &mut Db) -> QueryResult<()> {
    db.batch_execute(&format!("NOTIFY {CHANNEL}"))
}

/// Whether somebody rang since the last time, or nobody knows. Waits for nothing.
pub(super) fn rang(connection: &mut PgConnection) -> bool {
    let mut rang = false;
    for word in connection.notifications_iter() {
        rang = true;
        // It is cut off, and says so for ever.
        if word.is_err() {
            break;
        }
    }
    rang
}
