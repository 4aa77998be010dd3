//! `YCSB`: the output of its text and JSON exporters.
//!
//! Text has lines such as `[READ], AverageLatency(us), 344.12`. JSON has objects with `metric`, `measurement`
//! and `value`. They are in an array or, from `JSONMeasurementsExporter`, one after the other
//! (`core/src/main/java/…/measurements/exporter/`).
//!
//! A run begins with `[OVERALL], RunTime(ms)`. Its operations are in no particular order, and there is no end
//! mark. A run is complete if its return codes add up to the throughput (`Client.java`,
//! `OneMeasurement.java`). The name of each time contains its unit. Percentiles of the `histogram` type are
//! whole milliseconds, and up to 0.2 their unit is `ms`. Versions up to 0.10 print 0.1 as their version.
//!
//! `Command line:` and the version are on the standard error. They are read if the file contains both
//! outputs.

mod numbers;

use crate::documents::{Document, apart, documents};
use crate::tools::Tool;
use crate::tools::report::{Fault, number, run, whole_lines};
use crate::{Decoded, Run};
use serde_json::Value;
use std::collections::BTreeMap;

/// YCSB.
pub static YCSB: Tool =
    Tool { name: "ycsb", summary: "the output of its text and JSON exporters", recognises, decode };

const OVERALL: &str = "OVERALL";
const RUNTIME: &str = "RunTime(ms)";
const COMMAND: &str = "Command line:";

fn recognises(head: &str) -> bool {
    let command = |line: &str| {
        line.strip_prefix(COMMAND).is_some_and(|rest| rest.starts_with(" -") && rest.contains(" -P "))
    };
    let mark = |line: &str| line.starts_with("YCSB Client ") || command(line);
    let text = |line: &str| {
        entry(0, line).is_some_and(|entry| entry.operation == OVERALL || entry.name.ends_with("Latency(us)"))
    };
    let json = head.contains("\"measurement\"") && head.contains("\"RunTime(ms)\"");
    json || head.lines().any(|line| mark(line) || text(line))
}

/// One number.
#[derive(Debug, PartialEq)]
struct Entry {
    line: usize,
    operation: String,
    name: String,
    /// `None`: it is not a number, for example the mean of no values.
    value: Option<f64>,
}

/// The entry on a line of text.
fn entry(line: usize, text: &str) -> Option<Entry> {
    let (operation, rest) = text.trim().strip_prefix('[')?.split_once("], ")?;
    let (name, value) = rest.rsplit_once(", ")?;
    let found = number(value);
    (found.is_some() || value == "NaN").then(|| Entry {
        line,
        operation: operation.to_owned(),
        name: name.to_owned(),
        value: found,
    })
}

/// The entry in a JSON object.
fn of_object(line: usize, object: &Value) -> Option<Entry> {
    let text = |key: &str| Some(object.get(key)?.as_str()?.to_owned());
    let value = object.get("value")?.as_f64().filter(|value| value.is_finite());
    Some(Entry { line, operation: text("metric")?, name: text("measurement")?, value })
}

/// The entries of one run.
#[derive(Default)]
struct Group {
    line: usize,
    labels: BTreeMap<String, String>,
    entries: Vec<Entry>,
}

fn decode(text: &str) -> Decoded {
    let mut json = Json::default();
    if text.contains("\"measurement\"") {
        json.read(text);
    }
    let Json { mut entries, broken, torn } = json;
    let mut commands = Vec::new();
    let mut version = None;
    for (at, line) in whole_lines(text) {
        entries.extend(entry(at, line));
        commands.extend(line.strip_prefix(COMMAND).map(|command| (at, labels(command))));
        version = version.or_else(|| Some(line.strip_prefix("YCSB Client ")?.trim().to_owned()));
    }
    entries.sort_by_key(|entry| entry.line);
    let (groups, mut runs) = grouped(entries, commands);
    let mut torn = torn.into_iter().peekable();
    let mut ends = groups.iter().skip(1).map(|group| group.line).collect::<Vec<_>>().into_iter();
    for group in groups {
        let end = ends.next().unwrap_or(usize::MAX);
        let mut found = numbers::metrics(&group.entries);
        while let Some((_, why)) = torn.next_if(|(line, _)| *line < end) {
            found = Err(Fault::Incomplete(why));
        }
        runs.push(run(group.line, group.labels, found));
    }
    runs.extend(broken.into_iter().map(|(line, why)| Run::incomplete(line, why)));
    runs.sort_by_key(|run| run.line);
    Decoded { version, runs, ..Decoded::default() }
}

/// The content of JSON documents.
#[derive(Default)]
struct Json {
    entries: Vec<Entry>,
    /// Arrays that are damaged, with the reason. Each of them is a run.
    broken: Vec<(usize, String)>,
    /// Objects that are damaged, with the reason. The run of the objects before each of them is incomplete.
    torn: Vec<(usize, String)>,
}

impl Json {
    fn read(&mut self, text: &str) {
        let mut in_row = false;
        // Without the blank between them, objects follow each other like documents.
        for document in apart(documents(&text.replace("} {", "}{")), true) {
            let (line, why) = match document {
                Document::Whole { line, value: Value::Array(objects) } => {
                    self.entries.extend(objects.iter().filter_map(|object| of_object(line, object)));
                    in_row = false;
                    continue;
                }
                Document::Whole { line, value } => {
                    let entry = of_object(line, &value);
                    in_row |= entry.is_some();
                    self.entries.extend(entry);
                    continue;
                }
                Document::CutOff { line } => (line, "its JSON is incomplete".to_owned()),
                Document::Malformed { line, why } => {
                    (line, format!("its JSON is damaged, or mixed with another one: {why}"))
                }
            };
            let place = if in_row { &mut self.torn } else { &mut self.broken };
            place.push((line, why));
        }
    }
}

/// Groups entries by run, and assigns the command line before each run. A command line without entries is a
/// run that did not end.
fn grouped(entries: Vec<Entry>, commands: Vec<(usize, BTreeMap<String, String>)>) -> (Vec<Group>, Vec<Run>) {
    let mut groups: Vec<Group> = Vec::new();
    for entry in entries {
        let begins = entry.operation == OVERALL && entry.name == RUNTIME;
        if begins || groups.is_empty() {
            groups.push(Group { line: entry.line, ..Group::default() });
        }
        if let Some(group) = groups.last_mut() {
            group.entries.push(entry);
        }
    }
    let mut unended = Vec::new();
    let mut groups_left = groups.iter_mut().peekable();
    let mut commands = commands.into_iter().peekable();
    while let Some((line, labels)) = commands.next() {
        while groups_left.next_if(|group| group.line < line).is_some() {}
        let next = commands.peek().map_or(usize::MAX, |(line, _)| *line);
        match groups_left.next_if(|group| group.line < next) {
            Some(group) => (group.line, group.labels) = (line, labels),
            None => unended.push(Run { labels, ..Run::incomplete(line, "it did not end") }),
        }
    }
    (groups, unended)
}

/// The labels in a command line such as `-db site.ycsb.BasicDB -P workloads/workloada -threads 8 -t`.
fn labels(command: &str) -> BTreeMap<String, String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |option: &str| {
        words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1).copied())
    };
    let last = |text: &'_ str, by: char| text.rsplit(by).next().unwrap_or_default().to_owned();
    let property = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let phase = words.iter().find_map(|word| match *word {
        "-load" => Some("load"),
        "-t" => Some("run"),
        _ => None,
    });
    let given = [
        ("test", phase.map(str::to_owned)),
        ("workload", after("-P").map(|path| last(path, '/'))),
        ("db", after("-db").map(|class| last(class, '.'))),
        ("threads", after("-threads").or_else(|| property("threadcount")).map(str::to_owned)),
        ("target", after("-target").or_else(|| property("target")).map(str::to_owned)),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[test]
    fn the_command_line_says_what_was_run() {
        let found =
            labels(" -db com.yahoo.ycsb.db.RedisClient -s -P a/workloadb -P c -p threadcount=8 -load");
        let expect = [("db", "RedisClient"), ("test", "load"), ("threads", "8"), ("workload", "workloadb")];
        assert_eq!(found, expect.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_command_line_without_numbers_is_a_run_that_did_not_end() {
        let text = "YCSB Client 0.17.0\nCommand line: -t\nStarting test.\n";
        let found = decode(text);
        assert_eq!((found.version.as_deref(), found.runs.len()), (Some("0.17.0"), 1));
        assert_eq!((found.runs[0].status, found.runs[0].line), (Status::Incomplete, 2));
    }

    #[test]
    fn objects_that_follow_each_other_are_one_run() {
        let object = |operation: &str, name: &str, value: f64| {
            format!(
                "{{\n  \"metric\" : \"{operation}\",\n  \"measurement\" : \"{name}\",\n  \"value\" : {value}\n}}"
            )
        };
        let all = [
            object("OVERALL", "RunTime(ms)", 2000.0),
            object("OVERALL", "Throughput(ops/sec)", 5.0),
            object("READ", "Operations", 10.0),
            object("READ", "AverageLatency(us)", 7.5),
            object("READ", "Return=OK", 10.0),
            object("CLEANUP", "Operations", 1.0),
        ];
        let found = decode(&format!("{}\n", all.join(" ")));
        assert_eq!((found.runs.len(), found.runs[0].metrics.len()), (1, 3), "{found:?}");
        let found = decode(&format!("{}\n", all[..4].join(" ")));
        assert_eq!(found.runs[0].status, Status::Incomplete, "{found:?}");
        let array = format!("[ {} ]\n", all.join(", "));
        let found = decode(&format!("{array}{}", array.trim_end_matches("} ]\n")));
        let statuses: Vec<_> = found.runs.iter().map(|run| run.status).collect();
        assert_eq!(statuses, [Status::Complete, Status::Incomplete], "{found:?}");
        let found = decode(all.join(" ").trim_end_matches('}'));
        assert_eq!((found.runs.len(), found.runs[0].status), (1, Status::Incomplete), "{found:?}");
    }
}
