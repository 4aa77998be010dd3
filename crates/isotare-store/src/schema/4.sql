-- Version 4: who measured a sample stands with it, and a session says what has to be known of its workloads. For older
-- sessions `migrate.rs` fills in what those versions knew of a workload by its name. What a session said on standard error is
-- kept with it.

ALTER TABLE sample ADD COLUMN source TEXT NOT NULL DEFAULT 'workload';   -- workload, sampler

UPDATE sample SET source = 'sampler'
WHERE role IS NOT NULL
   OR metric IN (SELECT metric FROM sample WHERE role IS NOT NULL)
   OR metric IN (SELECT number FROM metric
                 WHERE name GLOB 'cgroup_*' OR name GLOB 'host_*' OR name GLOB 'perf_*' OR name GLOB 'inside_*'
                    OR name GLOB 'thread_cpu*');

ALTER TABLE session ADD COLUMN workloads TEXT NOT NULL DEFAULT '{}';     -- JSON: spec to what has to be known

UPDATE session SET plan = json_set(plan, '$.accept_different_output', json('false'));

CREATE TABLE log (
    session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,              -- since 1970, UTC
    line    TEXT NOT NULL,
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;
