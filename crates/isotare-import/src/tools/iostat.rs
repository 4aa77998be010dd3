//! `iostat` of sysstat: the processors and each block device, in text and JSON (`-o JSON`, since 11.5.1).
//!
//! ```text
//! Linux 6.1.0-13-amd64 (host)   01/02/2024   _x86_64_  (2 CPU)
//!
//! 01/02/2024 10:00:01 AM
//! avg-cpu:  %user   %nice %system %iowait  %steal   %idle
//!            0.10    0.00    0.20    0.00    0.00   99.70
//!
//! Device             tps    kB_read/s    kB_wrtn/s    kB_dscd/s    kB_read    kB_wrtn    kB_dscd
//! sda               1.00         4.00         0.00         0.00          4          0          0
//! ```
//!
//! A run is one device (`device`), or the processors (`cpu`: `all`), of one invocation. The first report
//! covers the time since boot. It is left out if other reports follow.
//!
//! With `-y`, iostat does not print this first report. Up to 12.7.6, a second blank line before the first
//! report shows this. Later texts and JSON do not show it, so there a good report is left out. Reports have
//! times only with `-t`. The column is `Device:` in 11.x, and the last column with `--pretty` in 12.x. With
//! `-h`, 11.x breaks the line after the name of a device.
//!
//! If two invocations without times write into one file, they look like one invocation with twice as many
//! reports. The only sign is that one of them ends after its first report. The text after such a report is
//! not used.

use super::series::book::Book;
use super::series::json::{self, Shape};
use super::series::layout::{Layout, Part};
use super::series::number::{Moment, half, moment};
use super::series::subject::{Who, spoil};
use super::series::{SINCE_BOOT, is_banner, settled};
use crate::tools::Tool;
use crate::{Decoded, Run};

/// iostat.
pub static IOSTAT: Tool = Tool {
    name: "iostat",
    summary: "means of each device and of the processors over the reports, without the report since boot, from text and JSON",
    recognises,
    decode,
};

static SHAPE: Shape = Shape {
    sections: &["avg-cpu", "disk"],
    name,
    ids: &[("disk_device", "device"), ("disk_group", "device")],
    also: None,
    of: None,
    whole: Some(("avg-cpu", ("cpu", "all"))),
    first_is_since_boot: true,
    signed: false,
};

/// The column in the text for a key of the JSON.
fn name(section: &str, key: &str) -> Option<String> {
    Some(match (section, key) {
        ("avg-cpu", _) | (_, "rrqm" | "wrqm" | "drqm" | "util") => format!("%{key}"),
        _ => key.to_owned(),
    })
}

fn recognises(head: &str) -> bool {
    let mut lines = head.lines().skip_while(|line| !is_banner(line)).skip(1);
    lines.find_map(|line| Kind::of(line).filter(|kind| *kind != Kind::Time)).is_some()
        || json::is_of(head, &SHAPE)
}

fn decode(text: &str) -> Decoded {
    if json::is_in(text) {
        return json::decode(text, &SHAPE);
    }
    let mut reader = Reader::default();
    let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", text));
    for (at, line) in whole.split('\n').enumerate() {
        reader.line(at + 1, line);
    }
    if !rest.trim_ascii().is_empty() {
        reader.fail("the text ends in the middle of a line");
    }
    reader.close();
    settled(Decoded { version: None, runs: reader.runs, warnings: reader.warnings })
}

/// The kind of a line, if its beginning shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Time,
    Processors,
    Devices,
}

impl Kind {
    fn of(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        match words.next()? {
            "avg-cpu:" => Some(Self::Processors),
            "Device" | "Device:" => words.next().map(|_| Self::Devices),
            first if words.clone().next_back() == Some("Device") && first.ends_with("/s") => {
                Some(Self::Devices)
            }
            "tps" if words.next_back() == Some("Device") => Some(Self::Devices),
            // `01/02/2024 10:00:01 AM`, `2024-01-02T10:00:01+0000`
            first => {
                let is_date = |word: &str| word.starts_with(|letter: char| letter.is_ascii_digit());
                let is_time = is_date(first) && words.all(|word| is_date(word) || half(word).is_some());
                (is_time && !line.starts_with(' ') && line.matches(':').count() >= 2).then_some(Self::Time)
            }
        }
    }
}

#[derive(Default)]
struct Reader<'t> {
    runs: Vec<Run>,
    warnings: Vec<String>,
    book: Option<Book<'t>>,
    layouts: Vec<Layout<'t>>,
    /// The table to which the next rows belong.
    current: Option<usize>,
    /// The tables of this report that were read.
    seen: Vec<usize>,
    /// The line of the last header or time, and which of the two it is.
    mark: (usize, Option<Kind>),
    /// The line of the banner, and whether the first report covers an interval and not the time since boot.
    banner: usize,
    is_interval: bool,
    /// The place of the runs of the invocation before this one, if that one had only one report.
    lone: Option<usize>,
    /// A device whose numbers are on the next line.
    name: Option<&'t str>,
    values: Vec<f64>,
}

impl<'t> Reader<'t> {
    fn line(&mut self, at: usize, line: &'t str) {
        if is_banner(line) {
            return self.open(at);
        }
        let kind = Kind::of(line);
        if kind.is_some() && self.mark.1.is_none() {
            self.is_interval = self.banner > 0 && at == self.banner + 3;
        }
        if kind.is_some() && self.mark == (at - 1, kind) {
            self.fail(format!(
                "line {at}: there are two headers without a row between them: two invocations are mixed"
            ));
        }
        match kind {
            Some(Kind::Time) => self.time(line),
            Some(kind) => self.header(at, kind, line.trim_ascii()),
            None if line.trim_ascii().is_empty() => self.current = None,
            None => self.row(at, line),
        }
        if kind.is_some() {
            self.mark = (at, kind);
        }
    }

    fn time(&mut self, line: &'t str) {
        // The date comes before the time.
        let clock = line.split(['T', ' ']).find(|word| word.matches(':').count() >= 2).unwrap_or("");
        let later = line.split_ascii_whitespace().find(|word| half(word).is_some()).unwrap_or("");
        let digits = clock.split(['+', '-', 'Z']).next().unwrap_or("");
        self.report(moment(&format!("{digits} {later}")));
    }

    fn report(&mut self, to: Option<Moment>) {
        let Some(book) = &mut self.book else { return };
        if book.is_lone() && !self.is_interval {
            book.forget_first(SINCE_BOOT);
            if let Some(runs) = self.lone.and_then(|lone| self.runs.get_mut(lone..)) {
                let why = "a recording with one report is followed by one with several: two invocations may \
                           be mixed";
                spoil(runs, why);
                book.fail(why);
            }
        }
        book.report(None, to);
        self.seen.clear();
    }

    fn header(&mut self, at: usize, kind: Kind, names: &'t str) {
        self.book.get_or_insert_with(|| Book::new(at));
        let layout = self.layout(kind, names);
        let first = self.book.as_ref().is_some_and(|book| book.reports == 0);
        if first || self.seen.contains(&layout) {
            self.report(None);
        }
        self.seen.push(layout);
        (self.current, self.name) = (Some(layout), None);
    }

    fn layout(&mut self, kind: Kind, names: &'t str) -> usize {
        if let Some(known) = self.layouts.iter().position(|layout| layout.names == names) {
            return known;
        }
        if self.layouts.len() >= 64 {
            self.fail("it has too many different headers for one recording");
            return 0;
        }
        let part = match kind {
            Kind::Processors => {
                |_: &str, at: usize, _: usize| if at == 0 { Part::Id("cpu") } else { Part::Value }
            }
            _ => |name: &str, _: usize, _: usize| match name {
                "Device" | "Device:" => Part::Id("device"),
                _ => Part::Value,
            },
        };
        let (mut layout, columns) = Layout::new(names, part);
        layout.table = self.book.as_mut().map_or(0, |book| book.table(columns));
        self.layouts.push(layout);
        self.layouts.len() - 1
    }

    fn row(&mut self, at: usize, line: &'t str) {
        let Some(current) = self.current else { return };
        let Some(layout) = self.layouts.get_mut(current) else { return };
        let is_cpu = layout.names.starts_with("avg-cpu:");
        let who = match (is_cpu, self.name.take()) {
            (true, _) => layout.numbers(line, &mut self.values).then_some(Who {
                kind: "cpu",
                id: "all",
                ..Who::default()
            }),
            (false, Some(id)) => {
                layout.numbers(line, &mut self.values).then_some(Who { kind: "device", id, ..Who::default() })
            }
            (false, None) if line.split_ascii_whitespace().nth(1).is_none() => {
                self.name = Some(line.trim_ascii());
                return;
            }
            (false, None) => layout.row(line, true, &mut self.values),
        };
        let table = layout.table;
        match (who, &mut self.book) {
            (Some(who), Some(book)) => book.row(at, table, who, &self.values),
            _ => self.fail(format!(
                "line {at} does not fit the table in which it is: it was cut, or mixed with another line"
            )),
        }
    }

    fn fail(&mut self, why: impl Into<String>) {
        if let Some(book) = &mut self.book {
            book.fail(why);
        }
    }

    fn open(&mut self, at: usize) {
        let nothing = self.book.as_ref().is_some_and(Book::is_empty);
        let lone = self.book.as_ref().is_some_and(Book::is_lone).then_some(self.runs.len());
        self.close();
        (self.banner, self.lone) = (at, lone);
        let mut book = Book::new(at);
        if nothing {
            // Each invocation prints its first report at once. So the first report of this one may be mixed
            // with that of the other one.
            book.fail(format!(
                "line {at}: a new recording begins before the one above has printed a report: two \
                 invocations are mixed"
            ));
        }
        self.book = Some(book);
    }

    fn close(&mut self) {
        if let Some(mut book) = self.book.take() {
            if !self.is_interval {
                book.warn_of_one(SINCE_BOOT);
            }
            self.runs.append(&mut book.close(&mut self.warnings));
        }
        self.layouts.clear();
        self.seen.clear();
        (self.current, self.mark, self.name) = (None, (0, None), None);
        (self.banner, self.is_interval, self.lone) = (0, false, None);
    }
}
