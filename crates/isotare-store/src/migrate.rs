//! Versions of the schema: each is a script on top of the one before.

use crate::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// The scripts: the first makes version 1 out of nothing, the next version 2 out of version 1, … A released one never
/// changes.
const SCRIPTS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// Version of the schema that this isotare writes.
pub const VERSION: i64 = 2;

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

/// Refuses what this isotare cannot read and says from which version on scripts are to run.
pub(crate) fn supported(content: Content, path: &Path, newest: i64) -> Result<i64, StoreError> {
    match content {
        Content::Empty => Ok(0),
        Content::Store(found) if (0..=newest).contains(&found) => Ok(found),
        Content::Store(found) => Err(StoreError::TooNew { path: path.to_owned(), found, supported: newest }),
        Content::Foreign => Err(StoreError::Access {
            operation: "open store",
            path: path.to_owned(),
            cause: "it is a database of another program".to_owned(),
            remedy: "use another file".to_owned(),
        }),
    }
}

/// Brings the file to the newest version, all in one transaction.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    run(connection, path, SCRIPTS)
}

fn run(connection: &mut Connection, path: &Path, scripts: &[&str]) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite("open store", path, &error);
    let newest = i64::try_from(scripts.len()).unwrap_or(i64::MAX);
    // Looking first spares every later opener the lock of a writer.
    if supported(content(connection).map_err(failed)?, path, newest)? == newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = supported(content(&transaction).map_err(failed)?, path, newest)?;
    for script in scripts.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(script).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    transaction.pragma_update(None, "user_version", newest).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_version_builds_on_a_file_of_version_1() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("old.db");
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/version-1.db"), &path)
            .expect("copied");
        let mut connection = Connection::open(&path).expect("opens");
        let later = [SCRIPTS, &["ALTER TABLE session ADD COLUMN note TEXT"]].concat();
        run(&mut connection, &path, &later).expect("migrates");
        assert_eq!(content(&connection).expect("readable"), Content::Store(VERSION + 1));
        let noted = "SELECT count(*) FROM session WHERE note IS NULL AND id <> ''";
        let sessions: i64 = connection.query_row(noted, [], |row| row.get(0)).expect("has the column");
        assert_eq!(sessions, 1);

        let error = run(&mut connection, &path, SCRIPTS).expect_err("too new");
        let StoreError::TooNew { found, supported, .. } = error else { panic!("{error}") };
        assert_eq!((found, supported), (VERSION + 1, VERSION));
    }

    #[test]
    fn the_version_counts_the_scripts() {
        assert_eq!(usize::try_from(VERSION), Ok(SCRIPTS.len()));
    }

    #[test]
    fn a_script_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().expect("opens");
        let path = Path::new("memory");
        run(&mut connection, path, &["CREATE TABLE a (x); SELECT * FROM b"]).expect_err("no table b");
        assert_eq!(content(&connection).expect("readable"), Content::Empty);
    }
}
