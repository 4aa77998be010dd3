//! `wrk`, and `wrk2` with its corrected latencies.
//!
//! A report begins with `Running 30s test @ URL` and ends with `Transfer/sec:`. Times have their unit (`us`,
//! `ms`, `s`, and from 51 s on `m`). Rates have the metric prefixes `k` and `M`, and bytes the binary `KB`
//! and `MB` (`src/units.c` of wrk). With `--latency` there is a table of percentiles. wrk2 prints more
//! percentiles, and with `-U` a second table with those that are not corrected (`src/wrk.c` of each). At
//! SIGINT both print what they have measured so far; then the time is shorter than announced.

use crate::tools::Tool;
use crate::tools::report::{
    Fault, Line, agree, ascend, blocks, count, fields, first_number, mixed, number, percentile, run, time,
};
use crate::{Decoded, Metric, Run};
use std::collections::BTreeMap;

/// wrk.
pub static WRK: Tool =
    Tool { name: "wrk", summary: "its report, with and without --latency", recognises, decode };

const WORDS: &[&str] = &[RECORDED, UNCORRECTED, PERCENTILES, HEADER, LATENCY, SOCKETS, STATUS, RATE, END];
const RECORDED: &str = "Latency Distribution (HdrHistogram - Recorded";
const UNCORRECTED: &str = "Latency Distribution (HdrHistogram - Uncorrected";
const PERCENTILES: &str = "Latency Distribution";
const HEADER: &str = "Thread Stats";
const LATENCY: &str = "Latency ";
const SOCKETS: &str = "Socket errors:";
const STATUS: &str = "Non-2xx or 3xx responses:";
const RATE: &str = "Requests/sec:";
const END: &str = "Transfer/sec:";

fn recognises(head: &str) -> bool {
    let mut lines = head.lines();
    let report =
        lines.any(|line| announced(line).is_some()) && lines.next().is_some_and(|line| load(line).is_some());
    report || head.lines().any(refused)
}

fn decode(text: &str) -> Decoded {
    let blocks = blocks(text, |line| announced(line).is_some());
    let version = text.lines().find_map(version).map(str::to_owned);
    let mut runs: Vec<Run> = blocks.iter().filter_map(|block| read(block)).collect();
    let failed = text.lines().zip(1..).filter(|(line, _)| refused(line));
    runs.extend(failed.map(|(line, at)| Run::unreadable(at, line.trim())));
    runs.sort_by_key(|run| run.line);
    Decoded { version, runs, ..Decoded::default() }
}

/// Whether this is `unable to connect to 127.0.0.1:80 Connection refused`. In this case it prints nothing
/// else.
fn refused(line: &str) -> bool {
    let address = line.strip_prefix("unable to connect to ").and_then(|rest| rest.split_once(' '));
    address.and_then(|(address, _)| address.rsplit_once(':')).is_some_and(|(_, port)| !port.is_empty())
}

/// `4.1.0` in `wrk 4.1.0 [epoll] Copyright (C) 2012 Will Glozer`.
fn version(line: &str) -> Option<&str> {
    let (version, rest) = line.strip_prefix("wrk ")?.split_once(" [")?;
    rest.contains("Will Glozer").then_some(version)
}

/// The duration and the address in `Running 30s test @ http://host/path`.
fn announced(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("Running ")?.split_once(" test @ ")
}

/// Threads and connections in `  2 threads and 10 connections`.
fn load(line: &str) -> Option<(&str, &str)> {
    let (threads, rest) = line.trim().split_once(" threads and ")?;
    let connections = rest.strip_suffix(" connections")?;
    number(threads).and(number(connections)).map(|_| (threads, connections))
}

/// The path in an address. The host is left out, because each environment has another one.
fn path(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

fn read(block: &[Line<'_>]) -> Option<Run> {
    let (first, line) = *block.first()?;
    let (duration, address) = announced(line)?;
    // After the last line, a script may print anything.
    let end = block.iter().position(|(_, line)| line.starts_with(END)).map_or(block.len(), |at| at + 1);
    let report = block.get(1..end).unwrap_or_default();
    let mut labels = BTreeMap::new();
    let mut label = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
    label("duration", duration);
    label("path", path(address));
    if let Some((threads, clients)) = report.iter().find_map(|(_, line)| load(line)) {
        label("threads", threads);
        label("clients", clients);
    }
    Some(run(first, labels, metrics(report, seconds(duration))))
}

fn metrics(report: &[Line<'_>], duration: Option<f64>) -> Result<Vec<Metric>, Fault> {
    let found = fields(report, WORDS)?;
    let cut = || Fault::incomplete("it is incomplete: 'Transfer/sec' is missing");
    let get = |word| found.get(word).copied();
    let transfer = get(END).ok_or_else(cut)?;
    let rate = get(RATE).and_then(number).ok_or_else(cut)?;
    let (requests, took) = report.iter().find_map(|(_, line)| requests(line)).ok_or_else(cut)?;
    let errors = get(SOCKETS).map(socket_errors);
    let of_status = |text| {
        first_number(text).ok_or_else(|| Fault::unreadable(format!("'{text}' is not a number of responses")))
    };
    let status = get(STATUS).map(of_status).transpose()?;
    if requests == 0.0 {
        let errors = get(SOCKETS).map_or(String::new(), |errors| format!(" (socket errors: {errors})"));
        return Err(Fault::unreadable(format!("no request was answered{errors}")));
    }
    if status.is_some_and(|status| status >= requests) {
        return Err(Fault::unreadable("every response was an error (non-2xx or 3xx)"));
    }
    if duration.is_some_and(|duration| took < duration * 0.9) {
        return Err(Fault::incomplete(format!("it was stopped after {took} s")));
    }
    // Times from 51 s on are minutes with two decimals.
    if !agree(rate * took, requests, 0.02, rate * 0.3) {
        return Err(mixed(format!(
            "the figures contradict each other: {rate} requests/s in {took} s are not {requests} requests"
        )));
    }
    let mut metrics = vec![Metric::higher("requests_per_second", "1/s", rate)];
    metrics.extend(bytes(transfer).map(|value| Metric::higher("throughput", "B/s", value)));
    metrics.push(Metric::lower("total_time", "s", took));
    metrics.extend(latencies(report, &found)?);
    metrics.extend(count("socket_errors", errors.flatten()));
    metrics.extend(count("non_2xx_responses", status));
    Ok(metrics)
}

/// Mean, deviation and maximum from the row of latencies, and the percentiles. The line above the row names
/// its columns.
fn latencies(report: &[Line<'_>], found: &BTreeMap<&str, &str>) -> Result<Vec<Metric>, Fault> {
    let mut metrics = Vec::new();
    if let (Some(header), Some(row)) = (found.get(HEADER), found.get(LATENCY)) {
        let names = header.split_whitespace();
        let cells: BTreeMap<&str, &str> = names.zip(row.split_whitespace()).collect();
        let cell = |name| cells.get(name).copied().and_then(seconds);
        if !ascend(&[cell("Avg"), cell("Max")]) {
            return Err(mixed("the mean latency is larger than the maximum"));
        }
        metrics.extend(time("latency_mean", cell("Avg")));
        metrics.extend(time("latency_stddev", cell("Stdev")));
        metrics.extend(time("latency_max", cell("Max")));
    }
    for (table, prefix) in
        [(RECORDED, "latency"), (UNCORRECTED, "uncorrected_latency"), (PERCENTILES, "latency")]
    {
        let Some(at) = report.iter().position(|(_, line)| line.trim().starts_with(table)) else { continue };
        let rows: Vec<_> = report.iter().skip(at + 1).map_while(|(_, line)| row(line)).collect();
        let values: Vec<_> = rows.iter().map(|(_, value)| Some(*value)).collect();
        if !ascend(&values) {
            return Err(mixed("its percentiles do not ascend"));
        }
        for (name, value) in rows {
            let name = format!("{prefix}_{name}");
            if !metrics.iter().any(|metric: &Metric| metric.name == name) {
                metrics.extend(time(name, Some(value)));
            }
        }
    }
    Ok(metrics)
}

/// `p99` and its time in `    99%    1.20ms`.
fn row(line: &str) -> Option<(String, f64)> {
    let (rank, value) = line.trim().split_once('%')?;
    Some((percentile(rank)?, seconds(value.trim())?))
}

/// Requests and seconds in `  2500 requests in 1.00s, 300.00KB read`.
fn requests(line: &str) -> Option<(f64, f64)> {
    let (requests, rest) = line.trim().split_once(" requests in ")?;
    let (took, _) = rest.split_once(", ")?;
    Some((number(requests)?, seconds(took)?))
}

/// The sum in `connect 0, read 12, write 0, timeout 3`.
fn socket_errors(text: &str) -> Option<f64> {
    text.split(", ").map(|part| number(part.trim().split_once(' ')?.1)).sum()
}

fn seconds(text: &str) -> Option<f64> {
    scaled(text, &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)])
}

fn bytes(text: &str) -> Option<f64> {
    let kilo = 1024.0_f64;
    let binary = |power| kilo.powi(power);
    let units = [
        ("KB", binary(1)),
        ("MB", binary(2)),
        ("GB", binary(3)),
        ("TB", binary(4)),
        ("PB", binary(5)),
        ("B", 1.0),
    ];
    scaled(text, &units)
}

/// A number with a unit directly after it.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    units.iter().find_map(|(unit, scale)| Some(number(text.strip_suffix(unit)?)? * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_the_tool_are_converted() {
        assert_eq!(
            ["635.91us", "1.50ms", "2.00s", "1.00m", "0.90h", "12"].map(seconds),
            [Some(635.91e-6), Some(1.5e-3), Some(2.0), Some(60.0), Some(3240.0), None]
        );
        assert_eq!(
            ["1.50KB", "2.00MB", "7.00B", "1.00"].map(bytes),
            [Some(1536.0), Some(2_097_152.0), Some(7.0), None]
        );
        assert_eq!(socket_errors("connect 1, read 2, write 0, timeout 4"), Some(7.0));
    }

    #[test]
    fn wrk2_has_two_tables() {
        let table = |name: &str, p50: &str, p99: &str| {
            format!(
                "  Latency Distribution (HdrHistogram - {name})\n 50.000%  {p50}  \n 99.900%  {p99}  \n\n  Detailed Percentile \
                 spectrum:\n       Value   Percentile   TotalCount 1/(1-Percentile)\n\n       0.500     0.500000         1         2.00\n\
                 #[Mean    =        0.600, StdDeviation   =        0.300]\n{}\n",
                "-".repeat(58)
            )
        };
        let text = format!(
            "Running 1s test @ http://a/\n  1 threads and 2 connections\n  Thread calibration: mean lat.: 1.234ms, rate \
             sampling interval: 10ms\n  Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     0.60ms  300.00us   2.00ms   \
             60.00%\n    Req/Sec   100.00     10.00   120.00     70.00%\n{}{}  100 requests in 1.00s, 1.00KB read\n\
             Requests/sec:    100.00\nTransfer/sec:      1.00KB\n",
            table("Recorded Latency", "500.00us", "2.00ms"),
            table(
                "Uncorrected Latency (measured without taking delayed starts into account)",
                "400.00us",
                "1.00ms"
            ),
        );
        let runs = decode(&text).runs;
        let of =
            |name: &str| runs[0].metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
        assert_eq!(of("latency_p50"), Some(500.0 * 1e-6), "{runs:?}");
        assert_eq!(of("latency_p999"), Some(2.0 * 1e-3));
        assert_eq!(of("uncorrected_latency_p999"), Some(1e-3));
    }

    #[test]
    fn the_host_is_not_in_the_labels() {
        assert_eq!(["http://a:80/b?c", "http://a", "a/b"].map(path), ["/b?c", "/", "/b"]);
    }
}
