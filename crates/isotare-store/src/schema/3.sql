-- Version 3: what a trial wrote is counted, hashed and cut to both ends of each stream instead of kept whole; NULL: it did not
-- run. `migrate.rs` fills the new columns of older trials from the two old ones, which it then drops. A plan has a limit of
-- output now; older sessions had none.

ALTER TABLE trial ADD COLUMN stdout_bytes  INTEGER;
ALTER TABLE trial ADD COLUMN stdout_sha256 TEXT;    -- 64 hexadecimal digits
ALTER TABLE trial ADD COLUMN stdout_head   BLOB;    -- zstd; no bytes: none kept
ALTER TABLE trial ADD COLUMN stdout_tail   BLOB;
ALTER TABLE trial ADD COLUMN stderr_bytes  INTEGER;
ALTER TABLE trial ADD COLUMN stderr_sha256 TEXT;
ALTER TABLE trial ADD COLUMN stderr_head   BLOB;
ALTER TABLE trial ADD COLUMN stderr_tail   BLOB;

-- Streams that are kept whole: the pieces of one, in order, are one zstd file.
CREATE TABLE output (
    trial  INTEGER NOT NULL REFERENCES trial ON DELETE CASCADE,
    stream TEXT NOT NULL,                  -- stdout, stderr
    seq    INTEGER NOT NULL,
    piece  BLOB NOT NULL,
    PRIMARY KEY (trial, stream, seq)
) STRICT;

UPDATE session SET plan = json_set(plan, '$.output_limit', json('null'), '$.keep_output', json('false'));
