//! Paired data from a CSV file: one value of one metric of one condition in one block on each line.

use crate::table::{Cell, Clash, Table};
use crate::unit;
use isotare_core::{
    Better, Condition, DEFAULT_MARGIN, EnvironmentSpec, MetricDef, Session, Trial, WorkloadSpec, csv_text,
};
use std::io::Read;

const COLUMNS: [&str; 4] = ["block", "condition", "metric", "value"];

/// How to read the file.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The condition that the others are compared with; `None`: the first one in the file.
    pub baseline: Option<String>,
    /// Equivalence margin, as a fraction.
    pub margin: f64,
    /// Confidence level of the intervals.
    pub level: f64,
    /// Metrics for which higher is better, with any unit.
    pub higher: Vec<String>,
    /// Metrics for which lower is better, with any unit.
    pub lower: Vec<String>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { baseline: None, margin: DEFAULT_MARGIN, level: 0.95, higher: Vec::new(), lower: Vec::new() }
    }
}

/// An error of a file. Lines are numbered from 1; the header is line 1.
#[derive(Debug, thiserror::Error)]
pub enum PairedError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// It is not CSV, or not UTF-8.
    #[error("line {line} is not CSV")]
    Malformed {
        /// The line.
        line: u64,
        /// What the parser says.
        source: csv::Error,
    },
    /// A column is missing.
    #[error("line 1: there is no column '{column}'; the header is '{found}'")]
    NoColumn {
        /// The column.
        column: &'static str,
        /// The header of the file.
        found: String,
    },
    /// A column occurs more than once.
    #[error("line 1: there is more than one column '{column}'")]
    TwoColumns {
        /// The column.
        column: &'static str,
    },
    /// An empty cell.
    #[error("line {line}: column '{column}' is empty")]
    Empty {
        /// The line.
        line: u64,
        /// The column.
        column: &'static str,
    },
    /// A value that is not a number.
    #[error("line {line}: value '{value}' is not a finite number")]
    NoNumber {
        /// The line.
        line: u64,
        /// The content of the cell.
        value: String,
    },
    /// A second value of the same metric, condition and block.
    #[error(
        "line {line}: a second value of '{metric}' for '{condition}' in block '{block}' (the first is on line {first})"
    )]
    Twice {
        /// The line of the second value.
        line: u64,
        /// The metric.
        metric: String,
        /// The condition.
        condition: String,
        /// The block.
        block: String,
        /// The line of the first value.
        first: u64,
    },
    /// One metric in two units.
    #[error("line {line}: the unit of '{metric}' is '{unit}' here, but '{before}' above")]
    Units {
        /// The line.
        line: u64,
        /// The metric.
        metric: String,
        /// Its unit on this line.
        unit: String,
        /// Its unit on a line above.
        before: String,
    },
    /// A unit that does not show whether higher or lower values are better.
    #[error(
        "line {line}: it is not known whether higher or lower values of '{metric}' are better{}",
        in_unit(unit)
    )]
    Direction {
        /// The line.
        line: u64,
        /// The metric.
        metric: String,
        /// Its unit; empty: it has none.
        unit: String,
    },
    /// The baseline is not in any line.
    #[error("no line has the condition '{name}'; the conditions are {found}")]
    NoBaseline {
        /// The name that was asked for.
        name: String,
        /// The conditions of the file.
        found: String,
    },
    /// There are no lines after the header.
    #[error("there are no values")]
    NoValues,
}

/// Reads the columns `block,condition,metric,value` and, if it exists, `unit`, in any order. Other columns
/// are ignored. Blocks have the order of their first lines in the file. Cells of our own CSV may begin with a
/// quote, which protects users of spreadsheets; it is removed. A condition `NAME#null` is a replica of the
/// baseline `NAME`, as in a session.
pub fn paired(mut file: impl Read, reading: &Reading) -> Result<(Session, Vec<Trial>), PairedError> {
    let mut table = Table::default();
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(PairedError::Unreadable)?;
    let mut lines = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(&text[..]);
    let header = lines.headers().map_err(malformed)?.clone();
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = || header.iter().collect::<Vec<_>>().join(",");
        *place = find(&header, column)?.ok_or_else(|| PairedError::NoColumn { column, found: found() })?;
    }
    let unit_place = find(&header, "unit")?;
    let mut unknown = None;
    for record in lines.records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, |place| line_of(&text, place));
        let mut cells = [""; COLUMNS.len()];
        for ((cell, place), column) in cells.iter_mut().zip(places).zip(COLUMNS) {
            *cell = record
                .get(place)
                .map(csv_text)
                .filter(|cell| !cell.is_empty())
                .ok_or(PairedError::Empty { line, column })?;
        }
        let unit = unit_place.and_then(|place| record.get(place)).map(csv_text).unwrap_or_default();
        add(&mut table, line, cells, unit, reading, &mut unknown)?;
    }
    if let Some(error) = unknown {
        return Err(error);
    }
    let first = || table.environments().first().cloned();
    let baseline = reading.baseline.as_deref().map(named).or_else(first).ok_or(PairedError::NoValues)?;
    if !table.environments().contains(&baseline) {
        let found = table.environments().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(PairedError::NoBaseline { name: baseline.to_string(), found });
    }
    table.session(baseline, reading).ok_or(PairedError::NoValues)
}

fn add(
    table: &mut Table,
    line: u64,
    [block, condition, metric, value]: [&str; 4],
    unit: &str,
    reading: &Reading,
    unknown: &mut Option<PairedError>,
) -> Result<(), PairedError> {
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.ok_or_else(|| PairedError::NoNumber { line, value: value.to_owned() })?;
    let named_in = |names: &[String]| names.iter().any(|name| name == metric);
    let better = match (named_in(&reading.higher), named_in(&reading.lower)) {
        (true, _) => Better::Higher,
        (_, true) => Better::Lower,
        // Other errors of the file are reported first.
        _ => unit::better(unit).unwrap_or_else(|| {
            let (metric, unit) = (metric.to_owned(), unit.to_owned());
            unknown.get_or_insert(PairedError::Direction { line, metric, unit });
            Better::Lower
        }),
    };
    let workload = WorkloadSpec::plain("measured");
    let def =
        MetricDef { name: metric.to_owned().into(), unit: unit.to_owned().into(), better, headline: true };
    let cell = Cell { block, condition: Condition { environment: named(condition), workload }, metric: def };
    table.add(cell, number, line).map_err(|clash| match clash {
        Clash::Units { before } => {
            PairedError::Units { line, metric: metric.to_owned(), unit: unit.to_owned(), before }
        }
        Clash::Twice { first } => PairedError::Twice {
            line,
            metric: metric.to_owned(),
            condition: condition.to_owned(),
            block: block.to_owned(),
            first,
        },
    })
}

fn in_unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(", because its unit '{unit}' does not show it") }
}

/// The line of a record. The parser's position is before the empty lines that precede the record, so these
/// are counted too.
fn line_of(text: &[u8], place: &csv::Position) -> u64 {
    let from = usize::try_from(place.byte()).ok().and_then(|start| text.get(start..)).unwrap_or_default();
    let empty = from.iter().take_while(|byte| b"\r\n".contains(byte)).filter(|byte| **byte == b'\n').count();
    place.line() + empty as u64
}

fn find(header: &csv::StringRecord, column: &'static str) -> Result<Option<usize>, PairedError> {
    let is_it = |cell: &str| cell.trim_start_matches('\u{feff}').eq_ignore_ascii_case(column);
    let mut found = header.iter().enumerate().filter(|(_, cell)| is_it(cell)).map(|(place, _)| place);
    match (found.next(), found.next()) {
        (place, None) => Ok(place),
        _ => Err(PairedError::TwoColumns { column }),
    }
}

fn malformed(source: csv::Error) -> PairedError {
    let line = source.position().map_or(1, csv::Position::line);
    PairedError::Malformed { line, source }
}

/// The environment for a condition of this name. `#` separates the name of the replica. Nothing else has a
/// meaning here: two different names are two conditions, even if Isotare would read both as the same
/// environment.
pub(crate) fn named(name: &str) -> EnvironmentSpec {
    match name.rsplit_once('#') {
        Some((first, replica)) if !first.is_empty() && !replica.is_empty() => {
            EnvironmentSpec { replica: Some(replica.to_owned()), ..EnvironmentSpec::plain(first) }
        }
        _ => EnvironmentSpec::plain(name),
    }
}

#[cfg(test)]
#[path = "paired_tests.rs"]
mod tests;
