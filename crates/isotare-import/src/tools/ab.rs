//! `ab`, ApacheBench: its report in plain text.
//!
//! The report goes from the banner to the table of percentiles. `-d` leaves this table out: then the row of
//! totals is the last row. A report that was cut just after this row looks the same, and its numbers are
//! those of the whole run. Rates are in Kbytes of 1024 bytes, and the tables are in whole milliseconds
//! (`support/ab.c` of httpd). Some lines are printed only if something happened (errors on writing, responses
//! other than 2xx). They are metrics only in these runs.
//!
//! At SIGINT, ab prints what it has measured so far, without `..done` or `Finished`. `Finished` is on the
//! standard error. If the file does not contain the standard error, and if less than a tenth of the requests
//! was done, the interruption cannot be seen.

use crate::tools::Tool;
use crate::tools::report::{
    Fault, Line, agree, ascend, blocks, count, fields, first_number, mixed, percentile, run, time,
};
use crate::{Decoded, Metric, Run};
use std::collections::BTreeMap;

/// ab.
pub static AB: Tool = Tool { name: "ab", summary: "ApacheBench's report in plain text", recognises, decode };

const BANNER: &str = "This is ApacheBench, Version ";
const SERVER: &str = "Server Software:";
const WORDS: &[&str] = &[
    SERVER,
    PATH,
    LENGTH,
    CLIENTS,
    TOOK,
    COMPLETE,
    FAILED,
    UNWRITTEN,
    STATUS,
    RATE,
    TRANSFER,
    TOTAL,
    PERCENTILES,
];
const PATH: &str = "Document Path:";
const LENGTH: &str = "Document Length:";
const CLIENTS: &str = "Concurrency Level:";
const TOOK: &str = "Time taken for tests:";
const COMPLETE: &str = "Complete requests:";
const FAILED: &str = "Failed requests:";
const UNWRITTEN: &str = "Write errors:";
const STATUS: &str = "Non-2xx responses:";
const RATE: &str = "Requests per second:";
const TRANSFER: &str = "Transfer rate:";
const TOTAL: &str = "Total:";
const PERCENTILES: &str = "Percentage of the requests served within a certain time (ms)";

fn recognises(head: &str) -> bool {
    let mut lines = head.lines();
    let report = |line: &str| line.starts_with(SERVER);
    head.lines().any(|line| line.starts_with(BANNER))
        || (lines.any(report)
            && lines.any(|line| line.starts_with(PATH))
            && lines.any(|line| line.starts_with(TOOK)))
}

fn decode(text: &str) -> Decoded {
    // Whether a banner was read, and the report that belongs to it was not.
    let mut waits = false;
    let blocks = blocks(text, |line| {
        let (banner, report) = (line.starts_with(BANNER), line.starts_with(SERVER));
        let begins = banner || (report && !waits);
        waits = banner || (waits && !report);
        begins
    });
    // An incomplete line at the end of the text is not in a block.
    let rest = text.rsplit('\n').next().unwrap_or_default();
    let is_cut = !rest.is_empty() && PERCENTILES.starts_with(rest);
    let last = blocks.len().saturating_sub(1);
    let version = text.lines().find_map(|line| line.strip_prefix(BANNER)?.split_whitespace().next());
    Decoded {
        version: version.map(str::to_owned),
        runs: blocks.iter().enumerate().filter_map(|(at, block)| read(block, is_cut && at == last)).collect(),
        warnings: blocks.iter().filter_map(|block| unlike_2xx(block)).collect(),
    }
}

fn read(block: &[Line<'_>], is_cut: bool) -> Option<Run> {
    let first = block.first()?.0;
    let found = fields(block, WORDS);
    let mut labels = BTreeMap::new();
    if let Ok(found) = &found {
        for (label, word) in [("path", PATH), ("clients", CLIENTS)] {
            labels.extend(found.get(word).map(|value| (label.to_owned(), (*value).to_owned())));
        }
    }
    Some(run(first, labels, found.and_then(|found| metrics(block, &found, is_cut))))
}

/// A warning if no response had a status of success. ab counts such responses as complete.
fn unlike_2xx(block: &[Line<'_>]) -> Option<String> {
    let found = fields(block, WORDS).ok()?;
    let [complete, status] = [COMPLETE, STATUS].map(|word| found.get(word).copied().and_then(first_number));
    let line = block.first()?.0;
    (status? >= complete?).then(|| {
        format!("line {line}: no response had a status of 2xx; they were, for example, redirects or errors")
    })
}

fn metrics(block: &[Line<'_>], found: &BTreeMap<&str, &str>, is_cut: bool) -> Result<Vec<Metric>, Fault> {
    let number = |word| found.get(word).copied().and_then(first_number);
    if let Some(words) = gave_up(block) {
        return Err(Fault::incomplete(format!("the tool stopped with an error: {words}")));
    }
    if interrupted(block) {
        return Err(Fault::incomplete("it was interrupted"));
    }
    let cut = || Fault::incomplete("it is incomplete: its last row is missing");
    let complete = number(COMPLETE).ok_or_else(cut)?;
    if complete == 0.0 {
        return Err(Fault::unreadable("no request was completed"));
    }
    let (took, rate) = (number(TOOK).ok_or_else(cut)?, number(RATE).ok_or_else(cut)?);
    let mean = block.iter().find_map(|(_, line)| mean(line));
    let table = percentiles(block)?;
    // After a single request there is no table either.
    let is_whole = !found.contains_key(PERCENTILES) || table.iter().any(|(name, _)| name == "max");
    if is_cut || !is_whole || !found.contains_key(TOTAL) {
        return Err(cut());
    }
    if !agree(rate * took, complete, 0.02, rate * 0.0006 + took * 0.006) {
        return Err(mixed(format!(
            "the figures contradict each other: {rate} requests/s in {took} s are not {complete} requests"
        )));
    }
    let total = totals(block, found);
    let of_total = |column| total.get(column).map(|milliseconds| milliseconds / 1000.0);
    if !ascend(&[of_total("min"), of_total("median"), of_total("max")]) {
        return Err(mixed("the values in the row of totals do not ascend"));
    }
    let mut metrics = vec![Metric::higher("requests_per_second", "1/s", rate)];
    metrics.extend(number(TRANSFER).map(|kilo| Metric::higher("throughput", "B/s", kilo * 1024.0)));
    metrics.extend(time("total_time", Some(took)));
    metrics.extend(time("latency_mean", mean));
    metrics.extend(time("latency_stddev", of_total("[+/-sd]")));
    metrics.extend(time("latency_min", of_total("min")));
    for (name, value) in table.iter().filter(|(name, _)| name != "max") {
        metrics.extend(time(format!("latency_{name}"), Some(*value)));
    }
    metrics.extend(time("latency_max", of_total("max")));
    metrics.extend(count("failed_requests", number(FAILED)));
    metrics.extend(count("write_errors", number(UNWRITTEN)));
    metrics.extend(count("non_2xx_responses", number(STATUS)));
    Ok(metrics)
}

/// The message about a connection that failed: `apr_socket_recv: Connection refused (111)`. Other text may
/// stand before it on its line.
fn gave_up<'a>(block: &[Line<'a>]) -> Option<&'a str> {
    let lines = || block.iter().map(|(_, line)| line.trim());
    let words =
        |line: &'a str| line.find("apr_").and_then(|at| line.get(at..)).filter(|_| line.ends_with(')'));
    let count = |line: &&str| line.starts_with("Total of ") && line.ends_with(" requests completed");
    lines().find_map(words).or_else(|| lines().find(count))
}

/// Whether the run was interrupted: ab shows its progress, but not that it is done.
fn interrupted(block: &[Line<'_>]) -> bool {
    let lines = || block.iter().map(|(_, line)| line.trim());
    let begun = lines().find(|line| line.starts_with("Benchmarking ") && line.contains("(be patient)"));
    let tells = begun.is_some_and(|line| line.contains("(be patient)..."))
        || lines().any(|line| line.starts_with("Completed ") && line.ends_with(" requests"));
    let done = lines().any(|line| line.ends_with("..done") || line.starts_with("Finished "));
    tells && !done
}

/// Seconds in `Time per request:       1.234 [ms] (mean)`. The line with `across all concurrent requests` is
/// not meant.
fn mean(line: &str) -> Option<f64> {
    let value = line.strip_prefix("Time per request:")?.strip_suffix("[ms] (mean)")?;
    Some(first_number(value)? / 1000.0)
}

/// The row of totals in milliseconds, by the names of its columns. With `-S` the deviation is missing.
fn totals<'a>(block: &[Line<'a>], found: &BTreeMap<&str, &str>) -> BTreeMap<&'a str, f64> {
    let header = block.iter().map(|(_, line)| line.trim()).find(|line| line.starts_with("min "));
    // `mean[+/-sd]` names two columns.
    let names = header.unwrap_or_default().split_whitespace().flat_map(|name| match name {
        "mean[+/-sd]" => vec!["mean", "[+/-sd]"],
        name => vec![name],
    });
    let row = found.get(TOTAL).copied().unwrap_or_default().split_whitespace();
    let (names, values): (Vec<_>, Vec<_>) = (names.collect(), row.map_while(first_number).collect());
    if names.len() == values.len() { names.into_iter().zip(values).collect() } else { BTreeMap::new() }
}

/// The rows of percentiles in seconds. The last one is the maximum.
fn percentiles(block: &[Line<'_>]) -> Result<Vec<(String, f64)>, Fault> {
    let rows = block.iter().skip_while(|(_, line)| !line.starts_with(PERCENTILES)).skip(1);
    let rows: Vec<_> = rows.map_while(|(_, line)| row(line)).collect();
    match ascend(&rows.iter().map(|(_, value)| Some(*value)).collect::<Vec<_>>()) {
        true => Ok(rows),
        false => Err(mixed("its percentiles do not ascend")),
    }
}

/// `p99` and seconds in `  99%     12`, `max` in ` 100%     15 (longest request)`.
fn row(line: &str) -> Option<(String, f64)> {
    let (rank, value) = line.trim().split_once('%')?;
    Some((percentile(rank)?, first_number(value)? / 1000.0))
}
