//! iperf3's text.

use super::{DIRECTIONS, ERROR};
use crate::{Decoded, Metric, Run};
use std::collections::BTreeMap;

pub(super) fn recognises(head: &str) -> bool {
    let begins = |words: &str| head.lines().any(|line| line.starts_with(words));
    begins(ERROR)
        || begins("iperf Done.")
        || begins("iperf 3.")
        || ((begins("Connecting to host ") || begins("Accepted connection from ")) && begins("[ ID]"))
}

/// A test of which lines are still read.
#[derive(Default)]
struct Test {
    line: usize,
    is_server: bool,
    reverse: bool,
    streams: usize,
    retransmits: bool,
    datagrams: bool,
    block_size: Option<String>,
    rows: Vec<Row>,
    processor: Option<(f64, f64)>,
    is_summary: bool,
    /// With `--get-server-output`, the text of the server stands within that of the client.
    is_servers: bool,
}

/// A line of the summary.
struct Row {
    /// `SUM` or the stream's number.
    id: String,
    /// For example `TX-C`; only if traffic goes in both directions.
    role: Option<String>,
    /// `sender` or `receiver`; up to 3.1, neither of them for UDP.
    end: Option<&'static str>,
    rate: f64,
    /// The values after the rate.
    rest: Vec<String>,
}

pub(super) fn decode(text: &str) -> Decoded {
    let mut found = Decoded::default();
    let mut open: Option<Test> = None;
    // The message about an interruption is on the standard error, so it may come before output that was
    // buffered.
    let mut interrupted: Option<(usize, &str)> = None;
    let mut has_messages = false;
    let mut before = "";
    for (at, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.trim_end();
        let within = open.as_ref().is_some_and(|test| test.is_servers);
        if let Some(version) = line.strip_prefix("iperf ").filter(|rest| rest.starts_with("3.")) {
            found.version = found.version.or_else(|| Some(version.to_owned()));
        } else if begins(line, within) {
            if let Some(test) = open.take() {
                let why = interrupted.take().map_or(NO_END, |(_, words)| words);
                found.runs.push(test.run(Some(why)));
            }
            let is_server = line.starts_with("Accepted");
            open = Some(Test { line: at + 1, is_server, ..Test::default() });
        } else if let Some(error) = stopped(line) {
            has_messages = true;
            match open.take() {
                Some(test) => found.runs.push(test.run(Some(error))),
                None if line.starts_with(ERROR) => found.runs.push(Run::incomplete(at + 1, error)),
                None => interrupted = Some((at + 1, error)),
            }
        } else if let Some(test) = open.as_mut() {
            let is_end =
                if test.is_server { line.starts_with("-----") } else { line.starts_with("iperf Done.") };
            if is_end {
                found.runs.extend(open.take().map(|test| test.run(None)));
            } else if whole.ends_with('\n') {
                test.read(line, before);
            }
        }
        before = line;
    }
    if let Some(test) = open {
        // A server for a single test (`-1`) prints no line after it.
        let is_last = test.is_server && !has_messages && !test.rows.is_empty() && text.ends_with('\n');
        let why = interrupted.take().map_or(NO_END, |(_, words)| words);
        found.runs.push(test.run((!is_last).then_some(why)));
    }
    found.runs.extend(interrupted.map(|(line, words)| Run::incomplete(line, words)));
    found.runs.sort_by_key(|run| run.line);
    found
}

const NO_END: &str = "its end is missing";

/// Whether this line begins a test.
fn begins(line: &str, within: bool) -> bool {
    line.starts_with("Connecting to host ") || (line.starts_with("Accepted connection from ") && !within)
}

/// The message with which a test ended early.
fn stopped(line: &str) -> Option<&str> {
    line.strip_prefix(ERROR).or_else(|| line.strip_prefix("iperf3: interrupt - ")).or_else(|| {
        let words = line.strip_prefix("iperf3: ")?;
        words.ends_with("has terminated").then_some(words)
    })
}

impl Test {
    fn read(&mut self, line: &str, before: &str) {
        if self.is_servers || line == "Server output:" {
            self.is_servers = true;
        } else if line.starts_with("[ ID]") {
            self.retransmits |= line.contains("Retr");
            self.datagrams |= line.contains("Datagrams");
            self.is_summary = before.starts_with("- - -") || before.starts_with("Test Complete");
        } else if line.contains(" connected to ") && line.starts_with('[') {
            self.streams += 1;
        } else if line.starts_with("Reverse mode") {
            self.reverse = true;
        } else if let Some(rest) = line.strip_prefix("Starting Test: ") {
            self.block_size =
                rest.split(", ").find_map(|part| part.strip_suffix(" byte blocks")).map(str::to_owned);
        } else if let Some(rest) = line.strip_prefix("CPU Utilization: ") {
            self.processor = processor(rest);
        } else if self.is_summary {
            self.rows.extend(row(line));
        }
    }

    fn run(self, why: Option<&str>) -> Run {
        let run = match why.map_or_else(|| self.metrics(), |why| Err(why.to_owned())) {
            Ok(metrics) => Run::complete(self.line, metrics),
            Err(why) => Run::incomplete(self.line, why),
        };
        let both = self.goes_both_ways();
        let direction = if both { Some("both") } else { self.reverse.then_some("reverse") };
        let protocol = if self.datagrams { Some("UDP") } else { self.retransmits.then_some("TCP") };
        let streams = self.streams_each_way();
        let all = [
            ("protocol", protocol.map(str::to_owned)),
            ("streams", (streams > 0).then(|| streams.to_string())),
            ("block_size", self.block_size),
            ("direction", direction.map(str::to_owned)),
        ];
        let labels = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Run { labels: labels.collect(), ..run }
    }

    fn goes_both_ways(&self) -> bool {
        self.rows.iter().any(|row| row.role.is_some())
    }

    fn streams_each_way(&self) -> usize {
        if self.goes_both_ways() { self.streams / 2 } else { self.streams }
    }

    fn metrics(&self) -> Result<Vec<Metric>, String> {
        let mut ends: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            let of_end = ends.entry((row.direction(), row.end.unwrap_or("sender"))).or_default();
            if of_end.iter().any(|other| other.id == row.id) {
                return Err(format!("the line of [{}] occurs twice: two tests are mixed", row.id));
            }
            of_end.push(row);
        }
        let mut metrics = Vec::new();
        for ((direction, end), rows) in ends {
            let all = match rows.as_slice() {
                [row] if row.id != "SUM" && self.streams_each_way() < 2 => *row,
                rows => sum(rows)?,
            };
            if all.rate > 0.0 {
                let name = if end == "sender" { "sent_throughput" } else { "received_throughput" };
                metrics.push(Metric::higher(format!("{direction}{name}"), "bit/s", all.rate));
            }
            if self.datagrams && (end == "receiver" || all.end.is_none()) {
                metrics.extend(losses(direction, &all.rest));
            } else if self.retransmits && end == "sender" {
                let count = all.rest.first().and_then(|count| count.parse().ok());
                metrics
                    .extend(count.map(|count| Metric::lower(format!("{direction}retransmits"), "", count)));
            }
        }
        if metrics.is_empty() {
            return Err("it has no summary, or nothing was sent".to_owned());
        }
        if let Some((local, remote)) = self.processor {
            metrics.extend([Metric::lower("cpu_host", "%", local), Metric::lower("cpu_remote", "%", remote)]);
        }
        Ok(metrics)
    }
}

/// The line with the sum of all streams. The rates of the streams must add up to it.
fn sum<'a>(rows: &[&'a Row]) -> Result<&'a Row, String> {
    let (sums, streams): (Vec<&Row>, Vec<&Row>) = rows.iter().copied().partition(|row| row.id == "SUM");
    let [all] = sums.as_slice() else { return Err("the line of all streams is missing".to_owned()) };
    let added: f64 = streams.iter().map(|row| row.rate).sum();
    // Each rate is rounded to three digits.
    if (added - all.rate).abs() > 0.01 * (added + all.rate) + 1.0 {
        return Err(format!("its streams have {added} bit/s together, not {}", all.rate));
    }
    Ok(all)
}

impl Row {
    fn direction(&self) -> &'static str {
        let [forward, reverse] = DIRECTIONS;
        match self.role.as_deref() {
            Some("RX-C" | "TX-S") => reverse,
            _ => forward,
        }
    }
}

/// Reads `[  5][TX-C]   0.00-2.00   sec  10.0 GBytes  43.0 Gbits/sec    0             sender`.
fn row(line: &str) -> Option<Row> {
    let (id, mut rest) = line.strip_prefix('[')?.split_once(']')?;
    let mut role = None;
    if let Some((name, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        (role, rest) = (Some(name.to_owned()), after);
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [_interval, "sec", _amount, _unit, rate, unit, values @ ..] = words.as_slice() else { return None };
    let (end, values) = match values {
        [values @ .., "sender"] => (Some("sender"), values),
        [values @ .., "receiver"] => (Some("receiver"), values),
        values => (None, values),
    };
    let rate = rate.parse::<f64>().ok()? * bits(unit)?;
    let rest = values.iter().map(|&value| value.to_owned()).collect();
    Some(Row { id: id.trim().to_owned(), role, end, rate, rest })
}

/// Bits in one unit of a rate. For units with bytes (`-f M`) the prefixes are powers of 1024 (`units.c`).
fn bits(unit: &str) -> Option<f64> {
    let power = |prefix: &str| {
        Some(match prefix {
            "" => 0,
            "K" => 1,
            "M" => 2,
            "G" => 3,
            "T" => 4,
            _ => return None,
        })
    };
    match (unit.strip_suffix("bits/sec"), unit.strip_suffix("Bytes/sec")) {
        (Some(prefix), _) => Some(1000_f64.powi(power(prefix)?)),
        (None, Some(prefix)) => Some(8.0 * 1024_f64.powi(power(prefix)?)),
        (None, None) => unit.eq("bytes/sec").then_some(8.0),
    }
}

/// Jitter and losses in `0.011 ms  0/8 (0%)`.
fn losses(direction: &str, values: &[String]) -> Vec<Metric> {
    let mut metrics = Vec::new();
    if let [jitter, unit, ..] = values {
        let jitter = jitter.parse::<f64>().ok().filter(|&jitter| jitter > 0.0 && unit == "ms");
        metrics.extend(jitter.map(|jitter| Metric::lower(format!("{direction}jitter"), "s", jitter / 1e3)));
    }
    let counts = values.iter().find_map(|value| value.split_once('/'));
    let counts = counts.and_then(|(lost, all)| Some((lost.parse::<f64>().ok()?, all.parse::<f64>().ok()?)));
    if let Some((lost, all)) = counts.filter(|(_, all)| *all > 0.0) {
        metrics.push(Metric::lower(format!("{direction}packets"), "", all));
        metrics.push(Metric::lower(format!("{direction}lost_packets"), "", lost));
        metrics.push(Metric::lower(format!("{direction}lost"), "%", 100.0 * lost / all));
    }
    metrics
}

/// The processor time of this end and of the other one, in `local/sender 5.1% (0.2%u/4.9%s), remote/receiver
/// 6.0% (0.3%u/5.7%s)`.
fn processor(text: &str) -> Option<(f64, f64)> {
    let share = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        let (_, rest) = rest.split_once(' ')?;
        rest.split_once('%')?.0.parse::<f64>().ok()
    };
    Some((share("local/")?, share("remote/")?))
}
