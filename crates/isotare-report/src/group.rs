//! Results as tables show them: one group per workload and headline metric.

use crate::quantity::{Scale, common_scale};
use crate::report::{BaselineRow, EnvironmentStatus, Report, ResultRow, Warning, WarningKind};
use isotare_core::{Better, MeasuredBy};
use std::collections::BTreeMap;

/// One table.
pub(crate) struct Group<'a> {
    pub workload: &'a str,
    pub parameters: &'a BTreeMap<String, String>,
    pub metric: &'a str,
    pub unit: &'a str,
    pub better: Better,
    /// The baseline's own line.
    pub baseline: &'a BaselineRow,
    /// Every environment with a value; the null test first.
    pub rows: Vec<&'a ResultRow>,
    /// Environments without a value.
    pub missing: Vec<&'a EnvironmentStatus>,
}

impl Group<'_> {
    /// The scale for its values.
    pub fn scale(&self) -> Option<Scale> {
        common_scale(self.unit, self.rows.iter().map(|row| row.value).chain(self.baseline.value))
    }
}

/// The groups of a report in order.
pub(crate) fn groups(report: &Report) -> Vec<Group<'_>> {
    report
        .baseline_values
        .iter()
        .filter(|row| row.headline && row.source != MeasuredBy::Sampler)
        .map(|row| group(report, row))
        .collect()
}

fn group<'a>(report: &'a Report, baseline: &'a BaselineRow) -> Group<'a> {
    let rows: Vec<&ResultRow> = report
        .results
        .iter()
        .filter(|row| {
            (&row.workload, &row.parameters, &row.metric)
                == (&baseline.workload, &baseline.parameters, &baseline.metric)
        })
        .collect();
    let has_row = |name: &str| rows.iter().any(|row| row.environment == name);
    let is_baseline = |name: &str| name == report.baseline;
    let missing = report
        .environments
        .iter()
        .filter(|status| match is_baseline(&status.environment) {
            true => baseline.value.is_none(),
            false => !has_row(&status.environment),
        })
        .collect();
    Group {
        workload: &baseline.workload,
        parameters: &baseline.parameters,
        metric: &baseline.metric,
        unit: &baseline.unit,
        better: baseline.better,
        baseline,
        rows,
        missing,
    }
}

/// The reason why an environment has no value in a group.
pub(crate) fn why_missing(status: &EnvironmentStatus) -> String {
    status.why_not().unwrap_or_else(|| "no completed trial of this workload".to_owned())
}

/// Why an environment has no value in a group, for a cell: a short word, and the note that has the reason, if there is more to
/// say.
pub(crate) fn missing(status: &EnvironmentStatus) -> (String, Option<String>) {
    let why = why_missing(status);
    let word = why.split([':', ';']).next().unwrap_or_default().to_owned();
    let note = (word != why).then(|| format!("{}: {why}", status.environment));
    (word, note)
}

/// Warnings numbered in the order of their first appearance, equal ones once.
#[derive(Default)]
pub(crate) struct Footnotes(Vec<String>);

impl Footnotes {
    /// The number of a note, from 1.
    pub fn number(&mut self, note: &str) -> usize {
        self.known(note).unwrap_or_else(|| {
            self.0.push(note.to_owned());
            self.0.len()
        })
    }

    /// The number of a note that is there already.
    pub fn known(&self, note: &str) -> Option<usize> {
        self.0.iter().position(|other| other == note).map(|at| at + 1)
    }

    /// The numbers of a row's warnings, without those that the verdict already contains.
    pub fn numbers(&mut self, warnings: &[Warning]) -> Vec<usize> {
        let shown = warnings.iter().filter(|warning| warning.kind != WarningKind::TooNoisy);
        shown.map(|warning| self.number(&warning.message)).collect()
    }

    /// The notes in order.
    pub fn notes(&self) -> &[String] {
        &self.0
    }
}

/// Numbers as superscripts.
pub(crate) fn superscript(numbers: &[usize]) -> String {
    let digit = |c: char| match c {
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => c.to_digit(10).and_then(|d| char::from_u32(0x2070 + d)).unwrap_or(c),
    };
    let one = |number: &usize| number.to_string().chars().map(digit).collect::<String>();
    numbers.iter().map(one).collect::<Vec<_>>().join(" ")
}
