//! The tables of `--export-csv` and `--export-markdown`.

use crate::{Metric, Run};
use csv::{ReaderBuilder, StringRecord};

pub(super) fn is_csv(line: &str) -> bool {
    line.starts_with("command,mean,stddev,")
}

pub(super) fn is_markdown(line: &str) -> bool {
    line.starts_with("| Command | Mean [")
}

/// Two headers follow each other, so the rows after them are mixed.
const MIXED: &str = "there is another header next to its header: two tables are mixed";

/// The runs of each table that has the header of the CSV export.
pub(super) fn csv(text: &str) -> Vec<Run> {
    let mut begins = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_csv(line) {
            begins.push((number + 1, at));
        }
        at += line.len();
    }
    let ends = begins.iter().skip(1).map(|(_, at)| *at).chain([text.len()]);
    let mut runs = Vec::new();
    let mut mixed = false;
    for ((line, begin), end) in begins.iter().zip(ends) {
        let found = table(*line, text.get(*begin..end).unwrap_or_default());
        if found.is_empty() {
            runs.push(Run::incomplete(*line, "the table has no rows"));
        } else if mixed {
            runs.extend(found.iter().map(|run| Run::incomplete(run.line, MIXED)));
        } else {
            runs.extend(found.iter().cloned());
        }
        mixed = found.is_empty();
    }
    runs
}

fn table(line: usize, text: &str) -> Vec<Run> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let Ok(header) = reader.headers().cloned() else { return Vec::new() };
    let mut runs = Vec::new();
    for record in reader.records() {
        let Ok(record) = record else { break };
        // A line without a comma is a message.
        if record.len() < 2 {
            continue;
        }
        let line = line - 1 + record.position().map_or(1, |place| usize::try_from(place.line()).unwrap_or(1));
        runs.push((line, record));
    }
    let last = runs.len();
    let whole = |at: usize| at + 1 < last || text.ends_with('\n');
    let of_record = |(at, (line, record)): (usize, (usize, StringRecord))| match record.len() == header.len()
        && whole(at)
    {
        true => of_record(line, &header, &record),
        false => Run::incomplete(line, "the row is incomplete"),
    };
    runs.into_iter().enumerate().map(of_record).collect()
}

fn of_record(line: usize, header: &StringRecord, record: &StringRecord) -> Run {
    let mut metrics = Vec::new();
    let mut labels = Vec::new();
    for (name, value) in header.iter().zip(record) {
        let metric = match name {
            "mean" => "time_mean",
            "stddev" => "time_stddev",
            "median" => "time_median",
            "min" => "time_min",
            "max" => "time_max",
            "user" => "user_time",
            "system" => "system_time",
            name if name == "command" || name.starts_with("parameter_") => {
                labels.push((name, value));
                continue;
            }
            _ => continue,
        };
        match value.parse::<f64>() {
            Ok(seconds) if seconds > 0.0 => metrics.push(Metric::lower(metric, "s", seconds)),
            Ok(_) => {}
            Err(_) if value.is_empty() => {}
            Err(_) => return Run::unreadable(line, format!("{name} is not a number: {value:?}")),
        }
    }
    let run = Run::complete(line, metrics);
    labels.into_iter().fold(run, |run, (name, value)| run.with(name, value))
}

/// The runs of each table that has the header of the Markdown export.
pub(super) fn markdown(text: &str) -> Vec<Run> {
    let mut lines = (1..).zip(text.split_inclusive('\n')).peekable();
    let mut runs = Vec::new();
    let mut mixed = false;
    while let Some((number, header)) = lines.next() {
        if !is_markdown(header) {
            continue;
        }
        let columns = cells(header);
        if lines.next_if(|(_, line)| line.starts_with("|:--")).is_none() {
            runs.push(Run::incomplete(number, "the table ends in its header"));
            mixed = true;
            continue;
        }
        let mut rows = Vec::new();
        while let Some((number, line)) =
            lines.next_if(|(_, line)| line.starts_with('|') && !is_markdown(line))
        {
            rows.push((number, line));
        }
        if rows.is_empty() {
            runs.push(Run::incomplete(number, "the table has no rows"));
        }
        runs.extend(rows.into_iter().map(|(number, line)| match (mixed, line.ends_with('\n')) {
            (true, _) => Run::incomplete(number, MIXED),
            (false, false) => Run::incomplete(number, "the row is incomplete"),
            (false, true) => of_row(number, &columns, &cells(line)),
        }));
        mixed = false;
    }
    runs
}

/// The cells of a row. Within a cell, a bar is written as `\|`.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').replace("\\|", "\u{0}");
    let line = line.strip_suffix('|').unwrap_or(&line);
    line.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

fn of_row(line: usize, columns: &[String], cells: &[String]) -> Run {
    if cells.len() != columns.len() {
        return Run::incomplete(line, "the row does not have the same columns as its header");
    }
    let mut metrics = Vec::new();
    let mut command = String::new();
    for (column, cell) in columns.iter().zip(cells) {
        if column == "Command" {
            command = cell.trim_matches('`').to_owned();
        }
        // Up to 1.8, minimum and maximum are in one cell.
        if column.contains('…') {
            continue;
        }
        let Some((name, unit)) = column.strip_suffix(']').and_then(|column| column.split_once(" [")) else {
            continue;
        };
        let Some(scale) = super::unit(unit) else {
            return Run::unreadable(line, format!("{unit} is not a unit of time"));
        };
        let (value, stddev) = match cell.split_once('±') {
            Some((value, stddev)) => (value, Some(stddev)),
            None => (cell.as_str(), None),
        };
        let name = name.to_lowercase();
        for (name, value) in [(format!("time_{name}"), Some(value)), ("time_stddev".to_owned(), stddev)] {
            let Some(value) = value else { continue };
            match value.trim().parse::<f64>() {
                Ok(value) if value > 0.0 => metrics.push(Metric::lower(name, "s", value * scale)),
                Ok(_) => {}
                Err(_) => return Run::unreadable(line, format!("{column} is not a number: {cell:?}")),
            }
        }
    }
    Run::complete(line, metrics).with("command", command)
}
