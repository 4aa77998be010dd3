//! A thing that a monitor watches, the sums of its columns, and the run that is made from them.

use super::columns::Column;
use crate::{Metric, Run};
use std::collections::HashSet;

/// What a row describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Who<'t> {
    /// The label that distinguishes it: `pid`, `cpu`, `device`; empty: the machine.
    pub kind: &'static str,
    /// The value of this label.
    pub id: &'t str,
    /// Another label with its value, which may change: `command`.
    pub also: (&'static str, &'t str),
    /// The label and the value of what it belongs to: the `pid` of a thread.
    pub of: (&'static str, &'t str),
}

/// The columns of one header.
#[derive(Debug)]
pub struct Table {
    /// The columns with numbers.
    pub columns: Vec<Column>,
    /// The number of reports in which it has rows.
    pub reports: u64,
    /// The last report in which it has rows.
    pub last: u64,
    /// Whether some columns are values for each request.
    of_requests: bool,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: Vec<Column>) -> Self {
        let of_requests = columns.iter().any(Column::is_of_requests);
        Self { columns, reports: 0, last: 0, of_requests }
    }
}

/// The sums of one column.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    rows: u64,
    sum: f64,
    weighted: f64,
    weight: f64,
}

/// The sums of one thing in one table.
#[derive(Debug)]
pub struct Block {
    /// The table's number.
    pub table: usize,
    /// Whether the tool's own average was read.
    pub averaged: bool,
    /// The number of its rows.
    pub rows: u64,
    cells: Vec<Cell>,
}

/// A thing that a monitor watches.
#[derive(Debug)]
pub struct Subject<'t> {
    /// The line of its first row.
    pub line: usize,
    /// What it is.
    pub who: Who<'t>,
    /// Its sums in each table that contains it.
    pub blocks: Vec<Block>,
}

impl Block {
    /// Adds a row. A value that is NaN is missing. So is a zero in a column for each request, because there
    /// was no request.
    pub fn add(&mut self, of: &Table, values: &[f64], weight: f64) {
        self.rows += 1;
        for (at, (cell, &value)) in self.cells.iter_mut().zip(values).enumerate() {
            let nothing = || of.of_requests && of.columns.get(at).is_some_and(Column::is_of_requests);
            if !value.is_nan() && (value != 0.0 || !nothing()) {
                cell.rows += 1;
                cell.sum += value;
                cell.weighted += value * weight;
                cell.weight += weight;
            }
        }
    }

    /// The first column in which the tool's own average differs from the mean of the rows: the column, the
    /// average and the mean.
    pub fn skew<'c>(
        &self,
        of: &'c Table,
        averages: &[f64],
        weighted: bool,
    ) -> Option<(&'c Column, f64, f64)> {
        let cells = self.cells.iter().zip(averages).zip(&of.columns).filter(|(_, column)| !column.is_ratio());
        let mut pairs =
            cells.filter_map(|((cell, &average), column)| Some((column, average, cell.mean(weighted)?)));
        pairs.find(|&(_, average, mean)| differs(mean, average))
    }
}

impl Subject<'_> {
    /// Its sums in this table. If there are none, they are added.
    pub fn block(&mut self, table: usize, columns: usize) -> &mut Block {
        let at = self.blocks.iter().position(|block| block.table == table).unwrap_or_else(|| {
            let cells = vec![Cell::default(); columns];
            self.blocks.push(Block { table, averaged: false, rows: 0, cells });
            self.blocks.len() - 1
        });
        &mut self.blocks[at]
    }

    /// Its run.
    pub fn run(&self, tables: &[Table], uneven: bool) -> Run {
        let (mut metrics, mut known) = (Vec::new(), HashSet::new());
        for block in &self.blocks {
            let columns = tables.get(block.table).map(|table| &table.columns).into_iter().flatten();
            for (column, cell) in columns.zip(&block.cells) {
                let mean = cell.mean(uneven).filter(|_| known.insert(column.name.as_str()));
                metrics.extend(mean.map(|mean| column.metric(mean)));
            }
        }
        if !metrics.is_empty() {
            let rows = self.blocks.iter().map(|block| block.rows).max().unwrap_or(0);
            metrics.push(Metric::higher("rows", "", rows as f64));
        }
        labelled(Run::complete(self.line, metrics), self.who)
    }
}

/// Whether a tool's own average differs from the mean of its rows. The limits allow for rounded numbers, and
/// for intervals of the tool that differ by more than the printed times show.
fn differs(mean: f64, average: f64) -> bool {
    let (rounding, share) = match average {
        whole if whole.fract() == 0.0 => (1.0, 0.1),
        one_digit if (one_digit * 10.0).fract() == 0.0 => (0.1, 0.1),
        _ => (0.02, 0.03),
    };
    (mean - average).abs() > rounding + share * mean.abs().max(average.abs())
}

impl Cell {
    fn mean(&self, weighted: bool) -> Option<f64> {
        match weighted && self.weight > 0.0 {
            _ if self.rows == 0 => None,
            true => Some(self.weighted / self.weight),
            false => Some(self.sum / self.rows as f64),
        }
    }
}

/// Removes the numbers of runs that were mixed with the text after them.
pub fn spoil(runs: &mut [Run], why: &str) {
    for run in runs {
        let labels = std::mem::take(&mut run.labels);
        *run = Run { labels, ..Run::incomplete(run.line, why) };
    }
}

/// A run with the labels of its subject.
pub fn labelled(mut run: Run, who: Who<'_>) -> Run {
    for (label, value) in [(who.kind, who.id), who.also, who.of] {
        if !label.is_empty() && !value.is_empty() {
            run = run.with(label, value);
        }
    }
    run
}

/// The name of a subject in messages.
pub fn name(who: Who<'_>) -> String {
    match who.kind {
        "" => "the machine".to_owned(),
        kind => format!("{kind} {}", who.id),
    }
}
