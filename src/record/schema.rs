//! The tables of `lem.db`.

diesel::table! {
    campaigns (id) {
        id -> Text,
        campaign -> Text,
        file -> Text,
        plan -> Text,
        seed -> Nullable<BigInt>,
        settings -> Text,
        state -> Text,
        started_at -> Text,
        ended_at -> Nullable<Text>,
    }
}

diesel::table! {
    runs (instance, position) {
        instance -> Text,
        position -> BigInt,
        run -> Text,
        experiment -> Text,
        repetition -> BigInt,
        cycle -> BigInt,
        name -> Text,
        state -> Text,
        verdict -> Nullable<Text>,
        exit_code -> Nullable<Integer>,
        attempts -> BigInt,
        started_at -> Nullable<Text>,
        ended_at -> Nullable<Text>,
        seconds -> Nullable<Double>,
        command_seconds -> Nullable<Double>,
        result -> Nullable<Text>,
    }
}

/// Makes the tables; a file that has them already is left as it is.
pub(super) const CREATE: &str = "
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
";

/// The version of the tables, kept in `PRAGMA user_version`.
pub(super) const VERSION: i32 = 1;
