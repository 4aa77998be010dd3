-- Version 2: what disturbed a trial, spare blocks for repeats, stopping on precision (`ended` can be `precise` now), and readings
-- of both clocks while a job runs. Nobody looked for any of it in older sessions, which shows: null, no spare block, no reading.

ALTER TABLE trial ADD COLUMN noise TEXT;   -- JSON: the canary, and what the host counted; NULL: nobody looked

UPDATE trial SET clock = json_set(clock, '$.during', json('[]')) WHERE clock IS NOT NULL;

UPDATE session SET plan = json_set(plan, '$.spare', 0, '$.stopping', json('null'), '$.gate', json('null'));
