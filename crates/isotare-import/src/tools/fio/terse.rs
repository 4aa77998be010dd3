//! fio's terse lines: one for each job, with the same fields in the same places (`HOWTO`, "Terse output").
//! They have no header. A line is accepted as complete if its percentiles are in their places.

use super::{Latency, SIGNAL, error_words, failed, is_message, percentile_name};
use crate::{Decoded, Metric, Run};
use std::collections::BTreeMap;

/// Fields of one direction up to version 4; version 5 has six more.
const OF_DIRECTION: usize = 41;
/// Fields after the directions: processor, depths, distribution of latencies.
const BEHIND: usize = 5 + 7 + 10 + 12;
/// The fields with the percentiles of one direction. 4 fields of amounts and 8 of times are before them.
const PERCENTILES: std::ops::Range<usize> = 12..32;

/// Whether this is the beginning of a terse line: `3;fio-3.33;…`. Version 2 of the format does not contain
/// the version of fio.
pub(super) fn is_line(line: &str) -> bool {
    match line.split_once(';') {
        Some(("3" | "4" | "5", rest)) => rest.starts_with("fio-"),
        Some(("2", rest)) => {
            rest.contains(";0%=0;") || rest.contains(".000000%=") || rest.matches(';').count() > 60
        }
        _ => false,
    }
}

pub(super) fn decode(text: &str) -> Decoded {
    let mut found = Decoded::default();
    let words = error_words(text);
    let mut signal = None;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if !is_line(line) {
            signal = Some(line.trim_end())
                .filter(|line| line.starts_with(SIGNAL))
                .or(signal.filter(|_| is_message(line)));
            continue;
        }
        let fields: Vec<&str> = line.trim_end().split(';').collect();
        let version = fields.get(1).filter(|_| fields.first() != Some(&"2"));
        found.version = found.version.or_else(|| Some(version?.strip_prefix("fio-")?.to_owned()));
        let run = match (signal, line.ends_with('\n')) {
            (Some(message), _) => Run::incomplete(at + 1, message),
            (None, true) => of_line(&words, at + 1, &fields),
            (None, false) => Run::incomplete(at + 1, "the line is incomplete"),
        };
        found.runs.push(run);
    }
    found
}

fn of_line(words: &BTreeMap<i64, &str>, line: usize, fields: &[&str]) -> Run {
    let version = fields.first().copied().unwrap_or_default();
    let before = if version == "2" { 1 } else { 2 };
    let (directions, size): (&[&str], usize) = match version {
        "3" => (&["read", "write"], OF_DIRECTION),
        "5" => (&["read", "write", "trim"], OF_DIRECTION + 6),
        _ => (&["read", "write", "trim"], OF_DIRECTION),
    };
    let [Some(job), Some(error)] = [fields.get(before), fields.get(before + 2)] else {
        return Run::incomplete(line, "the line is incomplete");
    };
    let begin = before + 3;
    if fields.len() < begin + directions.len() * size + BEHIND {
        return Run::incomplete(
            line,
            format!("it has only {} fields, fewer than a line of fio", fields.len()),
        );
    }
    let run = match error.parse::<i64>() {
        Ok(0) => {
            let parts = directions.iter().zip(fields.get(begin..).unwrap_or_default().chunks_exact(size));
            let found: Option<Vec<Vec<Metric>>> = parts.map(|(kind, part)| metrics(kind, part)).collect();
            match found {
                Some(metrics) => Run::complete(line, metrics.concat()),
                None => Run::unreadable(line, "the fields are not at the positions of a line of fio"),
            }
        }
        Ok(error) => Run::incomplete(line, failed(words, error)),
        Err(_) => Run::unreadable(line, "the fields are not at the positions of a line of fio"),
    };
    run.with("job", *job)
}

/// The metrics of one direction: empty if nothing was done, `None` if the fields are not those of a
/// direction.
fn metrics(kind: &str, fields: &[&str]) -> Option<Vec<Metric>> {
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok().filter(|number| number.is_finite());
    let (amount, rate, iops, _milliseconds) = (number(0)?, number(1)?, number(2)?, number(3)?);
    let percentiles: Option<Vec<(f64, f64)>> =
        fields.get(PERCENTILES)?.iter().map(|field| percentile(field)).collect();
    let percentiles = percentiles?;
    let seconds = |at: usize| Some(number(at)? * 1e-6);
    let after = PERCENTILES.end;
    let latency = Latency {
        min: Some(seconds(after)?),
        max: Some(seconds(after + 1)?),
        mean: Some(seconds(after + 2)?),
        stddev: Some(seconds(after + 3)?),
    };
    if !latency.fits(1e-6) {
        return None;
    }
    if amount == 0.0 && iops == 0.0 {
        return Some(Vec::new());
    }
    let mut metrics = Vec::new();
    if rate > 0.0 {
        metrics.push(Metric::higher(format!("{kind}_throughput"), "B/s", rate * 1024.0));
    }
    if iops > 0.0 {
        metrics.push(Metric::higher(format!("{kind}_iops"), "1/s", iops));
    }
    metrics.extend(latency.metrics(kind));
    let named =
        percentiles.into_iter().filter_map(|(percent, value)| Some((percentile_name(percent)?, value)));
    metrics.extend(named.filter(|(_, microseconds)| *microseconds > 0.0).map(|(name, microseconds)| {
        Metric::lower(format!("{kind}_latency_{name}"), "s", microseconds * 1e-6)
    }));
    Some(metrics)
}

/// Per cent and value in `99.000000%=1234`.
fn percentile(field: &str) -> Option<(f64, f64)> {
    let (percent, value) = field.split_once("%=")?;
    Some((percent.parse().ok()?, value.parse().ok()?))
}
