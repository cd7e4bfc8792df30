//! The ledger, read as a stranger reads it: a file, or a server where `LEM_TEST_LEDGER=postgres`.

use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use crate::support::Scene;
use crate::support::postgres::Postgres;

/// An operation, and how many ends its history has.
#[derive(Debug, QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = Text)]
    pub(super) state: String,
    #[diesel(sql_type = Text)]
    pub(super) agent: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) waited: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub(super) ends: i64,
}

impl Row {
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.state.as_str(), "queued" | "active")
    }

    fn of(line: &str) -> Option<Self> {
        let columns: Vec<&str> = line.split('|').collect();
        let [id, state, agent, waited, ends] = columns.try_into().ok()?;
        Some(Self {
            id: id.parse().ok()?,
            state: state.to_owned(),
            agent: agent.to_owned(),
            waited: waited.parse().ok(),
            ends: ends.parse().ok()?,
        })
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    id: String,
}

/// What the ledger of a torture is kept in.
pub(super) enum Ledger {
    File,
    Server(Postgres),
}

const DATABASE: &str = "ledger";

impl Ledger {
    /// Has the lems of a scene use it.
    pub(super) fn of(scene: &mut Scene) -> Self {
        if std::env::var_os("LEM_TEST_LEDGER").is_none_or(|it| it != "postgres") {
            return Self::File;
        }
        let server = Postgres::start();
        scene.set("LEM_COORDINATION_URL", &server.database(DATABASE));
        Self::Server(server)
    }

    pub(super) fn rows(&self, state: &Path) -> Vec<Row> {
        let question = |schema: &str| {
            format!(
                "SELECT id, state, agent, waited, (SELECT count(*) FROM {schema}events \
                 WHERE operation = operations.id AND what IN ('done', 'failed', 'timed_out', \
                 'cancelled', 'lost', 'rejected', 'expired')) AS ends FROM {schema}operations \
                 AS operations ORDER BY id"
            )
        };
        match self {
            Self::File => diesel::sql_query(question("")).load(&mut open(state)).unwrap(),
            Self::Server(server) => {
                let lines = server.ask(DATABASE, &question("lem."));
                lines.lines().map(|line| Row::of(line).unwrap()).collect()
            }
        }
    }

    /// The owners that the ledger knows.
    pub(super) fn owners(&self, state: &Path) -> Vec<String> {
        let names: Vec<String> = match self {
            Self::File => {
                let names: Vec<Name> =
                    diesel::sql_query("SELECT id FROM owners").load(&mut open(state)).unwrap();
                names.into_iter().map(|name| name.id).collect()
            }
            Self::Server(server) => server
                .ask(DATABASE, "SELECT id FROM lem.owners")
                .lines()
                .map(str::to_owned)
                .collect(),
        };
        names.into_iter().map(|name| format!("owner {name}")).collect()
    }
}

/// The one file or folder of that name below a folder of state.
pub(super) fn below(state: &Path, name: &str) -> PathBuf {
    let mut open = vec![state.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.file_name() == name {
                return entry.path();
            }
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    panic!("no {name} below {}", state.display())
}

fn open(state: &Path) -> SqliteConnection {
    let ledger = below(state, "ledger.db");
    let mut connection = SqliteConnection::establish(ledger.to_str().unwrap()).unwrap();
    diesel::sql_query("PRAGMA busy_timeout = 20000").execute(&mut connection).unwrap();
    connection
}
