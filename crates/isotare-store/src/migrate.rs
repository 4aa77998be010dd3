//! Versions of the schema: each is a step on top of the one before.

use crate::packed::{capture, pack};
use crate::{Store, StoreError};
use isotare_core::{Condition, Dependence, Outcome, WorkloadInfo, WorkloadSpec, shortened};
use rusqlite::types::Type;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// A step from one version to the next: a script, and then code for what SQL alone cannot do.
#[derive(Clone, Copy)]
struct Step {
    script: &'static str,
    then: fn(&Connection) -> rusqlite::Result<()>,
}

impl Step {
    const fn script(script: &'static str) -> Self {
        Self { script, then: |_| Ok(()) }
    }
}

/// The steps: the first creates version 1, the next makes version 2 from version 1, and so on. A released
/// step never changes.
const STEPS: &[Step] = &[
    Step::script(include_str!("schema/1.sql")),
    Step::script(include_str!("schema/2.sql")),
    Step { script: include_str!("schema/3.sql"), then: cut_output },
    Step { script: include_str!("schema/4.sql"), then: know_workloads },
];

/// The operation in errors.
pub(crate) const OPEN: &str = "open store";

/// Version of the schema that this isotare writes.
pub const VERSION: i64 = 4;

/// Marks a file as a store of isotare (`PRAGMA application_id`): "ISOT".
pub(crate) const APPLICATION: i64 = 0x4953_4f54;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing yet.
    Empty,
    /// A store of this version.
    Store(i64),
    /// Another program's database.
    Foreign,
}

/// What is in the file.
pub(crate) fn content(connection: &Connection) -> rusqlite::Result<Content> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (number("application_id")?, number("user_version")?) {
        (APPLICATION, version) => Content::Store(version),
        (0, 0) if tables == 0 => Content::Empty,
        _ => Content::Foreign,
    })
}

/// Refuses files that this isotare cannot read, and returns the version from which the scripts have to run.
pub(crate) fn supported(content: Content, path: &Path, newest: i64) -> Result<i64, StoreError> {
    match content {
        Content::Empty => Ok(0),
        Content::Store(found) if (0..=newest).contains(&found) => Ok(found),
        Content::Store(found) => Err(StoreError::TooNew { path: path.to_owned(), found, supported: newest }),
        Content::Foreign => Err(StoreError::Foreign { path: path.to_owned() }),
    }
}

/// Brings the file to the newest version, all in one transaction, and then frees the space that older
/// versions needed.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = run(connection, path, STEPS)?;
    if (1..VERSION).contains(&found) {
        // It needs as much free space as the file takes, and no other process may use the file. A store that
        // stays large works too, and `Store::vacuum` can be called again.
        let _stays_large = Store::shrink(connection);
    }
    Ok(())
}

/// Runs the steps that are missing. Returns the version that was found.
fn run(connection: &mut Connection, path: &Path, steps: &[Step]) -> Result<i64, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(OPEN, path, error);
    let newest = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    // Checking first avoids the lock of a writer for every later opener.
    if supported(content(connection).map_err(failed)?, path, newest)? == newest {
        return Ok(newest);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = supported(content(&transaction).map_err(failed)?, path, newest)?;
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step.script).map_err(failed)?;
        (step.then)(&transaction).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    transaction.pragma_update(None, "user_version", newest).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(found)
}

/// Version 3: shortens the output of every trial, and the diagnostics of its failure, to the size that is
/// kept now. One trial after the other, so that memory holds one at a time.
fn cut_output(connection: &Connection) -> rusqlite::Result<()> {
    let numbers: Vec<i64> = connection
        .prepare("SELECT number FROM trial")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut read = connection
        .prepare("SELECT stdout, stderr, outcome, failure_diagnostics FROM trial WHERE number = ?1")?;
    let mut explain = connection.prepare("UPDATE trial SET failure_diagnostics = ?2 WHERE number = ?1")?;
    let mut write = connection.prepare(
        "UPDATE trial SET stdout_bytes = ?2, stdout_sha256 = ?3, stdout_head = ?4, stdout_tail = ?5,
             stderr_bytes = ?6, stderr_sha256 = ?7, stderr_head = ?8, stderr_tail = ?9, stdout = x'', stderr = x''
         WHERE number = ?1",
    )?;
    for number in numbers {
        let (stdout, stderr, outcome, diagnostics) = read.query_row([number], |row| {
            let column = |place| {
                let stored = row.get_ref(place)?.as_blob()?;
                capture(stored).map_err(|error| unreadable(place, error))
            };
            Ok((column(0)?, column(1)?, row.get::<_, String>(2)?, row.get::<_, Option<String>>(3)?))
        })?;
        if let Some(diagnostics) = diagnostics {
            explain.execute(params![number, shortened(diagnostics)])?;
        }
        // Older versions did not tell a trial that wrote nothing from one that did not run.
        if stdout.bytes == 0 && stderr.bytes == 0 && outcome != Outcome::Completed.word() {
            continue;
        }
        let packed = |bytes: &[u8]| pack(bytes).map_err(|error| unreadable(0, error));
        write.execute(params![
            number,
            stdout.bytes.cast_signed(),
            stdout.sha256,
            packed(&stdout.head)?,
            packed(&stdout.tail)?,
            stderr.bytes.cast_signed(),
            stderr.sha256,
            packed(&stderr.head)?,
            packed(&stderr.tail)?,
        ])?;
    }
    drop((read, explain, write));
    connection.execute_batch("ALTER TABLE trial DROP COLUMN stdout; ALTER TABLE trial DROP COLUMN stderr")
}

/// Version 4: adds the information about workloads that older versions derived from their names. Older
/// versions did not check that commands did the same work, so the outputs of their sessions are not compared.
fn know_workloads(connection: &Connection) -> rusqlite::Result<()> {
    let sessions: Vec<(i64, String)> = connection
        .prepare("SELECT number, ifnull(json_extract(plan, '$.conditions'), '[]') FROM session")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (number, conditions) in sessions {
        let wrong = |error: serde_json::Error| unreadable(1, error.into());
        let conditions: Vec<Condition> = serde_json::from_str(&conditions).map_err(wrong)?;
        let specs = conditions.into_iter().map(|condition| condition.workload);
        let known: BTreeMap<String, WorkloadInfo> =
            specs.map(|spec| (spec.to_string(), by_name(&spec))).collect();
        let known = serde_json::to_string(&known).map_err(wrong)?;
        connection.execute("UPDATE session SET workloads = ?2 WHERE number = ?1", params![number, known])?;
    }
    Ok(())
}

fn by_name(spec: &WorkloadSpec) -> WorkloadInfo {
    let depends_on = match spec.name.as_str() {
        "fileio" => Some(Dependence::Files),
        "network" => Some(Dependence::Loopback),
        "command" | "sysbench" => Some(Dependence::Programs),
        _ => None,
    };
    let threads = match spec.name.as_str() {
        "cpu" | "memory" | "fileio" | "network" | "threads" | "mutex" | "sysbench" => {
            let given = spec.pairs().find(|(key, _)| *key == "threads");
            given.map_or(Some(1), |(_, threads)| threads.parse().ok())
        }
        _ => None,
    };
    WorkloadInfo { depends_on: depends_on.into_iter().collect(), threads, ..WorkloadInfo::default() }
}

fn unreadable(column: usize, error: io::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::unpack;
    use isotare_core::Captured;

    #[test]
    fn a_later_version_builds_on_a_file_of_version_1() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("old.db");
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/version-1.db"), &path)
            .expect("copied");
        let mut connection = Connection::open(&path).expect("opens");
        let later = [STEPS, &[Step::script("ALTER TABLE session ADD COLUMN note TEXT")]].concat();
        assert_eq!(run(&mut connection, &path, &later).expect("migrates"), 1);
        assert_eq!(content(&connection).expect("readable"), Content::Store(VERSION + 1));
        let noted = "SELECT count(*) FROM session WHERE note IS NULL AND id <> ''";
        let sessions: i64 = connection.query_row(noted, [], |row| row.get(0)).expect("has the column");
        assert_eq!(sessions, 1);

        let error = run(&mut connection, &path, STEPS).expect_err("too new");
        let StoreError::TooNew { found, supported, .. } = error else { panic!("{error}") };
        assert_eq!((found, supported), (VERSION + 1, VERSION));
    }

    /// Bytes that do not compress.
    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            // xorshift64 (Marsaglia 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn whole_outputs_of_older_versions_are_cut_and_the_file_shrinks() {
        const TRIALS: u64 = 8;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("old.db");
        let mut connection = Connection::open(&path).expect("opens");
        run(&mut connection, &path, &STEPS[..2]).expect("version 2");
        connection
            .execute_batch("INSERT INTO session VALUES (1, 's', '', '', '[]', '{}', '{}', '{}', NULL)")
            .expect("a session");
        let insert =
            "INSERT INTO trial (session, idx, block, condition, at_ns, outcome, facts, stdout, stderr)
                      VALUES (1, ?1, ?1, 0, 0, ?2, '{}', ?3, ?4)";
        for index in 0..TRIALS {
            let stdout = zstd::bulk::compress(&noise(1 << 20, index + 1), 1).expect("compressed");
            let stderr = zstd::bulk::compress(b"few words", 1).expect("compressed");
            connection
                .execute(insert, params![index.cast_signed(), "completed", stdout, stderr])
                .expect("a trial");
        }
        let nothing: &[u8] = &[];
        connection.execute(insert, params![90, "completed", nothing, nothing]).expect("a silent trial");
        connection
            .execute(insert, params![91, "failed", nothing, nothing])
            .expect("a trial that did not run");
        let explained = "UPDATE trial SET failure_reason = 'why', failure_diagnostics = ?1 WHERE idx = 91";
        connection.execute(explained, ["console\n".repeat(100_000)]).expect("a long console");
        drop(connection);
        let before = std::fs::metadata(&path).expect("size").len();

        drop(Store::open(&path).expect("migrates"));
        let after = std::fs::metadata(&path).expect("size").len();
        assert!(before > TRIALS << 20 && after < before / 4, "{before} bytes before, {after} after");
        let connection = Connection::open(&path).expect("opens");
        let all = "SELECT stdout_bytes, stdout_sha256, stdout_head, stdout_tail, stderr_head FROM trial ORDER BY idx";
        let mut statement = connection.prepare(all).expect("the columns are there");
        let mut rows = statement.query([]).expect("read");
        let mut next = || {
            let row = rows.next().expect("read").expect("a trial");
            let blob =
                |column: usize| row.get::<_, Vec<u8>>(column).map(|stored| unpack(&stored).expect("zstd"));
            let stdout = row.get::<_, Option<i64>>(0).expect("a number").map(|bytes| Captured {
                bytes: bytes.cast_unsigned(),
                sha256: row.get(1).expect("a hash"),
                head: blob(2).expect("a head"),
                tail: blob(3).expect("a tail"),
            });
            (stdout, blob(4).ok())
        };
        for index in 0..TRIALS {
            let whole = Captured::of(&noise(1 << 20, index + 1));
            assert_eq!(next(), (Some(whole), Some(b"few words".to_vec())), "trial {index}");
        }
        assert_eq!(next(), (Some(Captured::default()), Some(Vec::new())));
        assert_eq!(next(), (None, None));
        let sql = "SELECT failure_diagnostics FROM trial WHERE idx = 91";
        let said: String = connection.query_row(sql, [], |row| row.get(0)).expect("said");
        assert!(said.contains("bytes are omitted") && said.len() < 140_000, "{} bytes", said.len());
    }

    #[test]
    fn the_version_counts_the_steps() {
        assert_eq!(usize::try_from(VERSION), Ok(STEPS.len()));
    }

    #[test]
    fn a_script_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().expect("opens");
        let path = Path::new("memory");
        run(&mut connection, path, &[Step::script("CREATE TABLE a (x); SELECT * FROM b")])
            .expect_err("no table b");
        assert_eq!(content(&connection).expect("readable"), Content::Empty);
    }
}
