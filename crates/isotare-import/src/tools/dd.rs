//! `dd` of coreutils and busybox.
//!
//! At its end, at SIGINT or at SIGUSR1 it prints `A+B records in`, `A+B records out` and a line with the
//! bytes, the time and the rate (`dd: invocation` in coreutils' manual; `dd.c` of both). coreutils prints
//! them in the user's language: `100+0 Datensätze ein`, `104857600 Bytes (105 MB, 100 MiB) kopiert, 0,0490223
//! s, 2,1 GB/s`. The numbers, the brackets and the unit are the same in every language. Throughput is
//! computed from the exact bytes and the time, because the printed rate is rounded.

use crate::tools::Tool;
use crate::{Decoded, Metric, Run};

/// dd.
pub static DD: Tool =
    Tool { name: "dd", summary: "its three lines at the end of a copy, in any language", recognises, decode };

fn recognises(head: &str) -> bool {
    let mut before: [Option<Words<'_>>; 2] = [None, None];
    head.lines().any(|line| {
        let words = records(line).map(|(_, words)| words);
        let is_copy = before.iter().all(Option::is_some) && copied_in(line).is_some();
        let is_english = before[1].is_some_and(|before| before.1 == "records in")
            && words.is_some_and(|words| words.1 == "records out");
        before = [before[1], words];
        is_copy || is_english || failure(line).is_some()
    })
}

/// The message of a failure. Warnings are not failures, in any language.
fn failure(line: &str) -> Option<&str> {
    const WARNINGS: [&str; 6] = ["warning", "Warnung", "avertissement", "attention", "aviso", "警告"];
    let said = line.strip_prefix("dd: ")?;
    (said.contains(": ") && !WARNINGS.iter().any(|word| said.contains(word))).then_some(line.trim_end())
}

/// Numbers of whole and of partial records.
type Records = (u64, u64);
/// The words before and after these numbers.
type Words<'a> = (&'a str, &'a str);

/// One copy, as far as it has been read.
#[derive(Default)]
struct Open<'a> {
    line: usize,
    counts: Vec<(Records, Words<'a>)>,
    failure: Option<&'a str>,
}

impl<'a> Open<'a> {
    /// Whether this line of records can be the next line of this copy.
    fn awaits(&self, words: Words<'a>) -> bool {
        match self.counts.as_slice() {
            [] => words.1 != "records out",
            [(_, before)] => *before != words && before.1 != "records out" && words.1 != "records in",
            _ => false,
        }
    }

    fn broken(self) -> Run {
        match self.failure {
            Some(failure) => Run::unreadable(self.line, failure),
            None if self.counts.len() == 2 => {
                Run::incomplete(self.line, "the line with the bytes and the time is missing")
            }
            None => Run::incomplete(self.line, "the lines of one copy do not follow each other"),
        }
    }
}

fn decode(text: &str) -> Decoded {
    let mut runs = Vec::new();
    let mut open = Open::default();
    for (at, line) in text.lines().enumerate() {
        if let Some((counts, words)) = records(line) {
            if !open.awaits(words) {
                runs.push(std::mem::take(&mut open).broken());
            }
            if open.counts.is_empty() {
                open.line = at + 1;
            }
            open.counts.push((counts, words));
            continue;
        }
        let is_open = !open.counts.is_empty() || open.failure.is_some();
        match copied_in(line) {
            Some((bytes, seconds)) if open.counts.len() == 2 => {
                runs.push(copy(std::mem::take(&mut open), bytes, seconds))
            }
            // The lines of `status=progress` have no lines of records before them.
            _ if is_open => runs.push(std::mem::take(&mut open).broken()),
            _ => {}
        }
        if let Some(failure) = failure(line) {
            open = Open { line: at + 1, failure: Some(failure), ..Open::default() };
        }
    }
    if !open.counts.is_empty() || open.failure.is_some() {
        runs.push(open.broken());
    }
    Decoded { runs, ..Decoded::default() }
}

fn copy(open: Open<'_>, bytes: f64, seconds: f64) -> Run {
    let line = open.line;
    if let Some(failure) = open.failure {
        return Run::unreadable(line, failure);
    }
    if seconds <= 0.0 {
        return Run::unreadable(line, "its time is zero");
    }
    if bytes <= 0.0 {
        return Run::unreadable(line, "it copied nothing");
    }
    let run = Run::complete(
        line,
        vec![
            Metric::higher("throughput", "B/s", bytes / seconds),
            Metric::lower("total_time", "s", seconds),
            Metric::higher("bytes", "B", bytes),
        ],
    );
    match open.counts.last() {
        // The size of a record is known only if all records are complete.
        Some(((whole, 0), _)) if *whole > 0 && bytes % *whole as f64 == 0.0 => {
            run.with("block_size", (bytes / *whole as f64).to_string())
        }
        _ => run,
    }
}

/// The numbers and the words of `100+0 records in`, and of `读入了 100+0 块记录`.
fn records(line: &str) -> Option<(Records, Words<'_>)> {
    let line = line.trim();
    let (before, line) = line.split_at_checked(line.find(|first: char| first.is_ascii_digit())?)?;
    let (whole, rest) = line.split_once('+')?;
    let digits = rest.len() - rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (partial, words) = rest.split_at_checked(digits)?;
    let is_short =
        words.len() < 80 && !words.trim().is_empty() && !words.contains(|char: char| char.is_ascii_digit());
    is_short.then(|| Some(((whole.parse().ok()?, partial.parse().ok()?), (before.trim(), words.trim()))))?
}

/// Bytes and seconds in `104857600 bytes (105 MB, 100 MiB) copied, 0.05 s, 2.1 GB/s` and in busybox's
/// `104857600 bytes (100.0MB) copied, 0.05 seconds, 2.0GB/s`. For few bytes there are no brackets.
fn copied_in(line: &str) -> Option<(f64, f64)> {
    let line = line.trim();
    line.strip_suffix("B/s")?;
    let digits = line.len() - line.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (bytes, rest) = line.split_at_checked(digits)?;
    // dd prints no separators of thousands. If digits follow after a separator, the number was only a part of
    // a longer one.
    if rest
        .trim_start()
        .starts_with(|next: char| next.is_ascii_digit() || matches!(next, '.' | ',' | '\'' | '’'))
    {
        return None;
    }
    let rest = rest.split_once(')').map_or(rest, |(_, after)| after);
    // The parts are separated by `, `, or by the wide comma of Chinese and Japanese.
    let mut parts = rest.split(", ").flat_map(|part| part.split('，')).skip(1);
    let (seconds, unit) = parts.next()?.trim().split_once(' ')?;
    let seconds = seconds.replace(',', ".").parse::<f64>().ok().filter(|seconds| seconds.is_finite())?;
    parts.next()?;
    matches!(unit, "s" | "second" | "seconds").then(|| Some((bytes.parse::<u64>().ok()? as f64, seconds)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[test]
    fn copies_are_read_in_every_language_and_version() {
        for (line, expect) in [
            ("104857600 bytes (105 MB, 100 MiB) copied, 0.05 s, 2.1 GB/s", Some((104_857_600.0, 0.05))),
            ("104857600 Bytes (105 MB, 100 MiB) kopiert, 0,05 s, 2,1 GB/s", Some((104_857_600.0, 0.05))),
            ("104857600字节(105 MB, 100 MiB)已复制，0.05 s，2.1 GB/s", Some((104_857_600.0, 0.05))),
            ("104857600 bytes (100.0MB) copied, 0.05 seconds, 2.0GB/s", Some((104_857_600.0, 0.05))),
            ("512 bytes copied, 2.5e-05 s, 20.5 MB/s", Some((512.0, 2.5e-5))),
            ("1 byte copied, 2 s, 0.0 kB/s", Some((1.0, 2.0))),
            ("0 bytes copied, 0.01 s, 0.0 kB/s", Some((0.0, 0.01))),
            ("104857600 bytes (105 MB, 100 MiB) copied, 0.05 s, 2.1 GB", None),
            ("104857600 bytes (105 MB, 100 MiB) copied, nan s, 2.1 GB/s", None),
            ("104 857 600 bytes (105 MB, 100 MiB) copied, 0.05 s, 2.1 GB/s", None),
            ("104,857,600 bytes (105 MB, 100 MiB) copied, 0.05 s, 2.1 GB/s", None),
            ("bytes", None),
        ] {
            assert_eq!(copied_in(line), expect, "{line}");
        }
        assert_eq!(records("记录了100+0 的读入"), Some(((100, 0), ("记录了", "的读入"))));
        assert_eq!(records("1+2"), None);
    }

    #[test]
    fn a_copy_of_nothing_has_no_number() {
        let text = "0+0 records in\n0+0 records out\n0 bytes copied, 0.01 s, 0.0 kB/s\n";
        assert_eq!(decode(text).runs[0].status, Status::Unreadable);
        assert!(recognises(text));
    }
}
