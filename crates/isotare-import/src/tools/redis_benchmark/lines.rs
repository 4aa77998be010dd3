//! What single lines of redis-benchmark are.

use crate::tools::report::{Line, first_number};

/// `SET` in `====== SET ======`.
pub fn title(line: &str) -> Option<&str> {
    line.trim().strip_prefix("====== ")?.strip_suffix(" ======")
}

/// The command that is on its way in `SET: rps=81300.8 (overall: 81300.8) avg_msec=…`, which is sure to be
/// one, and in the old `SET: 81300.81`, which is not.
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

/// The cells of a row, all of which are in quotes. The tool escapes nothing in them, so this is no CSV.
pub fn row(line: &str) -> Option<Vec<String>> {
    let cells: Vec<String> =
        line.strip_prefix('"')?.trim_end().strip_suffix('"')?.split("\",\"").map(str::to_owned).collect();
    (cells.len() > 1).then_some(cells)
}

/// Whether it says that there is no server, or that it left.
pub fn failed(line: &str) -> bool {
    line.starts_with("Could not connect to Redis at ")
        || line.starts_with("All clients disconnected... aborting")
}

/// Whether a block is at its end: the numbers below the names of the latencies, or the old rate.
pub fn ends(lines: &[Line<'_>]) -> bool {
    let mut back = lines.iter().rev().map(|(_, line)| line.trim());
    let (last, above) = (back.next().unwrap_or_default(), back.next().unwrap_or_default());
    names(above) || (last.ends_with(" requests per second") && !last.starts_with(super::RATE))
}

/// Whether this is the line `avg  min  p50  p95  p99  max`.
pub fn names(line: &str) -> bool {
    line.split_whitespace().next() == Some("avg")
}
