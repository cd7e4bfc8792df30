CREATE TABLE version (steps BIGINT NOT NULL);
INSERT INTO version VALUES (0);
CREATE TABLE meta (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    store TEXT NOT NULL,
    boot TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    counter BIGINT NOT NULL
);
CREATE TABLE owners (
    id TEXT PRIMARY KEY NOT NULL,
    host TEXT NOT NULL,
    boot TEXT NOT NULL,
    pid BIGINT NOT NULL,
    pid_start BIGINT NOT NULL,
    namespace BIGINT NOT NULL,
    file TEXT NOT NULL,
    who TEXT NOT NULL,
    heartbeat BIGINT NOT NULL,
    lease BIGINT NOT NULL
);
CREATE TABLE operations (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state TEXT NOT NULL,
    kind TEXT,
    parts TEXT NOT NULL,
    what TEXT NOT NULL,
    command TEXT,
    agent TEXT NOT NULL,
    reason TEXT,
    priority INTEGER NOT NULL,
    rank BIGINT NOT NULL,
    project TEXT NOT NULL,
    on_conflict TEXT NOT NULL,
    over_shared BOOLEAN NOT NULL,
    parent BIGINT,
    requested_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    queued BIGINT NOT NULL,
    started BIGINT,
    took BIGINT,
    waited BIGINT,
    expect BIGINT,
    limit_ms BIGINT,
    owner TEXT NOT NULL,
    who TEXT NOT NULL,
    token BIGINT,
    step TEXT,
    step_until BIGINT,
    settle BIGINT NOT NULL,
    freed BIGINT,
    cancel TEXT,
    exit_code INTEGER,
    note TEXT
);
CREATE INDEX operations_that_live ON operations (rank, id) WHERE state IN ('queued', 'active');
CREATE TABLE events (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation BIGINT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    at TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT
);
CREATE INDEX events_of ON events (operation);
CREATE TABLE containers (
    resource TEXT PRIMARY KEY NOT NULL,
    names TEXT NOT NULL,
    ports TEXT NOT NULL,
    needs TEXT,
    source TEXT NOT NULL,
    learned_at TEXT NOT NULL
);
CREATE TABLE engines (
    endpoint TEXT PRIMARY KEY NOT NULL,
    stamp TEXT NOT NULL,
    engine TEXT NOT NULL,
    learned_at TEXT NOT NULL
);
