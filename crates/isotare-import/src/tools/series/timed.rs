//! Tables whose rows begin with a time, as pidstat, mpstat and sar print them:
//!
//! ```text
//! Linux 6.1.0-13-amd64 (host)   01/02/2024   _x86_64_  (2 CPU)
//!
//! 10:00:01 AM   UID       PID    %usr …  Command
//! 10:00:02 AM     0         1    0.00 …  systemd
//!
//! Average:      UID       PID    %usr …  Command
//! Average:        0         1    0.00 …  systemd
//! ```
//!
//! The time of a header is the time of the last report. With `pidstat -h` it is the word `Time` after a `#`.
//! If a row does not fit its header, it was cut, or it was mixed with another row. If a header does not
//! follow the last report, two outputs are mixed.

use super::book::Book;
use super::layout::{Layout, Part};
use super::number::{half, moment, seconds};
use super::subject::Who;
use super::{is_banner, restarted, settled};
use crate::{Decoded, Run};

/// More headers than any monitor prints.
const LAYOUTS: usize = 512;

/// The differences between the tables of different tools.
pub struct Style {
    /// Whether these are the names of a header. The time is not part of them.
    pub header: fn(&str) -> bool,
    /// The use of a column, from its name, its place and the number of columns.
    pub part: fn(&str, usize, usize) -> Part,
    /// The kind of the remark, if the text after a time is a remark.
    pub remark: fn(&str) -> Option<Remark>,
    /// Whether negative numbers are valid. If not, they mean that the value could not be read.
    pub signed: bool,
}

/// A line with a time that is not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A user's comment.
    Comment,
    /// The machine was restarted, so its counters begin at zero.
    Restart,
}

struct Reader<'t> {
    style: &'static Style,
    runs: Vec<Run>,
    warnings: Vec<String>,
    book: Option<Book<'t>>,
    state: State<'t>,
    values: Vec<f64>,
}

/// The state of the invocation that is being read.
#[derive(Default)]
struct State<'t> {
    layouts: Vec<Layout<'t>>,
    /// The layout of the current rows, and that of the current averages.
    current: usize,
    average: usize,
    /// The time of the last report, and that of the last header.
    time: &'t str,
    since: &'t str,
    /// Whether the next row begins a report, because a header says so.
    fresh: bool,
    /// Whether a header without a time (`# Time`) was before the report.
    headed: bool,
    /// The line of the last header, whether it has no row yet, and the layouts of the headers with the same
    /// time.
    header: usize,
    waits: bool,
    seen: Vec<usize>,
    /// Tables whose averages were read, and whether the last line was an average.
    averaged: Vec<usize>,
    at_averages: bool,
}

/// Decodes all invocations in a text.
pub fn decode(text: &str, style: &'static Style) -> Decoded {
    let (runs, warnings, values) = (Vec::new(), Vec::new(), Vec::new());
    let mut reader = Reader { style, runs, warnings, book: None, state: State::default(), values };
    let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", text));
    for (at, line) in whole.split('\n').enumerate() {
        reader.line(at + 1, line.trim_ascii_start());
    }
    if !rest.trim_ascii().is_empty() && !reader.state.at_averages {
        reader.fail("the text ends in the middle of a line");
    }
    reader.close();
    settled(Decoded { version: None, runs: reader.runs, warnings: reader.warnings })
}

/// Whether a line is a header with a time. `names`: whether the rest of the line has the names of the tool's
/// columns.
pub fn has_header(line: &str, names: fn(&str) -> bool) -> bool {
    split_time(line.trim_ascii_start()).is_some_and(|(_, rest)| names(rest))
}

/// Separates the time at the beginning, with `AM` or `PM` if there is one, from the rest. The `Time` of `#
/// Time` is an empty time.
fn split_time(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = line.strip_prefix('#') {
        return rest.trim_ascii_start().strip_prefix("Time").map(|rest| ("", rest));
    }
    let is_digit = |letter: char| letter.is_ascii_digit();
    let mut end = line.find(' ').filter(|_| line.starts_with(is_digit))?;
    while let Some(word) = line.get(end..)?.split_ascii_whitespace().next() {
        // For example `10:00:01 AM`, `10시 00분 01초`.
        if half(word).is_none() && (word.is_ascii() || !word.starts_with(is_digit)) {
            break;
        }
        end += line.get(end..)?.find(word)? + word.len();
    }
    Some((line.get(..end)?, line.get(end..)?))
}

/// The text after `Average:` or its translation.
fn after_label(line: &str) -> Option<&str> {
    let (label, rest) = line.split_once(':')?;
    let plain =
        label.split_ascii_whitespace().count() <= 2 && !label.bytes().any(|byte| byte.is_ascii_digit());
    // These labels of `sar -x` are not averages.
    (plain && label != "Minimum" && label != "Maximum").then_some(rest)
}

impl<'t> Reader<'t> {
    fn line(&mut self, at: usize, line: &'t str) {
        // This is the fast path: most lines are rows of the current report.
        if !self.state.fresh
            && !self.state.time.is_empty()
            && let Some(rest) = line.strip_prefix(self.state.time)
            && rest.starts_with(' ')
            && let Some(who) = self.row(self.state.current, rest)
        {
            return self.add(at, who);
        }
        match line.bytes().next() {
            None => {}
            Some(b'0'..=b'9' | b'#') => self.timed(at, line),
            Some(_) if is_banner(line) => self.open(at),
            Some(_) => self.labelled(at, line),
        }
    }

    fn timed(&mut self, at: usize, line: &'t str) {
        let Some((time, rest)) = split_time(line) else { return };
        if (self.style.header)(rest) {
            return self.begin(at, time, rest);
        }
        match (self.style.remark)(rest) {
            Some(Remark::Comment) => return,
            Some(Remark::Restart) => return self.restart(at),
            None => {}
        }
        if self.state.layouts.is_empty() {
            // This is a message before the first header.
            return;
        }
        self.state.at_averages = false;
        let Some(who) = self.row(self.state.current, rest) else {
            self.fail(format!(
                "line {at} does not fit the table in which it is: it was cut, or mixed with another line"
            ));
            if is_banner(line) {
                self.open(at);
            }
            return;
        };
        if self.goes_on(time, who) {
            self.state.time = time;
        } else {
            self.report(at, time);
        }
        self.add(at, who);
    }

    /// Whether a row with the time of the next second still belongs to the current report. With `-h`, each
    /// row has the time at which it was written, and each report has a header.
    fn goes_on(&self, time: &str, who: Who<'t>) -> bool {
        let State { layouts, current, headed, waits, time: last, .. } = &self.state;
        let gone = moment(last).zip(moment(time)).and_then(|(from, to)| seconds(from, to));
        let is_there =
            |book: &Book<'t>| layouts.get(*current).is_some_and(|layout| book.has(layout.table, who));
        *headed && !waits && gone == Some(1) && !self.book.as_ref().is_some_and(is_there)
    }

    /// Begins a report, if the row with this time does not belong to the current one.
    fn report(&mut self, at: usize, time: &'t str) {
        let state = &mut self.state;
        let (Some(book), true) = (&mut self.book, time != state.time || state.fresh) else { return };
        book.report(moment(state.since).filter(|_| state.fresh), moment(time));
        if book.reports == 1 && state.fresh && time == state.since {
            book.warnings.push(format!(
                "line {at}: without an interval, these are averages since each process started"
            ));
        }
        (state.time, state.fresh, state.headed) = (time, false, state.waits && state.since.is_empty());
    }

    fn add(&mut self, at: usize, who: Who<'t>) {
        self.state.waits = false;
        if let (Some(book), Some(layout)) = (&mut self.book, self.state.layouts.get(self.state.current)) {
            book.row(at, layout.table, who, &self.values);
        }
    }

    /// Begins a table, of the next report or of the current one.
    fn begin(&mut self, at: usize, time: &'t str, names: &'t str) {
        let known = self.state.layouts.iter().find(|layout| layout.names == names);
        if known.is_some_and(|layout| self.state.averaged.contains(&layout.table)) {
            // Averages end an invocation. So this is another invocation, or two invocations are mixed.
            let fault = self.book.as_ref().and_then(Book::fault).map(str::to_owned);
            self.open(at);
            fault.into_iter().for_each(|why| self.fail(why));
        }
        self.book.get_or_insert_with(|| Book::new(at));
        let State { header, waits, since, time: last, .. } = self.state;
        let follows = last.is_empty() || time == last;
        if header + 1 == at && header > 0 {
            self.fail(format!(
                "line {at}: there are two headers without a row between them: two invocations are mixed"
            ));
        } else if !(follows || time.is_empty() || time == since || waits) {
            self.fail(format!(
                "line {at}: the header does not follow the report before it: two invocations are mixed"
            ));
        }
        self.state.current = self.layout(names);
        if time != since || follows {
            self.state.seen.clear();
        } else if !time.is_empty() && self.state.seen.contains(&self.state.current) {
            self.fail(format!(
                "line {at}: the header occurs again with the same time: two invocations are mixed"
            ));
        }
        let state = &mut self.state;
        state.seen.push(state.current);
        state.fresh = !time.is_empty() && (follows || time != since);
        (state.header, state.waits, state.since, state.at_averages) = (at, true, time, false);
    }

    /// The layout for these names.
    fn layout(&mut self, names: &'t str) -> usize {
        let layouts = &mut self.state.layouts;
        if let Some(known) = layouts.iter().position(|layout| layout.names == names) {
            return known;
        }
        if layouts.len() >= LAYOUTS {
            self.fail("it has too many different headers for one recording");
            return 0;
        }
        let (mut layout, columns) = Layout::new(names, self.style.part);
        layout.table = self.book.as_mut().map_or(0, |book| book.table(columns));
        layouts.push(layout);
        layouts.len() - 1
    }

    fn row(&mut self, layout: usize, rest: &'t str) -> Option<Who<'t>> {
        self.state.layouts.get_mut(layout)?.row(rest, self.style.signed, &mut self.values)
    }

    /// Reads averages, and headers of averages.
    fn labelled(&mut self, at: usize, line: &'t str) {
        let Some(rest) = after_label(line).filter(|_| self.book.is_some()) else { return };
        if (self.style.header)(rest) {
            self.state.average = self.layout(rest);
            self.state.at_averages = true;
            return;
        }
        // If a single header was enough for all rows, there is none before the averages.
        let layout = if self.state.at_averages { self.state.average } else { self.state.current };
        let Some(who) = self.row(layout, rest) else { return };
        let table = self.state.layouts.get(layout).map_or(0, |layout| layout.table);
        if let Some(book) = &mut self.book {
            book.average(at, table, who, &self.values);
            book.rewind();
        }
        let state = &mut self.state;
        if !state.averaged.contains(&table) {
            state.averaged.push(table);
        }
        (state.average, state.at_averages) = (layout, true);
        (state.time, state.since) = ("", "");
    }

    /// Ends the current runs, because a restart resets the counters of the machine.
    fn restart(&mut self, at: usize) {
        if self.book.as_ref().is_some_and(|book| !book.is_empty()) {
            self.close();
        }
        self.state = State::default();
        self.warnings.push(restarted(at));
    }

    fn fail(&mut self, why: impl Into<String>) {
        if let Some(book) = &mut self.book {
            book.fail(why);
        }
    }

    fn open(&mut self, at: usize) {
        self.close();
        self.book = Some(Book::new(at));
    }

    fn close(&mut self) {
        if let Some(book) = self.book.take() {
            self.runs.append(&mut book.close(&mut self.warnings));
        }
        self.state = State::default();
    }
}
