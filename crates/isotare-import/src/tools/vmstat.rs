//! `vmstat` of procps: the machine, one row a report.
//!
//! ```text
//! procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu----- -----timestamp-----
//!  r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st                 UTC
//!  1  0      0 123456   1234 123456    0    0     1     2   10   20  0  0 99  0  0 2024-01-02 10:00:01
//! ```
//!
//! A run is one invocation. Its first row averages since boot and is left out where others follow (with `-y`, of which the text tells
//! nothing, a good one is left out). `-a` has `inact` and `active`, `-t` the time, procps 4 has `gu`. Memory is in KiB unless `-S` was given,
//! of which the text tells nothing either: those columns have no unit.
//!
//! Nothing marks where an invocation begins. It repeats its headers after 21 rows where it writes to a file (3.3.17, 4.0.2); one that
//! comes at another place, or before the same averages since boot, begins another invocation. Two that write into one file without times
//! look like one with twice the rows; all that shows is that one of them ends after its first row. What follows such a one is not used.

use super::series::book::Book;
use super::series::layout::{Layout, Part};
use super::series::number::moment;
use super::series::subject::{Who, spoil};
use super::series::{SINCE_BOOT, settled};
use crate::tools::Tool;
use crate::{Decoded, Run};

/// vmstat.
pub static VMSTAT: Tool = Tool {
    name: "vmstat",
    summary: "means of the machine over the rows, without that since boot",
    recognises,
    decode,
};

/// Rows between headers.
const HEIGHT: u64 = 21;

fn recognises(head: &str) -> bool {
    let mut lines = head.lines();
    lines.any(is_groups) && lines.next().is_some_and(is_names)
}

/// `procs ---memory--- …`, `--procs-- …`
fn is_groups(line: &str) -> bool {
    let line = line.trim_ascii();
    (line.starts_with("procs") || line.starts_with("--procs"))
        && line.contains("-memory-")
        && line.contains("-cpu-")
}

fn is_names(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    words.next() == Some("r") && words.next() == Some("b") && words.next() == Some("swpd")
}

fn decode(text: &str) -> Decoded {
    let mut reader = Reader::default();
    let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", text));
    for (at, line) in whole.split('\n').enumerate() {
        reader.line(at + 1, line);
    }
    if !rest.trim_ascii().is_empty() {
        reader.fail("the text ends within a line");
    }
    reader.close();
    settled(Decoded { version: None, runs: reader.runs, warnings: reader.warnings })
}

/// `-t` adds the time behind the numbers, below the name of the time zone. Other names are in small letters, but where they are translated.
fn part(name: &str, at: usize, columns: usize) -> Part {
    match at + 1 == columns && !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        true => Part::Drop,
        false => Part::Value,
    }
}

/// Columns that are averages since boot in an invocation's first row.
const RATES: &[&str] = &["bi", "bo", "in", "cs", "us", "sy", "id", "wa"];

#[derive(Default)]
struct Reader<'t> {
    runs: Vec<Run>,
    warnings: Vec<String>,
    book: Option<Book<'t>>,
    layout: Option<Layout<'t>>,
    /// Line of the last header, rows since then, and whether its names were read and wait for a row.
    header: usize,
    rows: u64,
    waits: bool,
    /// The first row's rates.
    first: Vec<f64>,
    /// Where the run of the invocation before this is, if it had one row only.
    lone: Option<usize>,
    /// Which values are rates.
    rates: Vec<usize>,
    values: Vec<f64>,
    clock: Option<&'t str>,
}

impl<'t> Reader<'t> {
    fn line(&mut self, at: usize, line: &'t str) {
        if is_groups(line) {
            if self.header + 1 == at && self.header > 0 {
                self.fail(format!("line {at}: a header follows a header: two invocations are mixed"));
            } else if self.rows != HEIGHT {
                self.close();
            }
            (self.header, self.rows) = (at, 0);
        } else if is_names(line) {
            if self.waits {
                self.fail(format!("line {at}: a header follows a header: two invocations are mixed"));
            }
            self.names(line.trim_ascii());
            self.waits = true;
        } else if line.trim_ascii().starts_with(|letter: char| letter.is_ascii_digit()) {
            self.row(at, line);
        }
    }

    fn names(&mut self, names: &'t str) {
        let (mut layout, columns) = Layout::new(names, part);
        let rates = columns.iter().enumerate().filter(|(_, column)| RATES.contains(&column.name.as_str()));
        self.rates = rates.map(|(at, _)| at).collect();
        let header = self.header.max(1);
        layout.table = self.book.get_or_insert_with(|| Book::new(header)).table(columns);
        self.layout = Some(layout);
    }

    fn row(&mut self, at: usize, line: &'t str) {
        let Some(layout) = &mut self.layout else { return };
        if layout.row(line, true, &mut self.values).is_none() {
            return self.fail(format!("line {at} is no row of its table: it was cut or mixed with another"));
        }
        let rates: Vec<f64> = self.rates.iter().filter_map(|&rate| self.values.get(rate).copied()).collect();
        if std::mem::take(&mut self.waits) && self.first == rates {
            let names = layout.names;
            self.close();
            self.names(names);
        }
        let (Some(book), Some(layout)) = (&mut self.book, &self.layout) else { return };
        if book.is_empty() && !book.forgot() {
            self.first = rates;
        } else if book.is_lone() {
            book.forget_first(SINCE_BOOT);
            if let Some(runs) = self.lone.and_then(|lone| self.runs.get_mut(lone..)) {
                let why =
                    "one with a single row is followed by one with several: two invocations may be mixed";
                spoil(runs, why);
                book.fail(why);
            }
        }
        let clock = line.split_ascii_whitespace().find(|word| word.matches(':').count() == 2);
        if clock.is_some() && clock == self.clock {
            book.fail(format!(
                "line {at} is of the same second as the row before it: two invocations are mixed"
            ));
        }
        self.clock = clock;
        book.report(None, clock.and_then(moment));
        book.row(at, layout.table, Who::default(), &self.values);
        self.rows += 1;
    }

    fn fail(&mut self, why: impl Into<String>) {
        if let Some(book) = &mut self.book {
            book.fail(why);
        }
    }

    fn close(&mut self) {
        if let Some(mut book) = self.book.take() {
            self.lone = book.is_lone().then_some(self.runs.len());
            book.warn_of_one(SINCE_BOOT);
            self.runs.append(&mut book.close(&mut self.warnings));
        }
        self.first.clear();
        (self.layout, self.rows, self.waits, self.clock) = (None, 0, false, None);
    }
}
