//! `redis-benchmark`, and `valkey-benchmark`, which has the same output.
//!
//! Each command is a run. There are three formats:
//! - By default, a block for each command, from `====== SET ======`. Up to 6.0 a block ends with `81300.81
//!   requests per second`, after shares such as `<= 1 milliseconds`, which are not percentiles. Later it ends
//!   with a table of latencies below `latency summary (msec)`.
//! - With `-q`, a line for each command; from 6.2 on it has `p50`.
//! - With `--csv`, a row for each command; up to 6.0 it has no header and no latencies (`showLatencyReport`
//!   in `src/redis-benchmark.c`).
//!
//! The progress of a command (`SET: rps=…`) is drawn on the same line again and again. If nothing follows it,
//! the command did not end.

mod lines;
#[cfg(test)]
mod tests;

use crate::tools::Tool;
use crate::tools::report::{
    Fault, Line, agree, ascend, fields, first_number, mixed, number, run, time, whole_lines,
};
use crate::{Decoded, Metric, Run};
use lines::{ends, failed, header, progress, row, title};
use std::collections::BTreeMap;

/// redis-benchmark.
pub static REDIS_BENCHMARK: Tool = Tool {
    name: "redis-benchmark",
    summary: "its reports: blocks, the lines of -q, the rows of --csv",
    recognises,
    decode,
};

const COMPLETED: &str = "requests completed in";
const RATE: &str = "throughput summary:";
const LATENCIES: &str = "latency summary (msec):";
const WORDS: &[&str] = &["keep alive:", "multi-thread:", "threads:", RATE, LATENCIES];

/// The names of commands. They are used to recognise rows without a header.
const COMMANDS: &[&str] = &[
    "PING_INLINE",
    "PING_BULK",
    "PING_MBULK",
    "SET",
    "GET",
    "INCR",
    "LPUSH",
    "RPUSH",
    "LPOP",
    "RPOP",
    "SADD",
    "HSET",
    "SPOP",
    "ZADD",
    "ZPOPMIN",
    "LPUSH (needed to benchmark LRANGE)",
    "MSET (10 keys)",
];

fn recognises(head: &str) -> bool {
    head.lines().any(|line| {
        header(line).is_some()
            || quiet(line).is_some()
            || progress(line).is_some_and(|(_, sure)| sure)
            || row(line).is_some_and(|cells| COMMANDS.contains(&cells.first().map_or("", String::as_str)))
            || failed(line)
    }) || head.lines().any(|line| title(line).is_some())
        && head.lines().any(|line| line.trim_end().ends_with(" parallel clients"))
}

/// Text that was read and is not a run yet.
#[derive(Default)]
struct Reader<'a> {
    runs: Vec<Run>,
    /// The block of a command.
    block: Option<(usize, &'a str, Vec<Line<'a>>)>,
    /// A command whose progress was read.
    pending: Option<(usize, &'a str)>,
    /// The columns of the rows. The line of their header is stored until a row follows it.
    columns: Vec<String>,
    header: Option<usize>,
    /// Runs that are a single line each, with this line. They follow each other without any other line
    /// between them.
    stretch: Vec<(usize, &'a str)>,
    warnings: Vec<String>,
}

fn decode(text: &str) -> Decoded {
    let mut reader = Reader::default();
    for (at, line) in whole_lines(text) {
        reader.take(at, line);
    }
    reader.end_block();
    reader.end_pending("");
    reader.end_header();
    Decoded { runs: reader.runs, warnings: reader.warnings, version: None }
}

impl<'a> Reader<'a> {
    fn take(&mut self, at: usize, line: &'a str) {
        if let Some(name) = title(line) {
            self.end_block();
            self.end_pending(name);
            self.block = Some((at, name, Vec::new()));
        } else if let Some((name, metrics)) = quiet(line) {
            self.end_block();
            self.end_pending(name);
            self.one(line, run(at, test(name), metrics));
        } else if let Some((name, _)) = progress(line).filter(|_| self.block.is_none()) {
            self.end_pending(name);
            self.pending = Some((at, name));
        } else if let Some(columns) = header(line) {
            self.end_block();
            self.end_header();
            (self.columns, self.header) = (columns, Some(at));
        } else if let Some(cells) = row(line).filter(|_| self.block.is_none()) {
            self.of_row(at, line, &cells);
        } else if failed(line) {
            self.runs.push(Run::unreadable(at, line.trim()));
        } else if line.starts_with("Error from server") {
            self.warnings.push(format!("line {at}: {}", line.trim()));
        } else if let Some((_, _, lines)) = &mut self.block {
            lines.push((at, line));
            if lines.len() > 1 && ends(lines) {
                self.end_block();
            }
        } else if line.is_empty() {
            // An empty line ends the commands of one invocation.
            self.end_stretch(true);
        }
    }

    fn end_block(&mut self) {
        if let Some((at, name, lines)) = self.block.take() {
            self.runs.push(of_block(at, name, &lines));
        }
    }

    /// Another command begins, or the text ends. A command of which only the progress was read is incomplete.
    fn end_pending(&mut self, name: &str) {
        if let Some((at, pending)) = self.pending.take_if(|(_, pending)| *pending != name || name.is_empty())
        {
            self.runs.push(run(at, test(pending), Err(Fault::incomplete("it did not end"))));
        }
        self.pending = None;
    }

    /// Adds a run that is a single line.
    fn one(&mut self, line: &'a str, found: Run) {
        self.stretch.push((self.runs.len(), line));
        self.runs.push(found);
    }

    /// Decides whether the lines of a stretch are mixed. If each line occurs twice in a row, with exactly the
    /// same digits, two outputs were mixed line by line, because the commands of one invocation differ. Two
    /// equal lines of a single command are two invocations, except if they share their end or their header
    /// (`common`).
    fn end_stretch(&mut self, common: bool) {
        let lines = std::mem::take(&mut self.stretch);
        let (pairs, rest) = lines.as_chunks::<2>();
        let doubled = rest.is_empty() && pairs.iter().all(|[(_, one), (_, other)]| one == other);
        if !doubled || (pairs.len() < 2 && !common) {
            return;
        }
        for (place, _) in lines {
            if let Some(found) = self.runs.get_mut(place) {
                *found = run(found.line, found.labels.clone(), Err(mixed("each line occurs twice in a row")));
            }
        }
    }

    /// A header without rows belongs to an invocation that did not end.
    fn end_header(&mut self) {
        self.end_stretch(!self.columns.is_empty());
        if let Some(at) = self.header.take() {
            self.runs.push(Run::incomplete(at, "no row follows the header"));
        }
    }

    fn of_row(&mut self, at: usize, line: &'a str, cells: &[String]) {
        let without = ["test".to_owned(), "rps".to_owned()];
        let columns = if self.columns.is_empty() { &without[..] } else { &self.columns };
        let metrics = if columns.len() == cells.len() {
            let cells = columns.iter().map(String::as_str).zip(cells.iter().map(String::as_str)).collect();
            of_cells(&cells, "rps", |name| format!("{name}_latency_ms"))
        } else {
            Err(Fault::incomplete("it does not have a cell for each column"))
        };
        self.header = None;
        self.one(line, run(at, test(cells.first().map_or("", String::as_str)), metrics));
    }
}

fn test(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("test".to_owned(), name.to_owned())])
}

/// The command and its numbers in `SET: 81300.81 requests per second, p50=0.311 msec`.
fn quiet(line: &str) -> Option<(&str, Result<Vec<Metric>, Fault>)> {
    let (before, after) = line.split_once(" requests per second")?;
    let (name, rate) = before.rsplit_once(": ")?;
    if name.starts_with(' ') || rate.contains(' ') {
        return None;
    }
    let cells =
        [("rate", rate), ("p50", after.trim().trim_start_matches(", p50=").trim_end_matches(" msec"))];
    Some((name, of_cells(&BTreeMap::from(cells), "rate", str::to_owned)))
}

fn of_block(at: usize, name: &str, lines: &[Line<'_>]) -> Run {
    let mut labels = test(name);
    let found = fields(lines, WORDS);
    let word = |end: &str| lines.iter().find_map(|(_, line)| line.trim().strip_suffix(end));
    if let Ok(found) = &found {
        let given = [
            ("clients", word(" parallel clients")),
            ("payload", word(" bytes payload")),
            ("keep_alive", found.get("keep alive:").copied()),
            ("threads", found.get("threads:").copied()),
        ];
        labels.extend(
            given.into_iter().filter_map(|(label, value)| Some((label.to_owned(), value?.to_owned()))),
        );
    }
    run(at, labels, found.and_then(|found| metrics(lines, &found)))
}

fn metrics(lines: &[Line<'_>], found: &BTreeMap<&str, &str>) -> Result<Vec<Metric>, Fault> {
    let mut totals =
        lines.iter().filter_map(|(_, line)| line.trim().strip_suffix(" seconds")?.split_once(COMPLETED));
    let total = totals.next().and_then(|(requests, took)| number(requests).zip(number(took)));
    if totals.next().is_some() {
        return Err(mixed("two totals"));
    }
    if !ends(lines) {
        return Err(Fault::incomplete("it ends before its last line"));
    }
    let old = lines.last().and_then(|(_, line)| line.trim().strip_suffix(" requests per second"));
    let mut cells = BTreeMap::new();
    if let [.., (_, names), (_, values)] = lines {
        cells = names.split_whitespace().zip(values.split_whitespace()).collect();
    }
    let rate = found.get(RATE).and_then(|text| first_number(text).and(text.split_whitespace().next()));
    if let Some(rate) = rate.or(old) {
        cells.insert("rate", rate);
    }
    let mut metrics = of_cells(&cells, "rate", str::to_owned)?;
    let rate = cells.get("rate").copied().and_then(number);
    if let Some(((requests, took), rate)) = total.zip(rate) {
        if !agree(rate * took, requests, 0.01, rate * 0.006) {
            return Err(mixed(format!(
                "the figures contradict each other: {rate} requests/s in {took} s are not {requests} requests"
            )));
        }
        metrics.extend(time("total_time", Some(took)));
    }
    Ok(metrics)
}

/// The metrics in these cells. Latencies are in milliseconds; `column` gives the names of their columns.
fn of_cells(
    cells: &BTreeMap<&str, &str>,
    rate: &str,
    column: impl Fn(&str) -> String,
) -> Result<Vec<Metric>, Fault> {
    let value = |name: &str| cells.get(name).copied().and_then(number);
    let rate = value(rate).filter(|&rate| rate > 0.0);
    let rate = rate.ok_or_else(|| Fault::unreadable("its rate is not a number above zero"))?;
    let latency = |name: &str| value(&column(name)).map(|milliseconds| milliseconds / 1000.0);
    if !ascend(&["min", "p50", "p95", "p99", "max"].map(latency))
        || !ascend(&["min", "avg", "max"].map(latency))
    {
        return Err(mixed("its latencies do not ascend"));
    }
    let mut metrics = vec![Metric::higher("requests_per_second", "1/s", rate)];
    metrics.extend(time("latency_mean", latency("avg")));
    for name in ["min", "p50", "p95", "p99", "max"] {
        metrics.extend(time(format!("latency_{name}"), latency(name)));
    }
    Ok(metrics)
}
