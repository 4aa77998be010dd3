//! Reading sessions and trials.

use crate::packed::unpack;
use crate::words::Word;
use crate::{Store, StoreError};
use isotare_core::{
    Better, Captured, Condition, Failure, MetricDef, Outcome, PhaseTime, Reading, Role, Sample, Session,
    SessionEnd, Streams, Timestamp, Trial,
};
use isotare_protocol::{Interval, Observation};
use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::HashMap;

pub(crate) const READ: &str = "read store";
/// The word for the newest session.
const LAST: &str = "last";
/// How many sessions an error names.
const NAMED: usize = 5;

/// How many sessions before the newest one is meant.
fn before_last(asked: &str) -> Option<u32> {
    match asked.strip_prefix(LAST)? {
        "" => Some(0),
        more => more.strip_prefix('~')?.parse().ok(),
    }
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its identity.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// Version of isotare that ran it.
    pub version: String,
    /// The command line.
    pub argv: Vec<String>,
    /// What was compared.
    pub conditions: Vec<Condition>,
    /// Trials recorded.
    pub trials: u64,
    /// Those of them that completed.
    pub completed: u64,
    /// How it ended; `None`: it still runs, or was killed.
    pub end: Option<SessionEnd>,
}

/// A session with everything that is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The session.
    pub session: Session,
    /// Its trials, in order.
    pub trials: Vec<Trial>,
    /// How it ended; `None`: it still runs, or was killed.
    pub end: Option<SessionEnd>,
}

impl Store {
    /// Every session, newest first.
    pub fn sessions(&self) -> Result<Vec<Summary>, StoreError> {
        let sql = "SELECT id, started, version, argv, json_extract(plan, '$.conditions'), ended,
                       (SELECT count(*) FROM trial WHERE session = session.number),
                       (SELECT count(*) FROM trial WHERE session = session.number AND outcome = 'completed')
                   FROM session ORDER BY started DESC, number DESC";
        let summary = |row: &Row<'_>| {
            Ok(Summary {
                id: row.get(0)?,
                started: row.get(1)?,
                version: row.get(2)?,
                argv: json(row, 3)?,
                conditions: json(row, 4)?,
                end: optional_word(row, 5)?,
                trials: unsigned(row, 6)?,
                completed: unsigned(row, 7)?,
            })
        };
        self.rows(sql, [], summary)
    }

    /// A session with its trials. `asked` is its id, the beginning of its id if no other begins so, `last`,
    /// or `last~N` for the one N before it.
    pub fn load(&self, asked: &str) -> Result<Record, StoreError> {
        // One transaction, so that a session that is being written does not change between the tables.
        let _snapshot = self.connection.unchecked_transaction().map_err(|error| self.unread(error))?;
        let (number, _) = self.resolve(asked)?;
        let sql = "SELECT id, started, version, argv, plan, host, environments, workloads, ended FROM session WHERE number = ?1";
        let whole = |row: &Row<'_>| {
            let session = Session {
                id: row.get(0)?,
                started: row.get(1)?,
                version: row.get(2)?,
                argv: json(row, 3)?,
                plan: json(row, 4)?,
                host: json(row, 5)?,
                environments: json(row, 6)?,
                workloads: json(row, 7)?,
            };
            Ok((session, optional_word(row, 8)?))
        };
        let (session, end) =
            self.connection.query_row(sql, [number], whole).map_err(|error| self.unread(error))?;
        Ok(Record { session, trials: self.trials(number)?, end })
    }

    /// Number and id of the session that is meant.
    pub(crate) fn resolve(&self, asked: &str) -> Result<(i64, String), StoreError> {
        let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let order = "ORDER BY started DESC, number DESC";
        let mut found: Vec<(i64, String)> = match (asked, before_last(asked)) {
            (_, Some(before)) => {
                let sql = format!("SELECT number, id FROM session {order} LIMIT 1 OFFSET ?1");
                self.rows(&sql, [before], pair)?
            }
            ("", None) => Vec::new(),
            (prefix, None) => {
                let sql =
                    format!("SELECT number, id FROM session WHERE substr(id, 1, length(?1)) = ?1 {order}");
                self.rows(&sql, [prefix], pair)?
            }
        };
        if let Some(exact) = found.iter().position(|(_, id)| id == asked) {
            return Ok(found.swap_remove(exact));
        }
        match found.len() {
            0 => Err(self.no_session(asked)),
            1 => Ok(found.swap_remove(0)),
            _ => Err(StoreError::Ambiguous {
                path: self.path.clone(),
                asked: asked.to_owned(),
                matches: found.into_iter().take(NAMED).map(|(_, id)| id).collect(),
            }),
        }
    }

    /// The error for a session that does not exist, with the existing sessions.
    pub(crate) fn no_session(&self, asked: &str) -> StoreError {
        let sql = format!("SELECT id FROM session ORDER BY started DESC, number DESC LIMIT {NAMED}");
        let remedy = match self.rows(&sql, [], |row| row.get::<_, String>(0)) {
            Ok(ids) if !ids.is_empty() => format!("the newest sessions are {}", ids.join(", ")),
            _ => "it does not contain a session yet".to_owned(),
        };
        StoreError::NoSession { path: self.path.clone(), asked: asked.to_owned(), remedy }
    }

    fn trials(&self, session: i64) -> Result<Vec<Trial>, StoreError> {
        let sql = "SELECT number, idx, block, condition, at_ns, outcome, failure_reason, failure_diagnostics, latency,
                       clock, facts, noise, stdout_bytes, stdout_sha256, stdout_head, stdout_tail,
                       stderr_bytes, stderr_sha256, stderr_head, stderr_tail
                   FROM trial WHERE session = ?1 ORDER BY idx";
        let rows = self.rows(sql, [session], |row| Ok((row.get::<_, i64>(0)?, trial(row)?)))?;
        let places: HashMap<i64, usize> = rows.iter().map(|(number, _)| *number).zip(0..).collect();
        let mut trials: Vec<Trial> = rows.into_iter().map(|(_, trial)| trial).collect();
        self.details(session, "phase.phase, mark, phase.at_ns, took_ns FROM phase", &places, |at, row| {
            let phase = PhaseTime {
                phase: word(row, 1)?,
                mark: row.get(2)?,
                at_ns: unsigned(row, 3)?,
                took_ns: unsigned(row, 4)?,
            };
            push(&mut trials, at, |trial| trial.phases.push(phase))
        })?;
        let samples = "name, unit, better, headline, role, value, source FROM sample JOIN metric ON metric.number = metric";
        self.details(session, samples, &places, |at, row| {
            let metric = MetricDef {
                name: Cow::Owned(row.get(1)?),
                unit: Cow::Owned(row.get(2)?),
                better: word::<Better>(row, 3)?,
                headline: row.get(4)?,
            };
            let (role, source) = (optional_word(row, 5)?, word(row, 7)?);
            let sample = Sample { metric, source, role, value: real(row, 6)? };
            push(&mut trials, at, |trial| trial.samples.push(sample))
        })?;
        let readings =
            "metric, role, reading.at_ns, value FROM reading JOIN series ON series.number = series";
        self.details(session, readings, &places, |at, row| {
            let role = match row.get_ref(2)?.as_str()? {
                "" => None,
                _ => Some(word::<Role>(row, 2)?),
            };
            let reading = Reading {
                at: Timestamp(unsigned(row, 3)?),
                metric: row.get::<_, String>(1)?.into(),
                role,
                value: real(row, 4)?,
            };
            push(&mut trials, at, |trial| trial.readings.push(reading))
        })?;
        let observations =
            "observation.at_ns, user_ns, system_ns, steal_ns, memory_available FROM observation";
        self.details(session, observations, &places, |at, row| {
            let seen = Observation {
                at_ns: unsigned(row, 1)?,
                user_ns: unsigned(row, 2)?,
                system_ns: unsigned(row, 3)?,
                steal_ns: unsigned(row, 4)?,
                memory_available: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
            };
            push(&mut trials, at, |trial| trial.observations.push(seen))
        })?;
        self.details(session, "interval.at_ns, events FROM interval", &places, |at, row| {
            let interval = Interval { at_ns: unsigned(row, 1)?, events: unsigned(row, 2)? };
            push(&mut trials, at, |trial| trial.intervals.push(interval))
        })?;
        Ok(trials)
    }

    /// Hands every row of a table of details to `take`, in the order of trials and lists. Column 0 is the
    /// trial's number.
    fn details(
        &self,
        session: i64,
        columns_from: &str,
        places: &HashMap<i64, usize>,
        mut take: impl FnMut(usize, &Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT trial, {columns_from} WHERE trial IN (SELECT number FROM trial WHERE session = ?1) ORDER BY trial, seq"
        );
        let mut read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([session])?;
            while let Some(row) = rows.next()? {
                if let Some(&at) = places.get(&row.get(0)?) {
                    take(at, row)?;
                }
            }
            Ok(())
        };
        read().map_err(|error| self.unread(error))
    }

    fn rows<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let all = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare_cached(sql)?.query_map(parameters, read)?.collect()
        };
        all().map_err(|error| self.unread(error))
    }

    /// A value that does not fit its column is damage; the rest is SQLite's.
    fn unread(&self, error: rusqlite::Error) -> StoreError {
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => {
                StoreError::Damaged { path: self.path.clone(), source: error.into() }
            }
            error => StoreError::sqlite(READ, &self.path, error),
        }
    }
}

fn trial(row: &Row<'_>) -> rusqlite::Result<Trial> {
    let reason: Option<String> = row.get(6)?;
    let diagnostics: Option<String> = row.get(7)?;
    Ok(Trial {
        index: row.get(1)?,
        block: row.get(2)?,
        condition: usize::try_from(unsigned(row, 3)?).map_err(|error| broken(3, Type::Integer, error))?,
        at_ns: unsigned(row, 4)?,
        outcome: word::<Outcome>(row, 5)?,
        failure: reason.map(|reason| Failure { reason, diagnostics: diagnostics.unwrap_or_default() }),
        phases: Vec::new(),
        samples: Vec::new(),
        readings: Vec::new(),
        observations: Vec::new(),
        intervals: Vec::new(),
        latency: row.get(8)?,
        clock: optional_json(row, 9)?,
        noise: optional_json(row, 11)?,
        facts: json(row, 10)?,
        output: streams(row)?,
    })
}

/// What the trial wrote: `None` where the columns are NULL.
fn streams(row: &Row<'_>) -> rusqlite::Result<Option<Streams>> {
    let stream = |first: usize| -> rusqlite::Result<Option<Captured>> {
        let Some(bytes) = row.get::<_, Option<i64>>(first)? else { return Ok(None) };
        Ok(Some(Captured {
            bytes: bytes.cast_unsigned(),
            sha256: row.get(first + 1)?,
            head: unpacked(row, first + 2)?,
            tail: unpacked(row, first + 3)?,
        }))
    };
    Ok(stream(12)?.zip(stream(16)?).map(|(stdout, stderr)| Streams { stdout, stderr }))
}

fn push(trials: &mut [Trial], at: usize, add: impl FnOnce(&mut Trial)) -> rusqlite::Result<()> {
    if let Some(trial) = trials.get_mut(at) {
        add(trial);
    }
    Ok(())
}

fn broken(
    column: usize,
    kind: Type,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, error.into())
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// SQLite has no NaN and stores NULL for it.
fn real(row: &Row<'_>, column: usize) -> rusqlite::Result<f64> {
    Ok(row.get::<_, Option<f64>>(column)?.unwrap_or(f64::NAN))
}

fn word<T: Word>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    T::of(text).ok_or_else(|| broken(column, Type::Text, format!("unknown word '{text}'")))
}

fn optional_word<T: Word>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => word(row, column).map(Some),
    }
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| broken(column, Type::Text, error))
}

fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => json(row, column).map(Some),
    }
}

fn unpacked(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    unpack(row.get_ref(column)?.as_blob()?).map_err(|error| broken(column, Type::Blob, error))
}
