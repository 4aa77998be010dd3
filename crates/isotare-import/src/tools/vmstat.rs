//! `vmstat` of procps: the machine, with one row for each report.
//!
//! ```text
//! procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu----- -----timestamp-----
//!  r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st                 UTC
//!  1  0      0 123456   1234 123456    0    0     1     2   10   20  0  0 99  0  0 2024-01-02 10:00:01
//! ```
//!
//! A run is one invocation. Its first row covers the time since boot. It is left out if other rows follow.
//! With `-y`, vmstat does not print this row. The text does not show whether `-y` was given, so a good row is
//! then left out. `-a` adds `inact` and `active`, and `-t` the time; procps 4 has `gu`. Memory is in KiB
//! unless `-S` was given. The text does not show this either, so these columns have no unit.
//!
//! The text has no mark where an invocation begins. vmstat repeats its header after a fixed number of rows:
//! 21 if it writes to a file (`winhi` in vmstat.c), otherwise the number of lines of the terminal less three.
//! So the same number of rows follows each header of an invocation, and fewer may follow the last one. A
//! header begins another invocation if fewer rows than usual are before it, if more rows than usual follow
//! it, if it has other columns, or if its first row has the same averages since boot.
//!
//! Two invocations without times that write into one file look like one invocation with twice the rows. The
//! only sign is that one of them ends after its first row. The rows after it are not used.

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
    summary: "means of the machine over the rows, without the row since boot",
    recognises,
    decode,
};

/// The number of rows between two headers in a file.
const HEIGHT: usize = 21;

fn recognises(head: &str) -> bool {
    let mut lines = head.lines();
    lines.any(is_groups) && lines.next().is_some_and(is_names)
}

/// Whether a line has the titles of groups of columns: `procs ---memory--- …`, `--procs-- …`
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
    for section in &sections(text) {
        reader.section(section);
    }
    reader.close();
    settled(Decoded { version: None, runs: reader.runs, warnings: reader.warnings })
}

/// A header with its rows.
struct Section<'t> {
    /// The line of the header.
    line: usize,
    names: &'t str,
    rows: Vec<(usize, &'t str)>,
    /// Why it cannot be used.
    fault: Option<String>,
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut found: Vec<Section<'_>> = Vec::new();
    let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", text));
    // The line on which the titles of groups were last read.
    let mut groups = 0;
    for (at, line) in (1..).zip(whole.split('\n')) {
        if is_groups(line) {
            if groups + 1 == at && groups > 0 {
                fail(&mut found, doubled(at));
            }
            groups = at;
        } else if is_names(line) {
            let waits = found.last().is_some_and(|section| section.rows.is_empty());
            let fault = waits.then(|| doubled(at));
            found.push(Section { line: groups.max(1), names: line.trim_ascii(), rows: Vec::new(), fault });
        } else if line.trim_ascii().starts_with(|letter: char| letter.is_ascii_digit())
            && let Some(section) = found.last_mut()
        {
            section.rows.push((at, line));
        }
    }
    if !rest.trim_ascii().is_empty() {
        fail(&mut found, "the text ends in the middle of a line".to_owned());
    }
    found
}

fn doubled(line: usize) -> String {
    format!("line {line}: there are two headers without a row between them: two invocations are mixed")
}

fn fail(sections: &mut [Section<'_>], why: String) {
    if let Some(section) = sections.last_mut() {
        section.fault.get_or_insert(why);
    }
}

/// `-t` adds the time after the numbers, below the name of the time zone. All other names are in small
/// letters, except in translations.
fn part(name: &str, at: usize, columns: usize) -> Part {
    match at + 1 == columns && !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        true => Part::Drop,
        false => Part::Value,
    }
}

/// Whether only the date and the time of `-t` follow the numbers of a row.
fn has_time(row: &str, names: &str) -> bool {
    let columns = names.split_ascii_whitespace().count();
    let mut rest = row.split_ascii_whitespace().skip(columns.saturating_sub(1));
    let is_part = |word: &str, mark| {
        word.matches(mark).count() == 2 && word.starts_with(|first: char| first.is_ascii_digit())
    };
    match part(names.split_ascii_whitespace().last().unwrap_or_default(), columns - 1, columns) {
        Part::Drop => {
            matches!([rest.next(), rest.next(), rest.next()], [Some(date), Some(time), None] if is_part(date, '-') && is_part(time, ':'))
        }
        _ => true,
    }
}

/// Columns that are averages since boot in an invocation's first row.
const RATES: &[&str] = &["bi", "bo", "in", "cs", "us", "sy", "id", "wa"];

#[derive(Default)]
struct Reader<'t> {
    runs: Vec<Run>,
    warnings: Vec<String>,
    book: Option<Book<'t>>,
    names: &'t str,
    /// Rows in the first section of this invocation, in its last section, and in all of them.
    height: usize,
    rows: usize,
    count: usize,
    /// The rates of the first row.
    first: Vec<f64>,
    /// The place of the run of the invocation before this one, if that one had only one row.
    lone: Option<usize>,
    values: Vec<f64>,
    clock: Option<&'t str>,
    /// Whether the warning was given that the distance of headers is not that of a file.
    told: bool,
}

impl<'t> Reader<'t> {
    fn section(&mut self, section: &Section<'t>) {
        let (mut layout, columns) = Layout::new(section.names, part);
        let rates = columns.iter().enumerate().filter(|(_, column)| RATES.contains(&column.name.as_str()));
        let rates: Vec<usize> = rates.map(|(at, _)| at).collect();
        let mut of = |line: &'t str| {
            layout.row(line, true, &mut self.values)?;
            Some(rates.iter().filter_map(|&rate| self.values.get(rate).copied()).collect::<Vec<f64>>())
        };
        let first = section.rows.first().and_then(|(_, line)| of(line));
        let is_same = self.names == section.names;
        let height = self.height;
        let is_next = self.rows == height && section.rows.len() <= height && self.book.is_some();
        let goes_on = is_same && is_next && first.as_ref() != Some(&self.first);
        // An invocation that has a header but no row yet continues with this header.
        if !(goes_on || (self.book.is_some() && self.rows == 0)) {
            self.close();
        } else if height != HEIGHT && self.rows > 0 && !std::mem::replace(&mut self.told, true) {
            self.warnings.push(format!(
                "line {}: the header after {height} rows is assumed to be repeated on a terminal of {} \
                 lines, and not to be the beginning of another recording",
                section.line,
                height + 3
            ));
        }
        if self.rows == 0 {
            self.height = section.rows.len();
        }
        (self.names, self.rows) = (section.names, section.rows.len());
        let book = self.book.get_or_insert_with(|| Book::new(section.line));
        layout.table = book.table(columns);
        if let Some(why) = &section.fault {
            book.fail(why.as_str());
        }
        if book.is_empty() && !book.forgot() {
            self.first = first.unwrap_or_default();
        }
        self.count += section.rows.len();
        for (at, line) in &section.rows {
            self.row(*at, line, &mut layout);
        }
    }

    fn row(&mut self, at: usize, line: &'t str, layout: &mut Layout<'t>) {
        let Some(book) = &mut self.book else { return };
        if layout.row(line, true, &mut self.values).is_none() || !has_time(line, layout.names) {
            return book
                .fail(format!("line {at} does not fit its table: it was cut, or mixed with another line"));
        }
        if book.is_lone() {
            book.forget_first(SINCE_BOOT);
            if let Some(runs) = self.lone.and_then(|lone| self.runs.get_mut(lone..)) {
                let why =
                    "a recording with one row is followed by one with several: two invocations may be mixed";
                spoil(runs, why);
                book.fail(why);
            }
        }
        let clock = line.split_ascii_whitespace().find(|word| word.matches(':').count() == 2);
        if clock.is_some() && clock == self.clock {
            book.fail(format!("line {at} has the same time as the row before it: two invocations are mixed"));
        }
        self.clock = clock;
        book.report(None, clock.and_then(moment));
        book.row(at, layout.table, Who::default(), &self.values);
    }

    fn close(&mut self) {
        if let Some(mut book) = self.book.take() {
            self.lone = (self.count == 1).then_some(self.runs.len());
            book.warn_of_one(SINCE_BOOT);
            self.runs.append(&mut book.close(&mut self.warnings));
        }
        self.first.clear();
        (self.names, self.rows, self.count, self.clock) = ("", 0, 0, None);
    }
}
