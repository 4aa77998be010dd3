//! The scripts and the statements in a report of pgbench. Each of them is a run.

use super::{AVERAGE, STDDEV, seconds_of_milliseconds};
use crate::tools::report::{Fault, Line, count, decimal, first_number, number, run, time};
use crate::{Metric, Run};
use std::collections::BTreeMap;

type Labels = BTreeMap<String, String>;

/// Whether this line begins the part with scripts and statements.
pub fn begin(line: &str) -> bool {
    line.starts_with("SQL script ") || line.starts_with("script statistics:") || columns(line).is_some()
}

/// The columns of numbers before each statement, as named in `statement latencies in milliseconds, failures
/// and retries:`.
fn columns(line: &str) -> Option<Vec<&'static str>> {
    let rest = line.trim_start_matches([' ', '-']).strip_prefix("statement latencies in milliseconds")?;
    let more = ["failures", "retries"].into_iter().filter(|name| rest.contains(name));
    Some(std::iter::once("latency").chain(more).collect())
}

/// A run for each script and each statement.
pub fn read(lines: &[Line<'_>], labels: &Labels) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut script: Option<Script<'_>> = None;
    let mut at = 0;
    while let Some((number, line)) = lines.get(at) {
        at += 1;
        if let Some(name) = line.strip_prefix("SQL script ") {
            runs.extend(script.take().map(|script| script.run(labels)));
            script = Some(Script { line: *number, name: name.replacen(": ", " ", 1), lines: Vec::new() });
        } else if let Some(columns) = columns(line) {
            let mut labels = labels.clone();
            if let Some(script) = &script {
                labels.insert("script".to_owned(), script.name.clone());
            }
            let rows = lines
                .iter()
                .skip(at)
                .map_while(|(number, line)| Some((*number, statement(line, columns.len())?)));
            let statements: Vec<_> = rows.zip(1..).collect();
            at += statements.len();
            runs.extend(script.take().map(|script| script.run(&labels)));
            runs.extend(
                statements
                    .iter()
                    .filter_map(|((line, row), place)| of_statement(*line, *place, row, &columns, &labels)),
            );
        } else if let Some(script) = &mut script {
            script.lines.push(line.trim_start_matches([' ', '-']));
        }
    }
    runs.extend(script.take().map(|script| script.run(labels)));
    runs
}

/// The lines about one script.
struct Script<'a> {
    line: usize,
    name: String,
    lines: Vec<&'a str>,
}

impl Script<'_> {
    fn run(&self, labels: &Labels) -> Run {
        let mut labels = labels.clone();
        labels.insert("script".to_owned(), self.name.clone());
        run(self.line, labels, self.metrics())
    }

    fn after(&self, word: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(word))
    }

    /// Up to 16 the rate is on the line with the number of transactions, later on a line of its own. The
    /// latencies are the last lines.
    fn metrics(&self) -> Result<Vec<Metric>, Fault> {
        let cut = || Fault::incomplete("it is incomplete: the script's latencies are missing");
        let transactions = self.lines.iter().find_map(|line| number(line.split_once(" transactions (")?.0));
        if transactions.ok_or_else(cut)? == 0.0 {
            return Err(Fault::unreadable("the script was never run"));
        }
        let rate =
            self.lines.iter().find_map(|line| decimal(line.split_once("tps = ")?.1.strip_suffix(')')?));
        let (rate, mean) = (rate.ok_or_else(cut)?, self.after(AVERAGE).and_then(seconds_of_milliseconds));
        let stddev = self.after(STDDEV).and_then(seconds_of_milliseconds);
        if mean.and(stddev).is_none() {
            return Err(cut());
        }
        let mut metrics = vec![Metric::higher("transactions_per_second", "1/s", rate)];
        metrics.extend(time("latency_mean", mean));
        metrics.extend(time("latency_stddev", stddev));
        let failed = self.after("number of failed transactions:").and_then(first_number);
        metrics.extend(count("failed_transactions", failed));
        Ok(metrics)
    }
}

/// The numbers before a statement, and the statement.
fn statement(line: &str, numbers: usize) -> Option<(Vec<f64>, &str)> {
    let mut rest = line.trim_start();
    let mut values = Vec::new();
    for _ in 0..numbers {
        let (value, after) = rest.split_once(char::is_whitespace)?;
        values.push(decimal(value)?);
        rest = after.trim_start();
    }
    (!rest.is_empty()).then_some((values, rest))
}

/// The run of a statement; `None`: it took less time than pgbench can print.
fn of_statement(
    line: usize,
    place: usize,
    (values, text): &(Vec<f64>, &str),
    columns: &[&'static str],
    labels: &Labels,
) -> Option<Run> {
    let cells: BTreeMap<&str, f64> = columns.iter().copied().zip(values.iter().copied()).collect();
    let mut metrics =
        vec![time("latency_mean", cells.get("latency").map(|milliseconds| milliseconds / 1000.0))?];
    metrics.extend(count("failures", cells.get("failures").copied()));
    metrics.extend(count("retries", cells.get("retries").copied()));
    let mut labels = labels.clone();
    labels.insert("statement".to_owned(), format!("{place} {}", text.trim_end()));
    Some(run(line, labels, Ok(metrics)))
}
