//! How much space a store takes, and returning unused space.

use crate::read::READ;
use crate::{Store, StoreError};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The size of a store on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Size of the file, bytes.
    pub file: u64,
    /// Unused bytes, which [`Store::vacuum`] returns to the file system.
    pub free: u64,
    /// Bytes that the kept output of each session takes, compressed, by the session's id.
    pub output: BTreeMap<String, u64>,
}

impl Store {
    /// How much space it takes, and for what.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let number = |name: &str| {
            let value = self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            value.map(i64::cast_unsigned).map_err(self.failed(READ))
        };
        let page = number("page_size")?;
        let sql = "SELECT id,
                (SELECT total(length(stdout_head) + length(stdout_tail) + length(stderr_head) + length(stderr_tail))
                    FROM trial WHERE session = session.number)
                + (SELECT total(length(piece)) FROM output JOIN trial ON trial.number = output.trial
                    WHERE session = session.number)
            FROM session";
        let output = || -> rusqlite::Result<BTreeMap<String, u64>> {
            let mut statement = self.connection.prepare(sql)?;
            // `total` is a floating-point number that never overflows.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of lengths")]
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, f64>(1)? as u64)))?;
            rows.collect()
        };
        Ok(Usage {
            file: page * number("page_count")?,
            free: page * number("freelist_count")?,
            output: output().map_err(self.failed(READ))?,
        })
    }

    /// Ids of the sessions that began more than `seconds` ago.
    pub fn older_than(&self, seconds: u64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM session WHERE unixepoch('now') - unixepoch(started) > ?1";
        let ids = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([seconds.cast_signed()], |row| row.get(0))?;
            rows.collect()
        };
        ids().map_err(self.failed(READ))
    }

    /// Id of the session that is named as for [`Store::load`].
    pub fn find(&self, asked: &str) -> Result<String, StoreError> {
        Ok(self.resolve(asked)?.1)
    }

    /// Removes a session, named as for [`Store::load`], with its trials. Returns its id. The file keeps its
    /// size until [`Store::vacuum`].
    pub fn remove(&mut self, asked: &str) -> Result<String, StoreError> {
        let (number, id) = self.resolve(asked)?;
        self.connection
            .execute("DELETE FROM session WHERE number = ?1", [number])
            .map_err(self.failed("remove from store"))?;
        Ok(id)
    }

    /// Returns unused space to the file system. While this runs, it needs as much free space as the file
    /// takes.
    pub fn vacuum(&mut self) -> Result<(), StoreError> {
        Self::shrink(&self.connection).map_err(self.failed("shrink store"))
    }

    pub(crate) fn shrink(connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch("VACUUM")?;
        // If other processes use the file, the log stays, and the file becomes smaller when they have
        // finished.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// Writes the complete standard output or standard error of a trial, unchanged. False: it was not kept
    /// completely.
    pub fn write_output(
        &self,
        session: &str,
        trial: u32,
        stream: &str,
        out: &mut impl Write,
    ) -> Result<io::Result<bool>, StoreError> {
        let (number, _) = self.resolve(session)?;
        let sql = "SELECT piece FROM output JOIN trial ON trial.number = output.trial
                   WHERE session = ?1 AND idx = ?2 AND stream = ?3 ORDER BY seq";
        let mut statement = self.connection.prepare(sql).map_err(self.failed(READ))?;
        let mut rows = statement.query(params![number, trial, stream]).map_err(self.failed(READ))?;
        let mut decoder = match zstd::stream::write::Decoder::new(out) {
            Ok(decoder) => decoder,
            Err(error) => return Ok(Err(error)),
        };
        let mut is_kept = false;
        while let Some(row) = rows.next().map_err(self.failed(READ))? {
            is_kept = true;
            let piece = row.get_ref(0).and_then(|piece| Ok(piece.as_blob()?)).map_err(self.failed(READ))?;
            if let Err(error) = decoder.write_all(piece) {
                return Ok(Err(error));
            }
        }
        Ok(decoder.flush().map(|()| is_kept))
    }
}
