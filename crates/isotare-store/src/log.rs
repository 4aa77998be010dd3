//! What a session said on standard error.

use crate::read::READ;
use crate::write::WRITE;
use crate::{Store, StoreError};
use rusqlite::{Row, TransactionBehavior, params};
use std::time::{SystemTime, UNIX_EPOCH};

/// The most that is kept of what one session says, bytes.
pub const LOG_LIMIT: usize = 1 << 20;

/// A line of a session's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was said, RFC 3339 with milliseconds, UTC.
    pub at: String,
    /// What was said; may hold line feeds.
    pub line: String,
}

impl Store {
    /// Adds lines to a session's log, all or none. What is beyond [`LOG_LIMIT`] is left to the caller.
    pub fn log(&mut self, session: &str, lines: &[(SystemTime, String)]) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        let number = self.session_number(session)?;
        let write = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = rusqlite::Transaction::new_unchecked(&self.connection, behavior)?;
            let sql = "INSERT INTO log VALUES
                       (?1, (SELECT coalesce(max(seq) + 1, 0) FROM log WHERE session = ?1), ?2, ?3)";
            for (at, line) in lines {
                let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
                let at_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
                transaction.prepare_cached(sql)?.execute(params![number, at_ms, line])?;
            }
            transaction.commit()
        };
        write().map_err(self.failed(WRITE))
    }

    /// A session's log, in order. `asked` names it as for [`Store::load`].
    pub fn read_log(&self, asked: &str) -> Result<Vec<LogLine>, StoreError> {
        let (number, _) = self.resolve(asked)?;
        let sql = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch'), line FROM log
                   WHERE session = ?1 ORDER BY seq";
        let line = |row: &Row<'_>| Ok(LogLine { at: row.get(0)?, line: row.get(1)? });
        let lines = || -> rusqlite::Result<Vec<LogLine>> {
            let mut statement = self.connection.prepare(sql)?;
            statement.query_map([number], line)?.collect()
        };
        lines().map_err(self.failed(READ))
    }
}
