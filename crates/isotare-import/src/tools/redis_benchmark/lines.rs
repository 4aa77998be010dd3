//! The kinds of lines of redis-benchmark.

use crate::tools::report::{Line, first_number};

/// The command `SET` in `====== SET ======`.
pub fn title(line: &str) -> Option<&str> {
    line.trim().strip_prefix("====== ")?.strip_suffix(" ======")
}

/// The command in a line of progress, and whether the line is certainly one. `SET: rps=81300.8 (overall:
/// 81300.8) avg_msec=…` is certain, the older `SET: 81300.81` is not.
pub fn progress(line: &str) -> Option<(&str, bool)> {
    if let Some((name, rest)) = line.split_once(": rps=") {
        return rest.contains("(overall: ").then_some((name, true));
    }
    let (name, rate) = line.rsplit_once(": ")?;
    let decimals = rate.trim_end().split_once('.')?.1;
    (!name.starts_with(' ') && decimals.len() == 2 && first_number(rate).is_some()).then_some((name, false))
}

/// The names of the columns in `"test","rps","avg_latency_ms",…`.
pub fn header(line: &str) -> Option<Vec<String>> {
    line.starts_with("\"test\",\"rps\"").then(|| row(line))?
}

/// The cells of a row. All of them are in quotes. The tool does not escape quotes within a cell, so this is
/// not valid CSV.
pub fn row(line: &str) -> Option<Vec<String>> {
    let cells: Vec<String> =
        line.strip_prefix('"')?.trim_end().strip_suffix('"')?.split("\",\"").map(str::to_owned).collect();
    (cells.len() > 1).then_some(cells)
}

/// Whether this line says that there is no server, or that it closed the connections.
pub fn failed(line: &str) -> bool {
    line.starts_with("Could not connect to Redis at ")
        || line.starts_with("All clients disconnected... aborting")
}

/// Whether these lines are the end of a block: the numbers below the names of latencies, or the rate in the
/// older format.
pub fn ends(lines: &[Line<'_>]) -> bool {
    let mut back = lines.iter().rev().map(|(_, line)| line.trim());
    let (last, above) = (back.next().unwrap_or_default(), back.next().unwrap_or_default());
    names(above) || (last.ends_with(" requests per second") && !last.starts_with(super::RATE))
}

/// Whether this is the line `avg  min  p50  p95  p99  max`.
pub fn names(line: &str) -> bool {
    line.split_whitespace().next() == Some("avg")
}
