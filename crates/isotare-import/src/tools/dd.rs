//! `dd` of coreutils and busybox.
//!
//! At its end, or at SIGUSR1, it prints `A+B records in`, `A+B records out` and a line with the bytes, the time and the rate
//! (`dd: invocation` in coreutils' manual). The exact bytes and the time are taken; the rounded rate is not.

use crate::tools::Tool;
use crate::{Decoded, Metric, Run};

/// dd.
pub static DD: Tool =
    Tool { name: "dd", summary: "its three lines at the end of a copy", recognises, decode };

fn recognises(head: &str) -> bool {
    let mut lines = head.lines();
    lines.any(|line| records(line, "records in").is_some())
        && lines.next().is_some_and(|line| records(line, "records out").is_some())
}

fn decode(text: &str) -> Decoded {
    let lines: Vec<&str> = text.lines().collect();
    let ends_whole = text.ends_with('\n');
    let mut runs = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if records(line, "records in").is_none() {
            continue;
        }
        let out = lines.get(at + 1).and_then(|line| records(line, "records out"));
        let copied = lines.get(at + 2).filter(|_| at + 3 < lines.len() || ends_whole).copied();
        let run = match (out, copied.and_then(copied_in)) {
            (Some(_), Some((bytes, seconds))) if seconds > 0.0 => Run::complete(
                at + 1,
                vec![
                    Metric::higher("throughput", "B/s", bytes / seconds),
                    Metric::lower("total_time", "s", seconds),
                    Metric::higher("bytes", "B", bytes),
                ],
            ),
            (Some(_), Some(_)) => Run::unreadable(at + 1, "it took no time"),
            _ => Run::incomplete(at + 1, "the lines of one copy do not follow each other to the end"),
        };
        runs.push(run);
    }
    Decoded { runs, ..Decoded::default() }
}

/// Whole records in `100+0 records in`.
fn records(line: &str, what: &str) -> Option<u64> {
    let (whole, rest) = line.trim().split_once('+')?;
    let (partial, words) = rest.split_once(' ')?;
    partial.parse::<u64>().ok()?;
    (words == what).then(|| whole.parse().ok())?
}

/// Bytes and seconds in `104857600 bytes (105 MB, 100 MiB) copied, 0.05 s, 2.1 GB/s` and busybox's
/// `104857600 bytes (100.0MB) copied, 0.05 seconds, 2.0GB/s`.
fn copied_in(line: &str) -> Option<(f64, f64)> {
    let (bytes, rest) = line.trim().split_once(" byte")?;
    let (_, rest) = rest.split_once(" copied, ")?;
    let (seconds, _) = rest.split_once(" s")?;
    let number = |text: &str| text.replace(',', ".").parse::<f64>().ok();
    Some((bytes.parse::<u64>().ok()? as f64, number(seconds)?))
}
