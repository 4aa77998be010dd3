//! The totals of the intervals of `perf stat -I`.

use super::rows::Row;
use super::{Count, Counter};
use crate::{Decoded, Run, Status};
use std::borrow::Cow;

/// A run that perf printed in intervals.
pub(super) struct Series {
    /// Its lines, from the first to the last.
    pub lines: std::ops::RangeInclusive<usize>,
    /// One run, or one for each place if perf counts them separately.
    pub runs: Vec<Run>,
    /// Warnings about counters that were not counted all the time.
    pub warnings: Vec<String>,
}

/// The place and the event of a counter. They distinguish it from the others of its interval.
pub(super) type Key<'a> = (Option<&'a str>, &'a str);

/// The counters of these rows.
pub(super) fn keys(rows: &[Row]) -> Vec<Key<'_>> {
    rows.iter().map(|row| (row.place.as_deref(), row.counter.event.as_str())).collect()
}

/// The total of the rows of one counter. There is none if some rows could not be counted, or if the values
/// are not counts.
pub(super) fn total(rows: &[&Row]) -> Option<Counter> {
    let first = &rows.first()?.counter;
    let counters = || rows.iter().map(|row| &row.counter);
    let share = |counter: &&Counter| counter.counted.unwrap_or(100.0);
    let counted: Vec<f64> = counters()
        .filter_map(|counter| if let Count::Counted(value) = counter.count { Some(value) } else { None })
        .collect();
    let unsupported = counters().find(|counter| matches!(counter.count, Count::Not("not supported")));
    let missed = counters().find(|counter| matches!(counter.count, Count::Not(_)) && share(counter) < 100.0);
    let least = counters().min_by(|one, other| share(one).total_cmp(&share(other)))?;
    // Up to 4.18 the unit is missing in intervals where nothing was counted.
    let unit =
        counters().map(|counter| counter.unit.as_str()).find(|unit| !unit.is_empty()).unwrap_or_default();
    let (line, count) = match (unsupported, missed) {
        (Some(row), _) => (row.line, Count::Not("not supported")),
        (None, Some(row)) => (row.line, Count::Not("not counted in every interval")),
        (None, None) if counted.is_empty() => (first.line, Count::Not("not counted")),
        (None, None) if unit == "C" || unit.contains(['%', '/']) => {
            (first.line, Count::Not("a state, which has no total"))
        }
        (None, None) => (least.line, Count::Counted(counted.iter().sum())),
    };
    let (event, unit) = (first.event.clone(), unit.to_owned());
    Some(Counter { line, event, unit, count, noise: None, counted: least.counted, unit_was_behind: false })
}

/// All runs in the order of the text: those in intervals and those with a report. A report that follows
/// intervals and has the same numbers is their `--summary`. It contains more, so it is used in their place.
pub(super) fn merge(series: Vec<Series>, reports: Decoded) -> Decoded {
    let mut found = reports;
    let begins: Vec<usize> = series.iter().map(|series| *series.lines.start()).collect();
    for (at, one) in series.into_iter().enumerate() {
        let until = begins.get(at + 1).copied().unwrap_or(usize::MAX);
        // A message about a command that could not be run is within the intervals, and is already a run of
        // them.
        found.runs.retain(|run| !one.lines.contains(&run.line));
        let next =
            found.runs.iter().map(|run| run.line).find(|line| (*one.lines.end()..until).contains(line));
        let summary: Vec<&Run> = found.runs.iter().filter(|run| Some(run.line) == next).collect();
        if !one.is_told_by(&summary) {
            found.runs.extend(one.runs);
            found.warnings.extend(one.warnings);
        }
    }
    found.runs.sort_by_key(|run| run.line);
    found
}

impl Series {
    /// Whether these reports have the same numbers. Numbers that are estimates are not compared.
    fn is_told_by(&self, reports: &[&Run]) -> bool {
        let value = |run: &Run, name: &Cow<'static, str>| {
            run.metrics.iter().find(|metric| metric.name == *name).map(|metric| metric.value)
        };
        let is_estimate = |name: &str| {
            self.warnings.iter().any(|warning| warning.contains(&format!(": {name} was counted ")))
        };
        let is_same = |(one, report): (&Run, &&Run)| {
            one.labels.get("cpu") == report.labels.get("cpu")
                && one
                    .metrics
                    .iter()
                    .filter(|metric| !["total_time", "intervals"].contains(&metric.name.as_ref()))
                    .all(|metric| {
                        let rounding = if metric.unit == "s" { 1e-3 } else { 0.01 };
                        is_estimate(&metric.name)
                            || value(report, &metric.name)
                                .is_some_and(|value| (value - metric.value).abs() <= rounding)
                    })
        };
        !reports.is_empty()
            && reports.len() == self.runs.len()
            && self.runs.iter().all(|run| run.status == Status::Complete)
            && self.runs.iter().zip(reports).all(is_same)
    }
}
