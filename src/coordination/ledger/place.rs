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
    /// Passwords in the URL, as they are written there.
    secrets: Vec<String>,
}

/// Who is not heard of for so long, and a third of it, has lost what it had.
pub(crate) const USUAL_LEASE: Duration = Duration::from_secs(15);
/// A heartbeat each third of it has to get there.
pub(crate) const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// What is said to the server where the URL does not say it: whoever waits for an answer of a
/// server that is gone waits no longer than a third of the usual lease.
const DEFAULTS: [(&str, &str); 7] = [
    ("application_name", "lem"),
    ("connect_timeout", "5"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "2"),
    ("tcp_user_timeout", "5000"),
    // Of several hosts, the one that can keep something.
    ("target_session_attrs", "primary"),
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
        // A password with such characters in it is cut in two, of which one would be shown.
        if database.contains('@') || said.contains('@') || !is_encoded(url) {
            return Err(LedgerError::NoUrl);
        }
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let password = user.split_once(':').map(|(_, password)| password);
        let named = said.split('&').filter_map(|pair| pair.strip_prefix("password="));
        let secrets = password.into_iter().chain(named).filter(|secret| !secret.is_empty());
        let secrets = secrets.map(str::to_owned).collect();
        let name = format!("postgres://{host}/{database}");
        let says = |key: &str| said.split('&').any(|pair| pair.split('=').next() == Some(key));
        let mut url = url.to_owned();
        for (key, value) in DEFAULTS.iter().filter(|(key, _)| !says(key)) {
            let mark = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{mark}{key}={value}"));
        }
        Ok(Self { url, name, lease, secrets })
    }

    /// With whatever secret is in it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What a server or its client said, without a password of ours in it.
    pub(super) fn without_secrets(&self, words: &str) -> String {
        self.secrets.iter().fold(words.to_owned(), |words, secret| words.replace(secret, "…"))
    }

    /// How long somebody keeps what it has without saying that it is well.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }
}

/// Whether each `%` begins a character.
fn is_encoded(url: &str) -> bool {
    url.split('%')
        .skip(1)
        .all(|rest| rest.get(..2).is_some_and(|code| code.bytes().all(|it| it.is_ascii_hexdigit())))
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
        let server = Server::new("postgres://me:s3%40cret@db.lan:5433/lem?sslmode=disable", None);
        let server = server.unwrap();
        assert_eq!(server.to_string(), "postgres://db.lan:5433/lem");
        assert!(!format!("{server:?}").contains("cret"));
        assert!(
            server.url().starts_with("postgres://me:s3%40cret@db.lan:5433/lem?sslmode=disable&")
        );
        assert!(server.url().contains("&connect_timeout=5&"));
        let own = Server::new("postgresql://db?connect_timeout=1", None).unwrap();
        assert_eq!(own.to_string(), "postgres://db/");
        assert_eq!(own.url().matches("connect_timeout").count(), 1);
    }

    #[test]
    fn what_is_no_server_is_refused_and_not_repeated() {
        for url in [
            "mysql://me:secret@db/lem",
            "postgres://me:sec/ret@db/lem",
            "postgres://me:sec?ret@db/lem",
            "postgres://me:sec%zzret@db/lem",
            "postgres://db/lem?password=sec%zzret",
        ] {
            let refused = Server::new(url, None).unwrap_err();
            assert!(matches!(refused, LedgerError::NoUrl), "{url}");
            assert!(!refused.to_string().contains("ret"), "{refused}");
        }
        let server = Server::new("postgres://db/lem?password=secret", None).unwrap();
        assert_eq!(server.without_secrets("`secret` is wrong"), "`…` is wrong");
        let second = Some(Duration::from_secs(1));
        let refused = Server::new("postgres:///lem", second).unwrap_err();
        assert!(matches!(refused, LedgerError::ShortLease { .. }));
    }
}
