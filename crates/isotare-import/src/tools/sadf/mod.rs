//! `sadf` of sysstat prints a file of `sadc` like `sar`, but as lists and JSON.
//!
//! Formats:
//! - `-d`: `# hostname;interval;timestamp;CPU;%user;…` and a row for each thing that was measured, with one
//!   table after the other. With `-h`, all groups of a report are in one row.
//! - `-p`: a line for each number, with host, interval, time, device (`all`, `-`), column and value,
//!   separated by tabs.
//! - `-j`: JSON. Its keys become the names of sar's columns, where these can be derived.
//!
//! Runs are the same as those of `sar`. Every row contains the length of its interval. If lengths differ,
//! they are the weights of means. After a restart of the machine (interval -1), new runs begin.

mod names;

use crate::tools::Tool;
use crate::tools::series::book::Book;
use crate::tools::series::columns::Column;
use crate::tools::series::json::{self, Shape};
use crate::tools::series::number::number;
use crate::tools::series::subject::Who;
use crate::tools::series::{restarted, settled};
use crate::{Decoded, Run};
use names::{IDS, OF_FILESYSTEM, OF_IFACE, name};
use std::collections::HashMap;

/// sadf.
pub static SADF: Tool =
    Tool { name: "sadf", summary: "the same means as for sar, from -d, -p and -j", recognises, decode };

static SHAPE: Shape = Shape {
    sections: &["sysdata-version", "file-date", "file-utc-time"],
    name,
    ids: &[
        ("cpu", "cpu"),
        ("iface", "iface"),
        ("disk-device", "device"),
        ("filesystem", "filesystem"),
        ("mountpoint", "filesystem"),
        ("intr", "interrupt"),
        ("line", "tty"),
        ("fchost", "device"),
        ("number", "cpu"),
        ("device", "sensor"),
        ("bus_number", "bus"),
    ],
    also: None,
    of: None,
    whole: None,
    first_is_since_boot: false,
    signed: true,
};

const HEADER: &str = "# hostname;interval;timestamp;";

fn recognises(head: &str) -> bool {
    head.lines().any(|line| line.starts_with(HEADER) || Point::read(line).is_some())
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
        reader.fail(1, "the text ends in the middle of a line");
    }
    reader.close();
    settled(Decoded { version: None, runs: reader.runs, warnings: reader.warnings })
}

/// A line of `-p`, which has one number.
struct Point<'t> {
    gone: u64,
    stamp: &'t str,
    device: &'t str,
    name: &'t str,
    value: f64,
}

impl<'t> Point<'t> {
    fn read(line: &'t str) -> Option<Self> {
        let mut fields = line.split('\t');
        let (_host, gone, stamp) = (fields.next()?, fields.next()?, fields.next()?);
        let (device, name, value) = (fields.next()?, fields.next()?, fields.next()?);
        let gone = gone.parse().ok()?;
        let value = number(value.trim_ascii().as_bytes())?;
        let is_time = stamp.starts_with(|letter: char| letter.is_ascii_digit());
        (is_time && fields.next().is_none()).then_some(Self { gone, stamp, device, name, value })
    }

    /// What the line describes. `-` is the machine. The kind of any other device follows from its name and
    /// that of its metric.
    fn who(&self) -> Who<'t> {
        let (kind, id) = match self.device {
            "-" => ("", ""),
            "all" => ("cpu", "all"),
            device => match device.strip_prefix("cpu") {
                Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => ("cpu", number),
                _ if OF_IFACE.contains(&self.name) => ("iface", device),
                _ if OF_FILESYSTEM.contains(&self.name) => ("filesystem", device),
                _ => ("device", device),
            },
        };
        Who { kind, id, ..Who::default() }
    }
}

#[derive(Default)]
struct Reader<'t> {
    runs: Vec<Run>,
    warnings: Vec<String>,
    book: Option<Book<'t>>,
    /// The names and the line of the current header of `-d`, and all headers of this invocation.
    names: Vec<&'t str>,
    header: usize,
    headers: Vec<&'t str>,
    stamp: &'t str,
    /// For each number of `-p`: its last time, and the line.
    last: HashMap<(&'t str, &'t str), (&'t str, usize)>,
}

impl<'t> Reader<'t> {
    fn line(&mut self, at: usize, line: &'t str) {
        if let Some(names) = line.strip_prefix(HEADER) {
            self.begin(at, names);
        } else if let Some(point) = Point::read(line) {
            self.point(at, &point);
        } else if !self.names.is_empty() && line.contains(';') {
            self.row(at, line);
        } else if line.contains("\t-1\t") {
            self.remark(at, line);
        } else if self.book.is_some() && line.contains('\t') {
            self.fail(at, format!("line {at} is not a row: it was cut, or mixed with another line"));
        }
    }

    fn begin(&mut self, at: usize, names: &'t str) {
        if names.contains("[...]") {
            // The text does not show how often the group before it is repeated.
            self.close();
            let text = "'sadf -d -h' with several devices in a row is not supported: use -d without -h";
            return self.runs.push(Run::unreadable(at, text));
        }
        if self.header + 1 == at && self.header > 0 {
            self.fail(
                at,
                format!(
                    "line {at}: there are two headers without a row between them: two invocations are mixed"
                ),
            );
        } else if self.headers.contains(&names) {
            self.close();
        }
        self.book.get_or_insert_with(|| Book::new(at));
        if self.headers.len() >= 128 {
            self.fail(at, "it has too many different headers for one invocation");
        } else {
            self.headers.push(names);
        }
        self.names = names.split(';').collect();
        (self.header, self.stamp) = (at, "");
    }

    fn row(&mut self, at: usize, line: &'t str) {
        let mut fields = line.split(';');
        let (_host, gone, stamp) = (fields.next(), fields.next(), fields.next());
        let (Some(gone), Some(stamp)) = (gone, stamp) else { return };
        if gone == "-1" {
            return self.remark(at, line);
        }
        let Ok(gone) = gone.parse::<u64>() else { return };
        if self.stamp != stamp {
            self.stamp = stamp;
            if let Some(book) = &mut self.book {
                book.report_of(Some(gone));
            }
        }
        let fields: Vec<&str> = fields.collect();
        if !self.groups(at, &fields) {
            self.fail(
                at,
                format!(
                    "line {at} does not fit the table in which it is: it was cut, or mixed with another line"
                ),
            );
        }
    }

    /// Reads the groups of a row. A group begins with a column that identifies what it describes. Without
    /// such a column, it describes the machine.
    fn groups(&mut self, at: usize, fields: &[&'t str]) -> bool {
        let mut rest = fields;
        let Some(book) = &mut self.book else { return true };
        let mut who = Who::default();
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for name in &self.names {
            if name.ends_with('*') {
                // There are as many columns as processors, but the text does not say to which processor each
                // belongs.
                rest = &[];
                break;
            }
            let Some((field, more)) = rest.split_first() else { return false };
            rest = more;
            match IDS.iter().find(|(column, _)| column == name) {
                Some((_, kind)) => {
                    flush(book, at, who, &mut columns, &mut values);
                    let id = if *kind == "cpu" && *field == "-1" { "all" } else { field };
                    who = Who { kind, id, ..Who::default() };
                }
                None => match number(field.as_bytes()) {
                    Some(value) => {
                        columns.push(Column::named(name));
                        values.push(value);
                    }
                    None if field.bytes().any(|byte| byte.is_ascii_alphabetic()) || field.is_empty() => {}
                    None => return false,
                },
            }
        }
        flush(book, at, who, &mut columns, &mut values);
        rest.is_empty()
    }

    fn point(&mut self, at: usize, point: &Point<'t>) {
        let key = (point.device, point.name);
        match self.last.get(&key) {
            Some((stamp, line)) if *stamp == point.stamp && *line + 1 == at => {
                self.fail(at, format!("line {at} repeats the one before it: two invocations are mixed"));
            }
            // Times must increase. The same or an earlier time belongs to another invocation.
            Some((stamp, _)) if *stamp >= point.stamp => self.close(),
            _ => {}
        }
        self.last.insert(key, (point.stamp, at));
        let book = self.book.get_or_insert_with(|| Book::new(at));
        if self.stamp != point.stamp {
            self.stamp = point.stamp;
            book.report_of(Some(point.gone));
        }
        let table = book.table(vec![Column::named(point.name)]);
        book.row(at, table, point.who(), &[point.value]);
    }

    /// Handles a comment, or a restart, after which new runs begin.
    fn remark(&mut self, at: usize, line: &str) {
        if line.contains("LINUX-RESTART") {
            self.close();
            self.warnings.push(restarted(at));
        }
    }

    fn fail(&mut self, at: usize, why: impl Into<String>) {
        self.book.get_or_insert_with(|| Book::new(at)).fail(why);
    }

    fn close(&mut self) {
        if let Some(book) = self.book.take() {
            self.runs.append(&mut book.close(&mut self.warnings));
        }
        self.names.clear();
        self.headers.clear();
        self.last.clear();
        self.stamp = "";
    }
}

fn flush<'t>(book: &mut Book<'t>, at: usize, who: Who<'t>, columns: &mut Vec<Column>, values: &mut Vec<f64>) {
    if !values.is_empty() {
        let table = book.table(std::mem::take(columns));
        book.row(at, table, who, &std::mem::take(values));
    }
}
