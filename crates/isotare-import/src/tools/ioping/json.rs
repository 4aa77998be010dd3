//! The JSON of `-J`: an array of requests and statistics. The last statistics cover the whole run.

use super::{Figures, IMPOSSIBLE, NOTHING};
use crate::Run;
use crate::documents::{Document, apart, documents};
use serde::Deserialize;
use serde_json::Value;

pub fn recognises(text: &str) -> bool {
    text.contains("\"fstype\":") && (text.contains("\"mdev\":") || text.contains("\"ignored\":"))
}

#[derive(Deserialize)]
struct Entry {
    target: Target,
    io: Option<Io>,
    stat: Option<Stat>,
    load: Option<Load>,
}

#[derive(Deserialize)]
struct Target {
    path: String,
}

#[derive(Deserialize)]
struct Io {
    operation: String,
}

/// Times in ns.
#[derive(Deserialize)]
struct Stat {
    count: f64,
    size: f64,
    time: f64,
    iops: f64,
    bps: f64,
    min: f64,
    avg: f64,
    max: f64,
    mdev: f64,
}

#[derive(Deserialize)]
struct Load {
    iops: f64,
    bps: f64,
}

pub fn runs(text: &str) -> Vec<Run> {
    apart(documents(text), true).into_iter().map(run).collect()
}

fn run(document: Document) -> Run {
    let (line, value) = match document {
        Document::Whole { line, value } => (line, value),
        Document::CutOff { line } => return Run::incomplete(line, "it is incomplete"),
        Document::Malformed { line, why } => return Run::unreadable(line, why),
    };
    let Value::Array(list) = value else {
        return Run::unreadable(line, "it is not a list in ioping's format");
    };
    let entries: Result<Vec<Entry>, _> = list.into_iter().map(Entry::deserialize).collect();
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return Run::unreadable(line, error.to_string()),
    };
    let Some((Entry { target, stat: Some(stat), load, .. }, others)) = entries.split_last() else {
        return Run::incomplete(line, "its statistics are missing");
    };
    let mut operations = others.iter().filter_map(|entry| Some(entry.io.as_ref()?.operation.as_str()));
    let operation = operations.next().filter(|first| operations.all(|other| other == *first));
    let run = statistics(line, stat, load.as_ref()).with("target", target.path.as_str());
    let run = match stat.count > 0.0 {
        true => run.with("block_size", (stat.size / stat.count).to_string()),
        false => run,
    };
    match operation {
        Some(operation) => run.with("operation", operation),
        None => run,
    }
}

fn statistics(line: usize, stat: &Stat, load: Option<&Load>) -> Run {
    if stat.count == 0.0 {
        return Run::unreadable(line, NOTHING);
    }
    const SECOND: f64 = 1e9;
    let figures = Figures {
        iops: Some(stat.iops),
        speed: Some(stat.bps),
        min: Some(stat.min / SECOND),
        mean: Some(stat.time / stat.count / SECOND),
        max: Some(stat.max / SECOND),
        deviation: Some(stat.mdev / SECOND),
        load_iops: load.map(|load| load.iops),
        load_speed: load.map(|load| load.bps),
    };
    let is_mean = (stat.avg * stat.count - stat.time).abs() <= stat.count;
    let is_rate = (stat.iops * stat.time / SECOND - stat.count).abs() <= 1e-3 * stat.count;
    match figures.is_possible() && is_mean && is_rate {
        true => Run::complete(line, figures.metrics()),
        false => Run::unreadable(line, IMPOSSIBLE),
    }
}
