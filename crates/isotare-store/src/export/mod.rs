//! Sessions as tables for other programs: one row for each value, as CSV, JSON or Parquet.
//!
//! docs/export.md describes the columns and reads them with other tools.

mod parquet;
mod rows;

use crate::Record;
use ::parquet::errors::ParquetError;
use isotare_core::{CsvTable, visible_json};
use rows::{Row, rows};
use std::io::{self, Write};

/// Formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated values with a header; cells as [`isotare_core::csv_cell`] gives them.
    Csv,
    /// An object for each session, with its properties and its rows. Hidden characters are escapes
    /// ([`isotare_core::visible_json`]).
    Json,
    /// Apache Parquet, Snappy-compressed. The properties of the sessions are in the file's metadata under
    /// `isotare.sessions`. Texts are not changed.
    Parquet,
}

/// Which values to export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportScope {
    /// Also each reading of a counter, in addition to the value of the whole window.
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
            let mut table = CsvTable::new(out);
            for row in records.iter().flat_map(|record| rows(record, scope)) {
                table.row(&row)?;
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
            serde_json::to_writer_pretty(VisibleJson(&mut *out), &sessions)?;
            writeln!(out)
        }
        ExportFormat::Parquet => parquet::write(records, scope, out).map_err(|error| match error {
            ParquetError::External(cause) => cause.downcast().map_or_else(io::Error::other, |cause| *cause),
            other => io::Error::other(other),
        }),
    }
}

/// Passes JSON on with hidden characters as escapes; it is written in whole characters.
struct VisibleJson<W>(W);

impl<W: Write> Write for VisibleJson<W> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(part).map_err(io::Error::other)?;
        self.0.write_all(visible_json(text).as_bytes())?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[derive(serde::Serialize)]
struct Exported<'a> {
    session: &'a isotare_core::Session,
    end: Option<isotare_core::SessionEnd>,
    rows: Vec<Row<'a>>,
}
