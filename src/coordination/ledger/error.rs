//! What goes wrong with the ledger.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::room;
use crate::yaml::YamlError;

/// The ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("cannot use the folder of the ledger `{}`", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot open the ledger `{ledger}`")]
    Unopened { ledger: String, source: diesel::ConnectionError },
    #[error("cannot read or write the ledger `{ledger}`")]
    Query { ledger: String, source: diesel::result::Error },
    #[error("there is no room left for the ledger `{}` ({free} free)", path.display())]
    Full { path: PathBuf, free: String, source: diesel::result::Error },
    #[error("the ledger `{}` is damaged", path.display())]
    Damaged { path: PathBuf, source: diesel::result::Error },
    #[error("the ledger `{ledger}` was written by a newer lem")]
    Newer { ledger: String },
    #[error("the ledger `{ledger}` holds `{value}`, which means nothing here")]
    Senseless { ledger: String, value: String },
    #[error("the ledger `{ledger}` did not answer within {}", crate::duration::human(*limit))]
    Stuck { ledger: String, limit: Duration },
    #[error("the ledger did not answer within {}", crate::duration::human(*limit))]
    Silent { limit: Duration },
    /// A server that was there, and does not come back.
    #[error("the ledger `{ledger}` does not answer any more")]
    Away { ledger: String, source: diesel::ConnectionError },
    /// Nobody can say which ledger is meant.
    #[error(transparent)]
    Settings(#[from] YamlError),
    #[error("`coordination.url` is no URL of a PostgreSQL database")]
    NoUrl,
    #[error("`coordination.lease` is {}, too short to be renewed in time", crate::duration::human(*lease))]
    ShortLease { lease: Duration },
    #[error("the ledger `{}` is on `{kind}`, where locks of several machines don't meet", path.display())]
    Shared { path: PathBuf, kind: &'static str },
}

impl LedgerError {
    pub(super) fn unopened(ledger: &dyn Display, source: diesel::ConnectionError) -> Self {
        Self::Unopened { ledger: ledger.to_string(), source }
    }
}

/// More than `SQLite` wants at once.
const SIGN: usize = 64 * 1024;

/// What a failed question says about the file.
pub(super) fn of_query(path: &Path, source: diesel::result::Error) -> LedgerError {
    const DAMAGE: [&str; 2] = ["file is not a database", "disk image is malformed"];
    let words = source.to_string();
    if DAMAGE.iter().any(|damage| words.contains(damage)) {
        return LedgerError::Damaged { path: path.to_owned(), source };
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let perhaps = ["disk I/O error", "unable to open database file"];
    let perhaps = perhaps.iter().any(|complaint| words.contains(complaint));
    let takes_no_more =
        || room::try_writing(folder, SIGN).is_err_and(|error| room::is_full(&error));
    if words.contains("disk is full") || (perhaps && takes_no_more()) {
        return LedgerError::Full { free: room::free(folder), path: path.to_owned(), source };
    }
    LedgerError::Query { ledger: path.display().to_string(), source }
}

/// Whether somebody else had the file at that moment.
pub(super) fn is_busy(source: &diesel::result::Error) -> bool {
    source.to_string().contains("database is locked")
}
