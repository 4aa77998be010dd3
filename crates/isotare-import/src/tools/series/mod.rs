//! Common code for monitors that print rows until they are stopped: pidstat, mpstat, iostat, sar, vmstat,
//! top. One invocation is a [`book::Book`] of sums; each thing that it watched becomes a run with the mean of
//! each column.
//!
//! Means are those of the rows. They are weighted by the lengths of the intervals only where these differ by
//! more than the times, which are whole seconds, can show: otherwise equal intervals of 1.5 s would get
//! weights of 1 s and 2 s, which would add noise.

pub mod book;
pub mod columns;
pub mod json;
pub mod layout;
pub mod number;
pub mod subject;
pub mod timed;

use crate::Decoded;

/// What the first report of some is of.
pub const SINCE_BOOT: &str = "the time since boot";

/// More warnings than a reader reads.
const WARNINGS: usize = 20;

/// `Linux 6.1.0-13-amd64 (host) 01/02/2024 _x86_64_ (2 CPU)`: the first line of every tool of sysstat's
/// (common.c, `print_gal_header`).
pub fn is_banner(line: &str) -> bool {
    let line = line.trim_end();
    line.ends_with(" CPU)") && line.contains('_') && {
        let mut words = line.split_ascii_whitespace().rev().skip(2);
        let is_machine = |word: &str| word.len() > 2 && word.starts_with('_') && word.ends_with('_');
        words.next().is_some_and(|word| is_machine(word.trim_end_matches("(0")))
    }
}

/// A warning.
pub fn restarted(line: usize) -> String {
    format!("line {line}: the machine was restarted; the following reports are separate runs")
}

/// What was decoded, with no more warnings than are of use.
pub fn settled(mut decoded: Decoded) -> Decoded {
    let more = decoded.warnings.len().saturating_sub(WARNINGS);
    if more > 0 {
        decoded.warnings.truncate(WARNINGS);
        decoded.warnings.push(format!("and {more} more"));
    }
    decoded
}
