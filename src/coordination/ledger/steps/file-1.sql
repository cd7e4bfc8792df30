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
