//! Sessions as tables for other programs: one row for each value, as CSV, JSON or Parquet.
//!
//! docs/export.md describes the columns and reads them with other tools.

mod parquet;
mod rows;

use crate::Record;
use ::parquet::errors::ParquetError;
use rows::{Row, rows};
use std::io::{self, Write};

/// Forms of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated values with a header.
    Csv,
    /// An object for each session: what it was, and its rows.
    Json,
    /// Apache Parquet, Snappy-compressed; what the sessions were stands in the file's metadata under `isotare.sessions`.
    Parquet,
}

/// Which values to export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportScope {
    /// Also each reading of a counter, beside what the window came to.
    pub readings: bool,
}

/// Writes these sessions as one table.
pub fn export(
    records: &[Record],
    format: ExportFormat,
    scope: ExportScope,
    out: &mut (impl Write + Send),
) -> io::Result<()> {
    match format {
        ExportFormat::Csv => {
            let mut table = csv::Writer::from_writer(out);
            for row in records.iter().flat_map(|record| rows(record, scope)) {
                table.serialize(row).map_err(|error| match error.into_kind() {
                    csv::ErrorKind::Io(error) => error,
                    other => io::Error::other(format!("{other:?}")),
                })?;
            }
            table.flush()
        }
        ExportFormat::Json => {
            let sessions: Vec<Exported<'_>> = records
                .iter()
                .map(|record| Exported {
                    session: &record.session,
                    end: record.end,
                    rows: rows(record, scope).collect(),
                })
                .collect();
            serde_json::to_writer_pretty(&mut *out, &sessions)?;
            writeln!(out)
        }
        ExportFormat::Parquet => parquet::write(records, scope, out).map_err(|error| match error {
            ParquetError::External(cause) => cause.downcast().map_or_else(io::Error::other, |cause| *cause),
            other => io::Error::other(other),
        }),
    }
}

#[derive(serde::Serialize)]
struct Exported<'a> {
    session: &'a isotare_core::Session,
    end: Option<isotare_core::SessionEnd>,
    rows: Vec<Row<'a>>,
}
