//! The text that hyperfine prints for each command.

use crate::{Metric, Run};

/// The command in `Benchmark 1: sleep 1`, or up to 1.11 in `Benchmark #1: sleep 1`.
pub(super) fn title(line: &str) -> Option<&str> {
    let (number, command) = line.strip_prefix("Benchmark ")?.split_once(": ")?;
    let digits = number.strip_prefix('#').unwrap_or(number);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(command.trim_end())
}

/// A command while its lines are read.
struct Benchmark<'a> {
    line: usize,
    command: &'a str,
    /// How many lines with a time and with a range were read.
    lines: [usize; 2],
    metrics: Option<Vec<Metric>>,
}

/// A run for each title. If a command has no time, it failed, and the text after it is the reason.
pub(super) fn runs(text: &str) -> Vec<Run> {
    let mut found: Vec<Benchmark> = Vec::new();
    let mut error = None;
    for (at, whole) in text.split_inclusive('\n').enumerate() {
        if let Some(command) = title(whole) {
            found.push(Benchmark { line: at + 1, command, lines: [0, 0], metrics: Some(Vec::new()) });
        } else if let Some(words) = whole.strip_prefix("Error: ") {
            error = Some(words.trim_end());
        } else if let Some(last) = found.last_mut().filter(|_| whole.ends_with('\n')) {
            last.read(whole.trim());
        }
    }
    let last = found.len().saturating_sub(1);
    let run = |(at, benchmark): (usize, Benchmark)| benchmark.run(error.filter(|_| at == last));
    found.into_iter().enumerate().map(run).collect()
}

impl Benchmark<'_> {
    fn read(&mut self, line: &str) {
        // A command that ran only once has a single time and no range.
        let (kind, names) = match line.split_once(':') {
            Some(("Time (mean ± σ)", _)) => (0, ["time_mean", "time_stddev"].as_slice()),
            Some(("Time (abs ≡)", _)) => (0, ["time_mean"].as_slice()),
            Some(("Range (min … max)", _)) => (1, ["time_min", "time_max"].as_slice()),
            _ => return,
        };
        if let Some(lines) = self.lines.get_mut(kind) {
            *lines += 1;
        }
        self.lines[1] += usize::from(names.len() == 1);
        let values = line.split_once(':').and_then(|(_, rest)| times(rest, names));
        self.metrics = self.metrics.take().zip(values).map(|(before, more)| [before, more].concat());
    }

    fn run(self, error: Option<&str>) -> Run {
        let run = match (self.lines, self.metrics) {
            ([1, 1], Some(metrics)) => Run::complete(self.line, metrics),
            ([0, 0], _) => Run::incomplete(self.line, error.unwrap_or("it ended before the first time")),
            ([1, 1], None) => Run::unreadable(self.line, "a time is not a number with a unit"),
            ([1, 0] | [0, 1], _) => Run::incomplete(self.line, "one of its lines is missing"),
            _ => Run::incomplete(self.line, "a line occurs twice: two runs are mixed"),
        };
        run.with("command", self.command)
    }
}

/// The metrics in `12.9 ms ±   1.4 ms    [User: 0.8 ms, System: 0.5 ms]`. `names`: the names of the times
/// before the bracket.
fn times(text: &str, names: &[&'static str]) -> Option<Vec<Metric>> {
    let (front, processor) = text.split_once('[').unwrap_or((text, ""));
    let words: Vec<&str> = front.split_whitespace().filter(|word| !matches!(*word, "±" | "…")).collect();
    let mut metrics = Vec::new();
    for (name, pair) in names.iter().zip(words.chunks(2)) {
        metrics.push((*name, seconds(pair)?));
    }
    if metrics.len() < names.len() {
        return None;
    }
    for part in processor.trim_end_matches(']').split(", ").filter(|part| !part.is_empty()) {
        let (kind, time) = part.split_once(": ")?;
        let pair: Vec<&str> = time.split_whitespace().collect();
        let name = match kind {
            "User" => "user_time",
            "System" => "system_time",
            _ => continue,
        };
        metrics.push((name, seconds(&pair)?));
    }
    // Times below the resolution are printed as 0.
    let there = metrics.into_iter().filter(|(_, value)| *value > 0.0);
    Some(there.map(|(name, value)| Metric::lower(name, "s", value)).collect())
}

fn seconds(pair: &[&str]) -> Option<f64> {
    let [value, unit] = pair else { return None };
    Some(value.parse::<f64>().ok()? * super::unit(unit)?)
}
