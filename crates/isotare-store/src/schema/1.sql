-- Version 1. Times are nanoseconds; unsigned numbers of 64 bits are stored as signed ones with the same bits; a value that is
-- not there is NULL, never zero. `seq` is the place in the list that the rows come from.

CREATE TABLE session (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    started      TEXT NOT NULL,            -- RFC 3339, UTC
    version      TEXT NOT NULL,            -- of isotare
    argv         TEXT NOT NULL,            -- JSON: list of texts
    plan         TEXT NOT NULL,            -- JSON
    host         TEXT NOT NULL,            -- JSON
    environments TEXT NOT NULL,            -- JSON: spec to facts, or to why it is not there
    ended        TEXT                      -- complete, time-limit, interrupted; NULL: still running, or killed
) STRICT;

CREATE TABLE trial (
    number              INTEGER PRIMARY KEY,
    session             INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    idx                 INTEGER NOT NULL,  -- position in the session, from 0
    block               INTEGER NOT NULL,
    condition           INTEGER NOT NULL,  -- index into the plan's conditions
    at_ns               INTEGER NOT NULL,  -- since the session began
    outcome             TEXT NOT NULL,
    failure_reason      TEXT,
    failure_diagnostics TEXT,
    latency             BLOB,              -- HDR histogram, V2 encoding
    clock               TEXT,              -- JSON: the readings of both clocks
    facts               TEXT NOT NULL,     -- JSON: name to value
    stdout              BLOB NOT NULL,     -- zstd; no bytes: none written
    stderr              BLOB NOT NULL,
    UNIQUE (session, idx)
) STRICT;

CREATE TABLE phase (
    trial   INTEGER NOT NULL REFERENCES trial ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    phase   TEXT NOT NULL,
    mark    TEXT,                          -- NULL: the phase as a whole
    at_ns   INTEGER NOT NULL,
    took_ns INTEGER NOT NULL,
    PRIMARY KEY (trial, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric (
    number   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    unit     TEXT NOT NULL,
    better   TEXT NOT NULL,                -- higher, lower
    headline INTEGER NOT NULL,
    UNIQUE (name, unit, better, headline)
) STRICT;

CREATE TABLE sample (
    trial  INTEGER NOT NULL REFERENCES trial ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    metric INTEGER NOT NULL REFERENCES metric,
    role   TEXT,                           -- NULL: the workload's own figure, or all roles together
    value  REAL,                           -- NULL: not a number
    PRIMARY KEY (trial, seq)
) STRICT, WITHOUT ROWID;

-- What a time series is of, so that its readings need not repeat it.
CREATE TABLE series (
    number INTEGER PRIMARY KEY,
    metric TEXT NOT NULL,
    role   TEXT NOT NULL,                  -- empty: the whole host or cgroup
    UNIQUE (metric, role)
) STRICT;

CREATE TABLE reading (
    trial  INTEGER NOT NULL REFERENCES trial ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    series INTEGER NOT NULL REFERENCES series,
    at_ns  INTEGER NOT NULL,
    value  REAL,
    PRIMARY KEY (trial, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE observation (
    trial            INTEGER NOT NULL REFERENCES trial ON DELETE CASCADE,
    seq              INTEGER NOT NULL,
    at_ns            INTEGER NOT NULL,
    user_ns          INTEGER NOT NULL,
    system_ns        INTEGER NOT NULL,
    steal_ns         INTEGER NOT NULL,
    memory_available INTEGER,
    PRIMARY KEY (trial, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE interval (
    trial  INTEGER NOT NULL REFERENCES trial ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    at_ns  INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (trial, seq)
) STRICT, WITHOUT ROWID;

-- For people with an SQL prompt.
CREATE VIEW trial_sample AS
    SELECT session.id AS session, trial.idx AS trial, trial.block, trial.outcome,
           json_extract(session.plan, '$.conditions[' || trial.condition || '].environment') AS environment,
           json_extract(session.plan, '$.conditions[' || trial.condition || '].workload') AS workload,
           metric.name AS metric, metric.unit, sample.role, sample.value
    FROM sample
    JOIN trial ON trial.number = sample.trial
    JOIN session ON session.number = trial.session
    JOIN metric ON metric.number = sample.metric;
