//! Writing sessions and trials.

use crate::packed::pack;
use crate::words::Word;
use crate::{Store, StoreError};
use isotare_core::{Captured, MetricDef, Outcome, Role, Session, SessionEnd, Trial};
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use serde::Serialize;
use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek};

/// Size of the pieces in which whole outputs are stored, bytes.
const PIECE: u64 = 1 << 20;
pub(crate) const WRITE: &str = "write store";

impl Store {
    /// Records the start of a session.
    pub fn begin(&mut self, session: &Session) -> Result<(), StoreError> {
        let row = params![
            session.id,
            session.started,
            session.version,
            self.json(&session.argv)?,
            self.json(&session.plan)?,
            self.json(&session.host)?,
            self.json(&session.environments)?,
            self.json(&session.workloads)?,
        ];
        let sql = "INSERT INTO session (id, started, version, argv, plan, host, environments, workloads)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        match self.connection.execute(sql, row) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unwritten(error, || format!("session {}", session.id))),
        }
    }

    /// Writes a finished trial, completely or not at all. After this returns, the trial is not lost if the
    /// process is killed.
    pub fn record(&mut self, session: &str, trial: &Trial) -> Result<(), StoreError> {
        let number = self.session_number(session)?;
        let clock = trial.clock.as_ref().map(|clock| self.json(clock)).transpose()?;
        let noise = trial.noise.as_ref().map(|noise| self.json(noise)).transpose()?;
        let facts = self.json(&trial.facts)?;
        let streams = trial.output.as_ref();
        let stdout = streams.map(|streams| self.packed(&streams.stdout)).transpose()?;
        let stderr = streams.map(|streams| self.packed(&streams.stderr)).transpose()?;
        let failed =
            |error: rusqlite::Error| self.unwritten(error, || format!("trial {} of {session}", trial.index));
        let write = || {
            // Immediate: a lock that is taken at once is waited for, one that is widened later is not.
            let behavior = TransactionBehavior::Immediate;
            let transaction = rusqlite::Transaction::new_unchecked(&self.connection, behavior)?;
            let failure = trial.failure.as_ref();
            transaction
                .prepare_cached(
                    "INSERT INTO trial (session, idx, block, condition, at_ns, outcome, failure_reason,
                         failure_diagnostics, latency, clock, facts, noise, stdout_bytes, stdout_sha256, stdout_head,
                         stdout_tail, stderr_bytes, stderr_sha256, stderr_head, stderr_tail)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
                )?
                .execute(params![
                    number,
                    trial.index,
                    trial.block,
                    (trial.condition as u64).cast_signed(),
                    trial.at_ns.cast_signed(),
                    trial.outcome.word(),
                    failure.map(|failure| &failure.reason),
                    failure.map(|failure| &failure.diagnostics),
                    trial.latency,
                    clock,
                    facts,
                    noise,
                    stdout.as_ref().map(|stream| stream.bytes),
                    stdout.as_ref().map(|stream| stream.sha256),
                    stdout.as_ref().map(|stream| &stream.head),
                    stdout.as_ref().map(|stream| &stream.tail),
                    stderr.as_ref().map(|stream| stream.bytes),
                    stderr.as_ref().map(|stream| stream.sha256),
                    stderr.as_ref().map(|stream| &stream.head),
                    stderr.as_ref().map(|stream| &stream.tail),
                ])?;
            details(&transaction, transaction.last_insert_rowid(), trial)?;
            transaction.commit()
        };
        write().map_err(failed)
    }

    /// Adds all that a recorded trial wrote: its standard output and standard error, zstd files that are read
    /// from their start.
    pub fn keep_output(
        &mut self,
        session: &str,
        trial: u32,
        [stdout, stderr]: [&File; 2],
    ) -> Result<(), StoreError> {
        let number = self.session_number(session)?;
        let failed = self.failed(WRITE);
        let transaction = self.connection.unchecked_transaction().map_err(&failed)?;
        {
            let find = "SELECT number FROM trial WHERE session = ?1 AND idx = ?2";
            let trial: i64 =
                transaction.query_row(find, params![number, trial], |row| row.get(0)).map_err(&failed)?;
            let mut insert =
                transaction.prepare_cached("INSERT INTO output VALUES (?1, ?2, ?3, ?4)").map_err(&failed)?;
            for (stream, mut file) in [("stdout", stdout), ("stderr", stderr)] {
                file.rewind().map_err(|error| self.unwritable(error))?;
                for seq in 0_i64.. {
                    let mut piece = Vec::new();
                    let read = file.take(PIECE).read_to_end(&mut piece);
                    if read.map_err(|error| self.unwritable(error))? == 0 {
                        break;
                    }
                    insert.execute(params![trial, stream, seq, piece]).map_err(&failed)?;
                }
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Changes the outcomes and failures of recorded trials, all of them or none.
    pub fn judge<'t>(
        &mut self,
        session: &str,
        trials: impl IntoIterator<Item = &'t Trial>,
    ) -> Result<(), StoreError> {
        let number = self.session_number(session)?;
        let write = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = rusqlite::Transaction::new_unchecked(&self.connection, behavior)?;
            let sql = "UPDATE trial SET outcome = ?3, failure_reason = ?4, failure_diagnostics = ?5
                       WHERE session = ?1 AND idx = ?2";
            for trial in trials {
                let failure = trial.failure.as_ref();
                transaction.prepare_cached(sql)?.execute(params![
                    number,
                    trial.index,
                    trial.outcome.word(),
                    failure.map(|failure| &failure.reason),
                    failure.map(|failure| &failure.diagnostics),
                ])?;
            }
            transaction.commit()
        };
        write().map_err(self.failed(WRITE))
    }

    /// Records how a session ended, and merges the log into the file.
    pub fn finish(&mut self, session: &str, end: SessionEnd) -> Result<(), StoreError> {
        let number = self.session_number(session)?;
        let sql = "UPDATE session SET ended = ?2 WHERE number = ?1";
        self.connection.execute(sql, params![number, end.word()]).map_err(self.failed(WRITE))?;
        // If other processes use the file, the log stays and is merged later.
        match self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            done => done.map_err(self.failed(WRITE)),
        }
    }

    /// Opens a session again that was interrupted: forgets how it ended, and its trials that were cut short,
    /// which have to run again.
    pub fn reopen(&mut self, session: &str) -> Result<(), StoreError> {
        let number = self.session_number(session)?;
        let write = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = rusqlite::Transaction::new_unchecked(&self.connection, behavior)?;
            transaction.execute("UPDATE session SET ended = NULL WHERE number = ?1", [number])?;
            let cut_short = Outcome::Interrupted.word();
            let sql = "DELETE FROM trial WHERE session = ?1 AND outcome = ?2";
            transaction.execute(sql, params![number, cut_short])?;
            transaction.commit()
        };
        write().map_err(self.failed(WRITE))
    }

    pub(crate) fn session_number(&self, id: &str) -> Result<i64, StoreError> {
        let find = || {
            let sql = "SELECT number FROM session WHERE id = ?1";
            self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))
        };
        find().map_err(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => self.no_session(id),
            error => StoreError::sqlite(WRITE, &self.path, error),
        })
    }

    fn unwritten(&self, error: rusqlite::Error, what: impl Fn() -> String) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => {
                StoreError::Twice { path: self.path.clone(), what: what() }
            }
            _ => StoreError::sqlite(WRITE, &self.path, error),
        }
    }

    fn json(&self, value: &impl Serialize) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|error| self.unwritable(error))
    }

    fn packed<'a>(&self, stream: &'a Captured) -> Result<Packed<'a>, StoreError> {
        let packed = |bytes: &[u8]| pack(bytes).map_err(|error| self.unwritable(error));
        Ok(Packed {
            bytes: stream.bytes.cast_signed(),
            sha256: &stream.sha256,
            head: packed(&stream.head)?,
            tail: packed(&stream.tail)?,
        })
    }

    fn unwritable(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        StoreError::Unwritable { path: self.path.clone(), source: error.into() }
    }
}

/// A stream as it is stored.
struct Packed<'a> {
    bytes: i64,
    sha256: &'a str,
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// The rows that belong to a trial.
fn details(connection: &Connection, trial: i64, data: &Trial) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO phase VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (seq, phase) in (0_i64..).zip(&data.phases) {
        let (at, took) = (phase.at_ns.cast_signed(), phase.took_ns.cast_signed());
        insert.execute(params![trial, seq, phase.phase.word(), phase.mark, at, took])?;
    }
    let mut insert = connection.prepare_cached("INSERT INTO sample VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (seq, sample) in (0_i64..).zip(&data.samples) {
        let metric = metric_number(connection, &sample.metric)?;
        let (role, source) = (sample.role.map(Role::word), sample.source.word());
        insert.execute(params![trial, seq, metric, role, sample.value, source])?;
    }
    let mut insert = connection.prepare_cached("INSERT INTO reading VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut known: Vec<(&str, Option<Role>, i64)> = Vec::new();
    for (seq, reading) in (0_i64..).zip(&data.readings) {
        let same = |(metric, role, _): &&(&str, Option<Role>, i64)| {
            *metric == reading.metric && *role == reading.role
        };
        let series = match known.iter().find(same) {
            Some(&(_, _, number)) => number,
            None => {
                let number = series_number(connection, &reading.metric, reading.role)?;
                known.push((&reading.metric, reading.role, number));
                number
            }
        };
        insert.execute(params![trial, seq, series, reading.at.0.cast_signed(), reading.value])?;
    }
    let mut insert =
        connection.prepare_cached("INSERT INTO observation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (seq, seen) in (0_i64..).zip(&data.observations) {
        let times = [seen.at_ns, seen.user_ns, seen.system_ns, seen.steal_ns].map(u64::cast_signed);
        let memory = seen.memory_available.map(u64::cast_signed);
        insert.execute(params![trial, seq, times[0], times[1], times[2], times[3], memory])?;
    }
    let mut insert = connection.prepare_cached("INSERT INTO interval VALUES (?1, ?2, ?3, ?4)")?;
    for (seq, interval) in (0_i64..).zip(&data.intervals) {
        insert.execute(params![trial, seq, interval.at_ns.cast_signed(), interval.events.cast_signed()])?;
    }
    Ok(())
}

/// The number of a metric, given when it is first seen.
fn metric_number(connection: &Connection, metric: &MetricDef) -> rusqlite::Result<i64> {
    let row = params![metric.name, metric.unit, metric.better.word(), metric.headline];
    let find = "SELECT number FROM metric WHERE name = ?1 AND unit = ?2 AND better = ?3 AND headline = ?4";
    match connection.prepare_cached(find)?.query_row(row, |row| row.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            let add = "INSERT INTO metric (name, unit, better, headline) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(add)?.insert(row)
        }
        found => found,
    }
}

/// The number of a time series, given when it is first seen.
fn series_number(connection: &Connection, metric: &str, role: Option<Role>) -> rusqlite::Result<i64> {
    let row = params![metric, role.map_or("", Role::word)];
    let find = "SELECT number FROM series WHERE metric = ?1 AND role = ?2";
    match connection.prepare_cached(find)?.query_row(row, |row| row.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            let add = "INSERT INTO series (metric, role) VALUES (?1, ?2)";
            connection.prepare_cached(add)?.insert(row)
        }
        found => found,
    }
}
