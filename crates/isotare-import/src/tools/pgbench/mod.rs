//! `pgbench` of PostgreSQL.
//!
//! The report goes from `transaction type:` to `tps = ` (`printResults` in `src/bin/pgbench/pgbench.c`). Up
//! to 9.5 it has `latency average: 1.2 ms`, later `latency average = 1.2 ms`. Up to 13 there are two rates,
//! `including connections establishing` and `excluding connections establishing`. From 14 on there is one
//! rate, `without initial connection time` or, with `-C`, `including reconnection times`. Failed transactions
//! are counted from 15 on.
//!
//! With several scripts or `-r`, numbers of each script and of each statement follow. These are runs of their
//! own, with the labels `script` and `statement`. If some of them were cut off, the other runs are still
//! correct.
//!
//! The banner, `starting vacuum...end.` and the lines of `-P` are before the report. They show runs that
//! ended without a report. If clients were aborted, pgbench says that its report is incomplete, and so is the
//! run.

mod scripts;
#[cfg(test)]
mod tests;

use crate::grouping::is_split;
use crate::tools::Tool;
use crate::tools::report::{
    Fault, Line, agree, ascend, blocks, count, decimal, fields, first_number, mixed, number, run, time,
};
use crate::{Decoded, Metric, Run};
use std::collections::BTreeMap;

/// pgbench.
pub static PGBENCH: Tool = Tool {
    name: "pgbench",
    summary: "its report; with several scripts also each script, and with -r also each statement",
    recognises,
    decode,
};

const TYPE: &str = "transaction type:";
const PROCESSED: &str = "number of transactions actually processed:";
const PER_CLIENT: &str = "number of transactions per client:";
const CLIENTS: &str = "number of clients:";
const FAILED: &str = "number of failed transactions:";
const RETRIED: &str = "number of transactions retried:";
const RETRIES: &str = "total number of retries:";
const SKIPPED: &str = "number of transactions skipped:";
const LATE: &str = "number of transactions above the ";
const AVERAGE: &str = "latency average";
const STDDEV: &str = "latency stddev";
const LAG: &str = "rate limit schedule lag:";
const EACH_CONNECTION: &str = "average connection time";
const CONNECTION: &str = "initial connection time";
const INCLUDING: &str = "tps including";
const EXCLUDING: &str = "tps";
const WORDS: &[&str] = &[
    TYPE,
    PROCESSED,
    PER_CLIENT,
    CLIENTS,
    FAILED,
    RETRIED,
    RETRIES,
    SKIPPED,
    LATE,
    AVERAGE,
    STDDEV,
    LAG,
    EACH_CONNECTION,
    CONNECTION,
    "scaling factor:",
    "partition method:",
    "partitions:",
    "query mode:",
    "number of threads:",
    "maximum number of tries:",
    "duration:",
];
/// The lines that identify the configuration, and the names of their labels.
const LABELS: &[(&str, &str)] = &[
    ("test", TYPE),
    ("scale", "scaling factor:"),
    ("partition_method", "partition method:"),
    ("partitions", "partitions:"),
    ("query_mode", "query mode:"),
    ("clients", CLIENTS),
    ("threads", "number of threads:"),
    ("max_tries", "maximum number of tries:"),
    ("transactions_per_client", PER_CLIENT),
    ("duration", "duration:"),
];

fn recognises(head: &str) -> bool {
    let banner = |line: &str| {
        line.starts_with("pgbench (") || ["error", "fatal", "hint"].iter().any(|what| said(line, what))
    };
    let mut lines = head.lines();
    head.lines().any(banner)
        || (lines.any(|line| line.starts_with(TYPE)) && lines.any(|line| line.starts_with("scaling factor:")))
        || head.lines().any(|line| progress(line).is_some())
}

/// Whether this is a message of this kind, for example `pgbench: error: …`.
fn said(line: &str, kind: &str) -> bool {
    line.strip_prefix("pgbench: ")
        .and_then(|rest| rest.strip_prefix(kind))
        .is_some_and(|rest| rest.starts_with(':'))
}

/// The part of a run that was read last.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    Nothing,
    Banner,
    Begin,
    Report,
}

fn decode(text: &str) -> Decoded {
    let mut seen = Seen::Nothing;
    let blocks = blocks(text, |line| {
        let (begins, now) = match (seen, line) {
            (_, line) if line.starts_with("pgbench (") => (true, Seen::Banner),
            (Seen::Banner, line) if line.starts_with("starting vacuum") => (false, Seen::Begin),
            (_, line) if line.starts_with("starting vacuum") => (true, Seen::Begin),
            (Seen::Nothing | Seen::Report, line) if progress(line).is_some() => (true, Seen::Begin),
            (Seen::Nothing | Seen::Report, line) if line.starts_with(TYPE) => (true, Seen::Report),
            (_, line) if line.starts_with(TYPE) => (false, Seen::Report),
            _ => (false, seen),
        };
        seen = now;
        begins
    });
    let mut runs: Vec<Run> = blocks.iter().flat_map(|block| read(block)).collect();
    if runs.is_empty() {
        let words = text.lines().zip(1..).find(|(line, _)| line.contains("pgbench: "));
        runs.extend(words.map(|(line, at)| Run::unreadable(at, line.trim())));
    }
    Decoded { version: text.lines().find_map(version), runs, ..Decoded::default() }
}

/// The version: `16.3` in `pgbench (16.3)` and in Debian's `pgbench (16.3 (Debian 16.3-1))`, and `9.6.24` in
/// `pgbench (PostgreSQL) 9.6.24`.
fn version(line: &str) -> Option<String> {
    let inner = line.strip_prefix("pgbench (")?;
    let version = match inner.strip_prefix("PostgreSQL) ") {
        Some(version) => version,
        None => inner.strip_suffix(')')?.split(", server ").next()?,
    };
    Some(version.split_whitespace().next()?.to_owned())
}

/// Seconds in `progress: 10.0 s, 15169.8 tps, lat 4.213 ms stddev 2.453, 0 failed`.
fn progress(line: &str) -> Option<f64> {
    let (seconds, rest) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
    rest.contains(" tps, lat ").then(|| decimal(seconds))?
}

/// The run as a whole. If it is complete, its scripts and statements follow.
fn read(block: &[Line<'_>]) -> Vec<Run> {
    let Some((first, _)) = block.first() else { return Vec::new() };
    let of_scripts = block.iter().position(|(_, line)| scripts::begin(line)).unwrap_or(block.len());
    let (report, rest) = block.split_at(of_scripts);
    let found = fields(report, WORDS);
    let labels = found.as_ref().map(labels).unwrap_or_default();
    let metrics = found.and_then(|found| metrics(block, report, &found));
    let complete = metrics.is_ok();
    let mut runs = vec![run(*first, labels.clone(), metrics)];
    if complete {
        runs.extend(scripts::read(rest, &labels));
    }
    runs
}

fn labels(found: &BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    let given =
        LABELS.iter().filter_map(|(name, word)| Some(((*name).to_owned(), (*found.get(word)?).to_owned())));
    let mut labels: BTreeMap<String, String> = given.collect();
    // In this case each transaction connects, so the rate cannot be compared with that of other runs.
    if found.contains_key(EACH_CONNECTION) {
        labels.insert("connect".to_owned(), "each transaction".to_owned());
    }
    labels
}

fn metrics(
    block: &[Line<'_>],
    report: &[Line<'_>],
    found: &BTreeMap<&str, &str>,
) -> Result<Vec<Metric>, Fault> {
    let times: Vec<f64> = report.iter().filter_map(|(_, line)| progress(line)).collect();
    if times.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(mixed("the times of its progress do not increase"));
    }
    if let Some((_, words)) = block.iter().find(|(_, line)| aborted(line)) {
        return Err(Fault::incomplete(words.trim().to_owned()));
    }
    let value = |word| found.get(word).copied().and_then(first_number);
    let failed = value(FAILED);
    let processed = found.get(PROCESSED).and_then(|text| number(text.split('/').next()?));
    if processed == Some(0.0) {
        return Err(Fault::unreadable("no transaction was processed"));
    }
    let rates = rates(report)?;
    let (Some(processed), Some(&rate)) = (processed, rates.get(EXCLUDING)) else {
        return Err(match report.iter().find(|(_, line)| said(line, "error") || said(line, "fatal")) {
            Some((_, words)) => Fault::unreadable(words.trim().to_owned()),
            None => Fault::incomplete("it ends before its rate ('tps')"),
        });
    };
    if rates.get(INCLUDING).is_some_and(|&with| with > rate) {
        return Err(mixed("the rate with connecting is higher than the rate without"));
    }
    let wanted = found.get(PROCESSED).and_then(|text| number(text.split_once('/')?.1));
    let counted = processed + failed.unwrap_or(0.0) + value(SKIPPED).unwrap_or(0.0);
    if wanted.is_some_and(|wanted| counted < wanted) {
        return Err(Fault::incomplete(format!(
            "{processed} of {} transactions were processed",
            wanted.unwrap_or(0.0)
        )));
    }
    let milliseconds = |word| found.get(word).copied().and_then(seconds_of_milliseconds);
    let mean = milliseconds(AVERAGE);
    let overall = rates.get(INCLUDING).copied().unwrap_or(rate);
    let busy = mean.zip(value(CLIENTS)).map(|(mean, clients)| (mean * overall, clients));
    // With a rate limit, the latency of a transaction includes the time in which it waited for its turn.
    if let Some((busy, clients)) = busy
        && !found.contains_key(LAG)
        && busy > clients
        && !agree(busy, clients, 0.1, overall * 0.0000006)
    {
        return Err(mixed(format!("{clients} clients cannot make {overall} transactions/s of this latency")));
    }
    let mut metrics = vec![Metric::higher("transactions_per_second", "1/s", rate)];
    let with = rates.get(INCLUDING).map(|&rate| ("transactions_per_second_with_connecting", rate));
    metrics.extend(with.map(|(name, rate)| Metric::higher(name, "1/s", rate)));
    metrics.extend(time("latency_mean", mean));
    metrics.extend(time("latency_stddev", milliseconds(STDDEV)));
    metrics.extend(time("connection_time_mean", milliseconds(EACH_CONNECTION)));
    metrics.extend(time("initial_connection_time", milliseconds(CONNECTION)));
    metrics.extend(lag(found)?);
    metrics.extend(count("failed_transactions", failed));
    metrics.extend(count("retried_transactions", value(RETRIED)));
    metrics.extend(count("retries", value(RETRIES)));
    metrics.extend(count("skipped_transactions", value(SKIPPED)));
    metrics.extend(count("late_transactions", found.get(LATE).and_then(|text| late(text))));
    Ok(metrics)
}

/// Whether this line says that clients gave up. Then the report covers only the other clients.
fn aborted(line: &str) -> bool {
    line.contains("Run was aborted; the above results are incomplete")
        || (line.to_lowercase().contains("client ") && line.contains(" aborted "))
}

/// The rates by what they include. Up to 13 there are two. From 14 on there is one. It is stored as the rate
/// without the time for connecting, because that is what it is, except if each transaction connects.
fn rates(report: &[Line<'_>]) -> Result<BTreeMap<&'static str, f64>, Fault> {
    let mut rates = BTreeMap::new();
    for (number, line) in report {
        let Some(rest) = line.strip_prefix("tps = ") else { continue };
        let name = if rest.contains("(including connections") { INCLUDING } else { EXCLUDING };
        let word = rest.split_whitespace().next().filter(|_| !is_split(rest));
        let rate = word
            .and_then(decimal)
            .ok_or_else(|| Fault::unreadable(format!("line {number}: the rate is not a number")))?;
        if rest.trim_end().ends_with(')') && rates.insert(name, rate).is_some() {
            return Err(mixed(format!("line {number}: a second rate")));
        }
    }
    Ok(rates)
}

/// The mean and the maximum of the delay in `avg 5.123 (max 13.300) ms`.
fn lag(found: &BTreeMap<&str, &str>) -> Result<Vec<Metric>, Fault> {
    let Some(text) = found.get(LAG) else { return Ok(Vec::new()) };
    let parts = text.strip_prefix("avg ").and_then(|text| text.strip_suffix(") ms")?.split_once(" (max "));
    let (mean, max) = parts.map_or((None, None), |(mean, max)| (decimal(mean), decimal(max)));
    if !ascend(&[mean, max]) {
        return Err(mixed("the mean lag is larger than the maximum"));
    }
    let in_seconds = |value: Option<f64>| value.map(|value| value / 1000.0);
    Ok([time("schedule_lag_mean", in_seconds(mean)), time("schedule_lag_max", in_seconds(max))]
        .into_iter()
        .flatten()
        .collect())
}

/// The number of late transactions in `50.0 ms latency limit: 12/3000 (0.400%)`, which is the rest of its
/// line.
fn late(text: &str) -> Option<f64> {
    number(text.split_once(" latency limit: ")?.1.split(['/', ' ']).next()?)
}

/// Seconds in `= 4.263 ms`, `: 4.263 ms`, `= 4.263 ms (including failures)`, which are rests of lines.
fn seconds_of_milliseconds(text: &str) -> Option<f64> {
    let mut words = text.trim_start_matches(['=', ':', ' ']).split_whitespace();
    let value = decimal(words.next()?)?;
    (words.next() == Some("ms")).then_some(value / 1000.0)
}
