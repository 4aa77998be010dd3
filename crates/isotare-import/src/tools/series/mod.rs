//! Common code for monitors that print rows until they are stopped: pidstat, mpstat, iostat, sar, vmstat,
//! top. A [`book::Book`] contains the sums of one invocation. Each thing that was watched becomes a run with
//! the mean of each column.
//!
//! Means are means of rows. They are weighted by the lengths of intervals only if these lengths differ by
//! more than the resolution of the printed times, which are whole seconds. Otherwise equal intervals of 1.5 s
//! would have weights of 1 s and 2 s, which would add noise.

pub mod book;
pub mod columns;
pub mod json;
pub mod layout;
pub mod number;
pub mod subject;
pub mod timed;

use crate::Decoded;

/// What the first report of some monitors covers.
pub const SINCE_BOOT: &str = "the time since boot";

/// Maximum number of warnings, because nobody reads more.
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

/// The warning about a restart on this line.
pub fn restarted(line: usize) -> String {
    format!("line {line}: the machine was restarted; the following reports are separate runs")
}

/// The same, with at most `WARNINGS` warnings.
pub fn settled(mut decoded: Decoded) -> Decoded {
    let more = decoded.warnings.len().saturating_sub(WARNINGS);
    if more > 0 {
        decoded.warnings.truncate(WARNINGS);
        decoded.warnings.push(format!("and {more} more"));
    }
    decoded
}
