//! Errors of a store, with the file, the reason and the remedy.

use crate::VERSION;
use crate::migrate::OPEN;
use rusqlite::ErrorCode;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

const BUG: &str = "this is a bug in isotare; please report it";

/// An operation on a store that did not work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite could not open, read or write the file.
    #[error("{operation} {}", path.display())]
    Access {
        /// What was being done, such as `open store`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it did not work.
        source: SqliteError,
        /// What the user can do.
        remedy: &'static str,
    },
    /// The file, or the folder that it is in, could not be made or opened.
    #[error("{operation} {}", path.display())]
    File {
        /// What was being done, as `open store`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it did not work.
        source: io::Error,
        /// What the user can do.
        remedy: &'static str,
    },
    /// An older isotare has written the file, and it cannot be brought up to date.
    #[error("open store {}: its format is version {version}, and it cannot be brought up to {VERSION}", path.display())]
    Outdated {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// Why not.
        source: Box<StoreError>,
    },
    /// A newer isotare has written the file.
    #[error(
        "open store {}: its format has version {found}, but this isotare supports only versions up to {supported}",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that can be read.
        supported: i64,
    },
    /// Another program has written the file.
    #[error("open store {}: it is a database of another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file contains something that isotare never writes.
    #[error("read store {}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found where.
        source: SqliteError,
    },
    /// A value that cannot be written as a store keeps it.
    #[error("write store {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No session of that name.
    #[error("no session '{asked}' in {}", path.display())]
    NoSession {
        /// The file.
        path: PathBuf,
        /// The name or prefix asked for.
        asked: String,
        /// What there is.
        remedy: String,
    },
    /// Several sessions begin like that.
    #[error("session '{asked}' in {} could be any of {}", path.display(), matches.join(", "))]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The prefix asked for.
        asked: String,
        /// The first sessions that it fits, newest first.
        matches: Vec<String>,
    },
    /// The session or trial is in the store already.
    #[error("write store {}: {what} exists already", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// Session, or session and trial.
        what: String,
    },
}

/// What SQLite answered, in our words where they say more. It has no source, because the sources of a
/// [`rusqlite::Error`] say the same again.
#[derive(Debug)]
pub struct SqliteError {
    words: Option<&'static str>,
    answer: Box<rusqlite::Error>,
}

impl SqliteError {
    /// The error of SQLite itself.
    pub fn answer(&self) -> &rusqlite::Error {
        &self.answer
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words {
            Some(words) => f.write_str(words),
            None => self.answer.fmt(f),
        }
    }
}

impl Error for SqliteError {}

impl From<rusqlite::Error> for SqliteError {
    fn from(answer: rusqlite::Error) -> Self {
        Self { words: None, answer: Box::new(answer) }
    }
}

impl StoreError {
    /// Whether the machine failed, such as a full disk, rather than what was asked for: another file, or
    /// another session.
    pub fn is_fault(&self) -> bool {
        match self {
            StoreError::Access { operation, .. } | StoreError::File { operation, .. } => *operation != OPEN,
            StoreError::Unwritable { .. } => true,
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn remedy(&self) -> &str {
        match self {
            StoreError::Access { remedy, .. } | StoreError::File { remedy, .. } => remedy,
            StoreError::NoSession { remedy, .. } => remedy,
            StoreError::Foreign { .. } => "use another file",
            StoreError::Outdated { .. } => "make a copy that you can write to and use that (--store)",
            StoreError::TooNew { .. } => "use a newer isotare, or another file (--store)",
            StoreError::Damaged { .. } => {
                "the file is damaged or was edited: use a copy of it from before (--store)"
            }
            StoreError::Ambiguous { .. } => "write more of its name",
            StoreError::Twice { .. } | StoreError::Unwritable { .. } => BUG,
        }
    }

    /// An error of SQLite as an error of the store.
    pub(crate) fn sqlite(operation: &'static str, path: &Path, answer: rusqlite::Error) -> Self {
        let (words, remedy) = match answer.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                Some("another process has locked it"),
                "wait until the other isotare is done, or use another file (--store)",
            ),
            Some(ErrorCode::ReadOnly) => {
                (Some("it is read-only"), "make file and folder writable, or use another file (--store)")
            }
            Some(ErrorCode::DiskFull) => {
                (Some("the disk is full"), "free some space; every trial recorded so far is safe")
            }
            Some(ErrorCode::NotADatabase) => {
                (Some("it is not a database"), "use another file (--store), or move this one away")
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                let remedy = "use a file in a folder that you can write to (--store)";
                // SQLite does not report why it could not open a file; the system does.
                if let Err(source) = std::fs::File::open(path) {
                    return Self::File { operation, path: path.to_owned(), source, remedy };
                }
                let folder = path.is_dir().then_some("it is a folder");
                (folder.or(Some("the files next to it cannot be created or opened")), remedy)
            }
            Some(ErrorCode::DatabaseCorrupt) => (
                Some("the database is damaged"),
                "move it away and use a copy; `sqlite3 FILE .recover` can perhaps save its content",
            ),
            Some(ErrorCode::SystemIoFailure) => {
                (None, "check the disk and its free space; a store cannot be on a network file system")
            }
            _ => (None, BUG),
        };
        let source = SqliteError { words, answer: Box::new(answer) };
        Self::Access { operation, path: path.to_owned(), source, remedy }
    }
}
