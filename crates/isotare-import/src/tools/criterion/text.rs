//! What `cargo bench` and `cargo criterion` print of each benchmark.
//!
//! `Benchmarking NAME: Collecting …` goes to the terminal or the standard error, and `NAME time: [a b c]` to
//! the standard output. A long name is on a line of its own. If a file does not contain the standard error,
//! the only sign of two mixed runs is that the same name occurs twice in a row.

use super::json::check;
use super::{metric, unit};
use crate::Run;
use std::collections::BTreeSet;

/// A benchmark's result.
struct Result {
    line: usize,
    /// The name; empty: its line is missing.
    name: String,
    time: Option<Time>,
    /// Whether its lines are mixed with those of another run.
    mixed: bool,
    /// Whether a line with details occurs twice.
    doubled: bool,
    details: BTreeSet<String>,
}

/// An estimate between the ends of its interval, all in one unit.
struct Time {
    values: [f64; 3],
    unit: String,
}

/// Whether this line gives a time: `time:   [26.029 µs 26.251 µs 26.505 µs]`.
pub(super) fn is_time(line: &str) -> bool {
    split(line)
        .is_some_and(|(_, rest)| rest.split_once(']').is_some_and(|(inner, _)| interval(inner).is_some()))
}

/// The text before a time, and the text in its brackets and after them.
fn split(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once("time:")?;
    let rest = rest.trim_start().strip_prefix('[')?;
    // A value in per cent is a change against an earlier run, and not a time.
    let is_change = rest.split_once(']').is_some_and(|(inner, _)| inner.contains('%'));
    (!is_change && (name.is_empty() || name.ends_with(' '))).then_some((name.trim(), rest))
}

/// `929.99 ns 1.0027 µs 1.0716 µs`: each has its own unit.
fn interval(inner: &str) -> Option<Time> {
    let words: Vec<&str> = inner.split_whitespace().collect();
    let [a, unit_a, b, unit_b, c, unit_c] = words.as_slice() else { return None };
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let values = [number(a)?, number(b)?, number(c)?];
    let (values, unit) = match [unit(unit_a), unit(unit_b), unit(unit_c)] {
        [Some(a), Some(b), Some(c)] => ([values[0] * a, values[1] * b, values[2] * c], "s"),
        _ if unit_a == unit_b && unit_a == unit_c => (values, *unit_a),
        _ => return None,
    };
    Some(Time { values, unit: unit.to_owned() })
}

pub(super) fn runs(text: &str) -> Vec<Run> {
    let mut results: Vec<Result> = Vec::new();
    // The benchmark that runs now, the line of its first stage, and its stages so far.
    let mut open: Option<(String, usize, BTreeSet<&str>)> = None;
    let mut mixed = false;
    let mut staged = false;
    let mut before = "";
    for (at, line) in text.lines().enumerate() {
        if let Some(stage) = line.strip_prefix("Benchmarking ") {
            staged = true;
            let (name, stage) = name_and_stage(stage);
            match open.as_mut().filter(|(open, _, _)| open == name) {
                Some((_, _, stages)) => mixed |= !stages.insert(stage),
                None => {
                    if let Some((name, line, _)) = open.replace((name.to_owned(), at + 1, [stage].into())) {
                        results.push(Result::new(line, &name, None, false));
                        mixed = false;
                    }
                }
            }
        } else if let Some((name, rest)) = split(line) {
            let name = if name.is_empty() && !before.starts_with(' ') { before.trim() } else { name };
            let time = rest.split_once(']').and_then(|(inner, _)| interval(inner));
            let expected = open.take().is_some_and(|(open, _, _)| open == name);
            results.push(Result::new(at + 1, name, time, mixed || (staged && !expected)));
            mixed = false;
        } else if let Some(last) = results.last_mut().filter(|_| is_detail(line)) {
            last.doubled |= !last.details.insert(line.trim().to_owned());
        }
        before = line;
    }
    if let Some((name, line, _)) = open {
        results.push(Result::new(line, &name, None, mixed));
    }
    judge(&mut results);
    results.into_iter().map(Result::run).collect()
}

/// Separates `fib 20: Warming up for 3.0000 s` into the name and the stage.
fn name_and_stage(text: &str) -> (&str, &str) {
    for stage in ["Warming up for ", "Collecting ", "Analyzing", "Complete"] {
        let name = text.rsplit_once(stage).and_then(|(name, _)| name.trim_end().strip_suffix(':'));
        if let Some(name) = name {
            return (name, stage);
        }
    }
    (text.trim_end(), "")
}

/// Whether a line occurs only once for each result.
fn is_detail(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("Found ") || line.starts_with("thrpt:") || line.starts_with("change:")
}

/// Marks results of mixed runs. Two results of the same name in a row are from two mixed runs if lines with
/// details are doubled after them, or if the file contains other names.
fn judge(results: &mut [Result]) {
    let names: BTreeSet<&str> = results.iter().map(|result| result.name.as_str()).collect();
    let several = names.len() > 1;
    for at in 0..results.len() {
        let Some((first, rest)) = results.get_mut(at..).and_then(|tail| tail.split_first_mut()) else {
            break;
        };
        if first.doubled {
            first.mixed = true;
        }
        let Some(second) = rest.first_mut() else { break };
        // A long name is on a line of its own. If two runs are mixed, only one of the two times has the name
        // directly before it.
        if second.name.is_empty() || (second.name == first.name && (second.doubled || several)) {
            (first.mixed, second.mixed) = (true, true);
        }
    }
}

impl Result {
    fn new(line: usize, name: &str, time: Option<Time>, mixed: bool) -> Self {
        Self { line, name: name.to_owned(), time, mixed, doubled: false, details: BTreeSet::new() }
    }

    fn run(self) -> Run {
        let Self { line, name, time, mixed, .. } = self;
        if name.is_empty() {
            return Run::incomplete(line, "the name of the benchmark is missing");
        }
        let run = match (mixed, time) {
            (true, _) => Run::incomplete(line, "two runs are mixed: a line of this benchmark occurs twice"),
            (false, None) => Run::incomplete(line, "the time of this benchmark is missing or incomplete"),
            (false, Some(Time { values, unit })) => match check("the time", values) {
                Ok(()) => Run::complete(line, vec![metric("time", &unit, values[1])]),
                Err(why) => Run::unreadable(line, why),
            },
        };
        run.with("benchmark", name)
    }
}
