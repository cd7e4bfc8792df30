//! Which ledger is used: that of this machine, or one on a server that several machines share.

use std::fmt;
use std::time::Duration;

use super::LedgerError;

/// The setting that names a server, as `coordination.url` does.
pub(crate) const URL: &str = "LEM_COORDINATION_URL";

/// Which ledger is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Place {
    /// A file in the state folder of this machine.
    #[default]
    Machine,
    Server(Server),
}

/// A database of `PostgreSQL` that several machines share.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    url: String,
    name: String,
    lease: Duration,
}

/// Who is not heard of for so long, and a third of it, has lost what it had.
pub(crate) const USUAL_LEASE: Duration = Duration::from_secs(15);
/// A heartbeat each third of it has to get there.
pub(crate) const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// What is said to the server where the URL does not say it: whoever waits for an answer of a
/// server that is gone waits no longer than a third of the usual lease.
const DEFAULTS: [(&str, &str); 6] = [
    ("application_name", "lem"),
    ("connect_timeout", "5"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "2"),
    ("tcp_user_timeout", "5000"),
];

impl Server {
    /// The database at a URL.
    ///
    /// # Errors
    /// It is no URL of a `PostgreSQL` database, or the lease is too short to be renewed.
    pub(crate) fn new(url: &str, lease: Option<Duration>) -> Result<Self, LedgerError> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        // What it is instead may be a secret all the same.
        let rest = rest.ok_or(LedgerError::NoUrl)?;
        let lease = lease.unwrap_or(USUAL_LEASE);
        if lease < SHORTEST_LEASE {
            return Err(LedgerError::ShortLease { lease });
        }
        let (place, said) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let name = format!("postgres://{host}/{database}");
        let says = |key: &str| said.split('&').any(|pair| pair.split('=').next() == Some(key));
        let mut url = url.to_owned();
        for (key, value) in DEFAULTS.iter().filter(|(key, _)| !says(key)) {
            let mark = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{mark}{key}={value}"));
        }
        Ok(Self { url, name, lease })
    }

    /// With whatever secret is in it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How long somebody keeps what it has without saying that it is well.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }
}

impl fmt::Display for Server {
    /// Without anybody's name and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Server");
        shown.field("name", &self.name).field("lease", &self.lease).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shown_without_who_asks_it_and_asked_with_limits() {
        let server = Server::new("postgres://me:s3@cret@db.lan:5433/lem?sslmode=disable", None);
        let server = server.unwrap();
        assert_eq!(server.to_string(), "postgres://db.lan:5433/lem");
        assert!(!format!("{server:?}").contains("cret"));
        assert!(server.url().starts_with("postgres://me:s3@cret@db.lan:5433/lem?sslmode=disable&"));
        assert!(server.url().contains("&connect_timeout=5&"));
        let own = Server::new("postgresql://db?connect_timeout=1", None).unwrap();
        assert_eq!(own.to_string(), "postgres://db/");
        assert_eq!(own.url().matches("connect_timeout").count(), 1);
    }

    #[test]
    fn what_is_no_server_is_refused_and_not_repeated() {
        let refused = Server::new("mysql://me:secret@db/lem", None).unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
        let second = Some(Duration::from_secs(1));
        let refused = Server::new("postgres:///lem", second).unwrap_err();
        assert!(matches!(refused, LedgerError::ShortLease { .. }));
    }
}
