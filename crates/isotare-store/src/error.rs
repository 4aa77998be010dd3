//! Errors of a store, with the file, the reason and the remedy.

use crate::VERSION;
use crate::migrate::OPEN;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// An operation on a store that did not work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened, read or written.
    #[error("{operation} {}: {cause}", path.display())]
    Access {
        /// What was being done, such as `open store`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it did not work.
        cause: String,
        /// What the user can do.
        remedy: String,
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
    /// The file contains something that isotare never writes.
    #[error("read store {}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found where.
        what: String,
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

impl StoreError {
    /// Whether the machine failed, such as a full disk, rather than what was asked for: another file, or
    /// another session.
    pub fn is_fault(&self) -> bool {
        match self {
            StoreError::Access { operation, .. } | StoreError::File { operation, .. } => *operation != OPEN,
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn remedy(&self) -> &str {
        match self {
            StoreError::Access { remedy, .. } | StoreError::NoSession { remedy, .. } => remedy,
            StoreError::File { remedy, .. } => remedy,
            StoreError::Outdated { .. } => "make a copy that you can write to and use that (--store)",
            StoreError::TooNew { .. } => "use a newer isotare, or another file (--store)",
            StoreError::Damaged { .. } => {
                "the file is damaged or was edited: use a copy of it from before (--store)"
            }
            StoreError::Ambiguous { .. } => "write more of its name",
            StoreError::Twice { .. } => "this is a defect of isotare; please report it",
        }
    }

    /// An error of SQLite as an error of the store.
    pub(crate) fn sqlite(operation: &'static str, path: &Path, error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let (cause, remedy) = match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                "another process has locked it".to_owned(),
                "wait until the other isotare is done, or use another file (--store)",
            ),
            Some(ErrorCode::ReadOnly) => {
                ("it is read-only".to_owned(), "make file and folder writable, or use another file (--store)")
            }
            Some(ErrorCode::DiskFull) => {
                ("the disk is full".to_owned(), "free some space; every trial recorded so far is safe")
            }
            Some(ErrorCode::NotADatabase) => {
                ("it is not a database".to_owned(), "use another file (--store), or move this one away")
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                (unopened(path), "use a file in a folder that you can write to (--store)")
            }
            Some(ErrorCode::DatabaseCorrupt) => (
                "the database is damaged".to_owned(),
                "move it away and use a copy; `sqlite3 FILE .recover` can perhaps save its content",
            ),
            Some(ErrorCode::SystemIoFailure) => (
                format!("input or output failed ({error})"),
                "check the disk and its free space; a store cannot be on a network file system",
            ),
            _ => (error.to_string(), "this is a bug in isotare; please report it"),
        };
        Self::Access { operation, path: path.to_owned(), cause, remedy: remedy.to_owned() }
    }
}

/// The reason why SQLite could not open a file, because SQLite does not report it.
fn unopened(path: &Path) -> String {
    match std::fs::File::open(path) {
        _ if path.is_dir() => "it is a folder".to_owned(),
        Err(error) => error.to_string(),
        Ok(_) => "the files next to it cannot be created or opened".to_owned(),
    }
}
