//! Opening a store.

use crate::StoreError;
use crate::migrate::{self, Content, VERSION};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many pages the log may have before they are folded into the file, which takes two fsyncs: about 2000 trials, so that
/// most sessions see none before they finish.
const LOG_PAGES: i64 = 16_384;

/// An open store. Used by one thread at a time; other processes may use the same file meanwhile.
#[derive(Debug)]
pub struct Store {
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
}

impl Store {
    /// Opens a store to read and write; makes it, with the folders above it, if it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        regular(path)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| StoreError::Access {
                operation: "make the folder of store",
                path: path.to_owned(),
                cause: error.to_string(),
                remedy: "use a file in a folder that you can write to".to_owned(),
            })?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error: rusqlite::Error| StoreError::sqlite("open store", path, &error);
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        prepare(&connection).map_err(failed)?;
        // SQLite opens a file that it may not write to without a word.
        if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
            let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
            return Err(failed(rusqlite::Error::SqliteFailure(error, None)));
        }
        // Nothing is written before it is known whose file it is.
        migrate::supported(migrate::content(&connection).map_err(failed)?, path, VERSION)?;
        // Has an effect on a new file only.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(failed)?;
        migrate::migrate(&mut connection, path)?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// A store that is gone when it is dropped, for sessions that nobody is to find again.
    pub fn in_memory() -> Result<Self, StoreError> {
        // SQLite's name for a database without a file.
        Self::open(Path::new(":memory:"))
    }

    /// Opens a store that is there, to read only: for files and folders that one may not write to. A file of an older version
    /// is brought up to date first, which needs the right to write.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        regular(path)?;
        let failed = |error: rusqlite::Error| StoreError::sqlite("open store", path, &error);
        // Where the folder is not writable either, SQLite cannot make the files that readers share. Without a log beside
        // the file nobody is writing, so that it can be read as one that never changes.
        let (connection, content) = match reader(path, OpenFlags::empty()) {
            Err(_) if path.is_file() && !beside(path, "-wal").exists() => {
                reader(unchanging(path).as_ref(), OpenFlags::SQLITE_OPEN_URI)
            }
            opened => opened,
        }
        .map_err(failed)?;
        let version = migrate::supported(content, path, VERSION)?;
        match version == VERSION {
            true => Ok(Self { path: path.to_owned(), connection }),
            false => {
                drop(connection);
                Self::open(path).map_err(|error| StoreError::Access {
                    operation: "open store",
                    path: path.to_owned(),
                    cause: format!(
                        "its format is version {version}, and it cannot be brought up to {VERSION}: {error}"
                    ),
                    remedy: "make a copy that you can write to and use that".to_owned(),
                })
            }
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn failed(&self, operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        move |error| StoreError::sqlite(operation, &self.path, &error)
    }
}

/// Refuses what SQLite would wait for or read without end. What is not there, or a folder, it tells itself.
fn regular(path: &Path) -> Result<(), StoreError> {
    match path.metadata().map(|found| found.file_type()) {
        Ok(kind) if !kind.is_file() && !kind.is_dir() => Err(StoreError::Access {
            operation: "open store",
            path: path.to_owned(),
            cause: "it is a FIFO, a socket or a device, not a regular file".to_owned(),
            remedy: "use another file".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// A connection that only reads, and what is in the file.
fn reader(path: &Path, flags: OpenFlags) -> rusqlite::Result<(Connection, Content)> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    let content = migrate::content(&connection)?;
    Ok((connection, content))
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The URI of a file that is promised not to change.
fn unchanging(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = String::from("file:");
    for &byte in absolute.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => uri.push(char::from(byte)),
            // Writing to a String cannot fail.
            other => drop(write!(uri, "%{other:02x}")),
        }
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::SessionEnd;

    #[test]
    fn a_locked_store_is_named_as_such() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("isotare.db");
        let mut store = Store::open(&path).expect("opens");
        store
            .connection
            .execute_batch("INSERT INTO session VALUES (1, 'a', '', '', '', '', '', '', NULL)")
            .expect("made");
        store.connection.busy_timeout(Duration::from_millis(1)).expect("set");
        let other = Connection::open(&path).expect("opens");
        other.execute_batch("BEGIN IMMEDIATE").expect("locks");
        let error = store.finish("a", SessionEnd::Complete).expect_err("locked").to_string();
        assert!(error.contains("another process has locked it; wait until"), "{error}");
        other.execute_batch("ROLLBACK").expect("unlocks");
        store.finish("a", SessionEnd::Complete).expect("works again");
    }
}
