//! A thing that is watched, the sums of its columns, and the run that is made from them.

use super::columns::Column;
use crate::{Metric, Run};
use std::collections::HashSet;

/// What a row is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Who<'t> {
    /// The label that tells it from others: `pid`, `cpu`, `device`; empty: the machine.
    pub kind: &'static str,
    /// That label's value.
    pub id: &'t str,
    /// A further label and its value, which may change: `command`.
    pub also: (&'static str, &'t str),
    /// What it belongs to, with its label: the `pid` of a thread.
    pub of: (&'static str, &'t str),
}

/// Columns under one header.
#[derive(Debug)]
pub struct Table {
    /// Those with numbers.
    pub columns: Vec<Column>,
    /// Reports in which it has rows.
    pub reports: u64,
    /// The last of them.
    pub last: u64,
    /// Whether some columns are of each request.
    of_requests: bool,
}

impl Table {
    /// Without rows.
    pub fn new(columns: Vec<Column>) -> Self {
        let of_requests = columns.iter().any(Column::is_of_requests);
        Self { columns, reports: 0, last: 0, of_requests }
    }
}

/// Sums of one column.
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
    /// Whether the tool's average was read.
    pub averaged: bool,
    /// Rows in it.
    pub rows: u64,
    cells: Vec<Cell>,
}

/// A thing that is watched.
#[derive(Debug)]
pub struct Subject<'t> {
    /// The line of its first row.
    pub line: usize,
    /// What it is.
    pub who: Who<'t>,
    /// Its sums in each table in which it is.
    pub blocks: Vec<Block>,
}

impl Block {
    /// Adds a row. A value that is NaN is absent, and so is a zero of requests, of which there was none.
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

    /// The first column of which the tool has another average than its rows have, with both.
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
    /// Its sums in this table.
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

/// Whether a tool's average is another than the mean of its rows. Both are of rounded numbers, and the tool's
/// intervals differ by more than the times show.
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

/// Takes the numbers from runs that were mixed with what follows them.
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

/// What something is called in messages.
pub fn name(who: Who<'_>) -> String {
    match who.kind {
        "" => "the machine".to_owned(),
        kind => format!("{kind} {}", who.id),
    }
}
