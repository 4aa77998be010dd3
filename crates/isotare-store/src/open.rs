//! Opening a store.

use crate::StoreError;
use crate::migrate::{self, Content, OPEN, VERSION};
use isotare_files::{Links, own_file, regular};
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// SQLite's name for a database without a file.
const IN_MEMORY: &str = ":memory:";

/// How many pages the log may have before they are merged into the file, which takes two fsyncs. This is
/// about 2000 trials, so most sessions do not have such a merge before they finish.
const LOG_PAGES: i64 = 16_384;

/// An open store. Used by one thread at a time; other processes may use the same file meanwhile.
#[derive(Debug)]
pub struct Store {
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
}

impl Store {
    /// Opens a store to read and write. If it does not exist, it is created, with the folders above it, and
    /// only its owner can read it, because it contains command lines. A store that another user can have
    /// written is refused. A link is refused too, so that nothing is written to another place than the user
    /// named.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let access = |operation, remedy| {
            let path = path.to_owned();
            move |source: io::Error| StoreError::File { operation, path, source, remedy }
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(access(
                "make the folder of store",
                "use a file in a folder that you can write to (--store)",
            ))?;
        }
        if path != Path::new(IN_MEMORY) {
            let made = File::options().write(true).create_new(true).mode(0o600).open(path);
            let opened = match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => own_file(path),
                made => made,
            };
            opened.map_err(access(OPEN, "name a file that belongs to you and is not a link (--store)"))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error: rusqlite::Error| StoreError::sqlite(OPEN, path, error);
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        prepare(&connection).map_err(failed)?;
        // SQLite opens a file that it may not write to without an error.
        if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
            let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
            return Err(failed(rusqlite::Error::SqliteFailure(error, None)));
        }
        // Nothing is written before the owner of the file has been checked.
        migrate::supported(migrate::content(&connection).map_err(failed)?, path, VERSION)?;
        // Has an effect on a new file only.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(failed)?;
        migrate::migrate(&mut connection, path)?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// A temporary store that disappears when it is dropped, for sessions that are not kept.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::open(Path::new(IN_MEMORY))
    }

    /// Opens an existing store only for reading, also from files and folders that are not writable. It may
    /// belong to another user, because its content is only shown and exported. A file of an older version is
    /// converted first, which needs write permission.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        regular(path, Links::Followed).map_err(|source| StoreError::File {
            operation: OPEN,
            path: path.to_owned(),
            source,
            remedy: "name a store of sessions that you can read (--store)",
        })?;
        let failed = |error: rusqlite::Error| StoreError::sqlite(OPEN, path, error);
        // Where the folder is not writable either, SQLite cannot make the files that readers share. If there
        // is no log next to the file, no process is writing, so it can be read as a file that never changes.
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
                Self::open(path).map_err(|error| StoreError::Outdated {
                    path: path.to_owned(),
                    version,
                    source: Box::new(error),
                })
            }
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn failed(&self, operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        move |error| StoreError::sqlite(operation, &self.path, error)
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
    // Views and triggers of a file that another user created cannot call functions: "Defense Against The Dark
    // Arts", <https://www.sqlite.org/security.html>.
    connection.pragma_update(None, "trusted_schema", false)?;
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
    use isotare_core::{SessionEnd, with_sources};

    #[test]
    fn a_locked_store_is_named_as_such() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("isotare.db");
        let mut store = Store::open(&path).expect("opens");
        store
            .connection
            .execute_batch("INSERT INTO session VALUES (1, 'a', '', '', '', '', '', '', NULL, '{}')")
            .expect("made");
        store.connection.busy_timeout(Duration::from_millis(1)).expect("set");
        let other = Connection::open(&path).expect("opens");
        other.execute_batch("BEGIN IMMEDIATE").expect("locks");
        let error = store.finish("a", SessionEnd::Complete).expect_err("locked");
        assert!(with_sources(&error).ends_with("another process has locked it"), "{error}");
        assert!(error.remedy().starts_with("wait until"), "{error:?}");
        other.execute_batch("ROLLBACK").expect("unlocks");
        store.finish("a", SessionEnd::Complete).expect("works again");
    }

    #[test]
    fn a_store_is_made_for_its_owner_and_one_that_others_can_have_written_is_refused() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
        let place = tempfile::tempdir().expect("folder");
        let path = place.path().join("data/isotare.db");
        Store::open(&path).expect("made");
        let mode = |path: &Path| path.metadata().expect("there").mode() & 0o777;
        assert_eq!((mode(&path), mode(&place.path().join("data"))), (0o600, 0o700));
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        set(0o644);
        Store::open(&path).expect("others may read");
        set(0o666);
        let error = with_sources(&Store::open(&path).expect_err("other users may write"));
        assert!(error.contains("other users may write to it (mode 666)"), "{error}");
        set(0o644);
        let link = place.path().join("link.db");
        symlink(&path, &link).expect("linked");
        assert!(with_sources(&Store::open(&link).expect_err("a link")).contains(" link"));
        Store::open_to_read(&link).expect("reading goes where it leads");
        // Only root can give a file away.
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(65534), Some(65534)).expect("given away");
            let error = with_sources(&Store::open(&path).expect_err("another user's"));
            assert!(error.contains("belongs to uid 65534"), "{error}");
            Store::open_to_read(&path).expect("anybody's can be read");
        }
    }

    #[test]
    fn a_path_that_is_not_a_file_is_refused_without_waiting() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
        for opened in [Store::open(&path), Store::open_to_read(&path)] {
            let error = with_sources(&opened.expect_err("refused"));
            assert!(error.contains("a FIFO, not a regular file"), "{error}");
        }
    }
}
