//! `top -b` of procps, and of busybox: frames of a summary and one row for each process.
//!
//! ```text
//! top - 10:00:01 up 1 day,  2:03,  1 user,  load average: 0.00, 0.01, 0.05
//! Tasks: 100 total,   1 running,  99 sleeping,   0 stopped,   0 zombie
//! %Cpu(s):  0.3 us,  0.3 sy,  0.0 ni, 99.3 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st
//! MiB Mem :   7953.2 total,    123.4 free,   1234.5 used,   6595.3 buff/cache
//!
//!     PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND
//!       1 root      20   0  166552  11780   8720 S   0.0   0.1   0:01.23 systemd
//! ```
//!
//! A run is one process (`pid`, `command`), one processor (`cpu`) or the machine's memory. Depending on the
//! version, the first frame covers only a moment or the time since boot. It is left out if other frames
//! follow. procps 3.2 has `Cpu(s): 0.3%us`, busybox `CPU: 0% usr`; busybox prints no times.
//!
//! The text has no mark where an invocation begins. A frame begins a new invocation if its time is earlier
//! than that of the frame before. If times do not show it, a frame whose summary equals that of the first
//! frame begins a new one. Two frames within one second are from two invocations, which are mixed. A single
//! invocation with a delay below one second looks the same and is refused, too.

use super::series::book::Book;
use super::series::columns::Column;
use super::series::layout::{Layout, Part};
use super::series::number::{Moment, moment, number, scaled, seconds};
use super::series::settled;
use super::series::subject::Who;
use crate::tools::Tool;
use crate::{Decoded, Run};

/// top.
pub static TOP: Tool = Tool {
    name: "top",
    summary: "means of each process and processor over the frames of -b, without the first, of procps and busybox",
    recognises,
    decode,
};

/// What the first frame covers.
const FIRST: &str = "a moment, or the time since boot";

/// More lines than the summary has on the largest machine.
const SUMMARY: usize = 8192;

fn recognises(head: &str) -> bool {
    let mut lines = head.lines();
    lines.any(is_frame) && lines.any(is_names)
}

/// Whether a line begins a frame: `top - 10:00:01 up …`, or busybox's `Mem: 1234K used, …`
fn is_frame(line: &str) -> bool {
    (line.starts_with("top - ") && line.contains(" up ")) || is_busybox(line)
}

fn is_busybox(line: &str) -> bool {
    line.starts_with("Mem: ") && line.contains("K used, ") && line.contains("K shrd, ")
}

fn is_names(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    line.contains("%CPU") && line.contains("PID") && words.all(|word| number(word.as_bytes()).is_none())
}

fn decode(text: &str) -> Decoded {
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

/// The use of a column. Numbers that identify something and words are not measurements.
fn part(name: &str, at: usize, columns: usize) -> Part {
    match name {
        "PID" => Part::Id("pid"),
        "%CPU" | "%MEM" | "%VSZ" | "VIRT" | "RES" | "SHR" | "SWAP" | "CODE" | "DATA" | "USED" | "VSZ"
        | "nTH" | "nMaj" | "nMin" | "vMj" | "vMn" | "nDRT" | "RSan" | "RSfd" | "RSlk" | "RSsh" | "PSS"
        | "PSan" | "PSfd" | "PSsh" | "USS" | "%CUC" | "%CUU" | "nFD" => Part::Value,
        "COMMAND" | "Command" => Part::Also("command"),
        // The name of this column is translated.
        _ if at + 1 == columns => Part::Also("command"),
        _ => Part::Drop,
    }
}

/// A field that may contain blanks and is not the last one.
fn misplaced(names: &str) -> Option<&str> {
    let words = ["COMMAND", "CGROUPS", "CGNAME", "ENVIRON", "EXE", "SUPGIDS", "SUPGRPS"];
    names.split_ascii_whitespace().rev().skip(1).find(|name| words.contains(name))
}

/// Pairs of a number and the word after it: `0.3 us, 0.3%sy,100.0 id`, `7953.2 total`, `12K used`. Words
/// before the first number are skipped. For a number with a blank in it, the text is empty.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut is_open = false;
    while let Some(begin) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let from = rest.get(begin..).unwrap_or("");
        let is_number = |(at, letter): (usize, char)| {
            // A point or a comma belongs to a number only if a digit follows.
            let next = from.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
            !(letter.is_ascii_digit() || (matches!(letter, '.' | ',') && next))
        };
        let end = from.char_indices().find(|&found| is_number(found)).map_or(from.len(), |(at, _)| at);
        let (mut value, after) = from.split_at_checked(end).unwrap_or((from, ""));
        // There was no word after the number before, so this is the rest of the same number.
        if is_open {
            value = "";
        }
        let word = after.trim_start_matches(['%', 'K', 'k', '+', ' ']);
        is_open = word.starts_with(|letter: char| letter.is_ascii_digit());
        rest = word;
        if word.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            let length = word.find([',', ' ', '.']).unwrap_or(word.len());
            let (name, after) = word.split_at_checked(length).unwrap_or((word, ""));
            found.push((value, name));
            rest = after;
        }
    }
    found
}

#[derive(Default)]
struct Reader<'t> {
    runs: Vec<Run>,
    warnings: Vec<String>,
    book: Option<Book<'t>>,
    layout: Option<Layout<'t>>,
    /// The summary of this frame, and the line on which it begins.
    summary: Vec<&'t str>,
    begin: usize,
    now: Option<Moment>,
    /// The summary of the invocation's first frame.
    first: Vec<&'t str>,
    /// Whether it was already reported that these fields are not supported.
    refused: bool,
    /// Whether the last line was part of a summary, or of the rows.
    in_summary: bool,
    in_rows: bool,
    values: Vec<f64>,
}

impl<'t> Reader<'t> {
    fn line(&mut self, at: usize, line: &'t str) {
        if is_frame(line) {
            if self.in_summary {
                self.fail(format!(
                    "line {at}: a frame begins inside the summary of another one: two invocations are mixed"
                ));
            }
            self.summary.clear();
            self.summary.push(line);
            (self.begin, self.in_summary, self.in_rows) = (at, true, false);
        } else if self.in_summary && is_names(line) {
            self.frame(at, line.trim_ascii());
        } else if self.in_summary && self.summary.len() < SUMMARY {
            self.summary.push(line);
        } else if line.trim_ascii().is_empty() {
            self.in_rows = false;
        } else if self.in_rows {
            self.row(at, line);
        }
    }

    /// Called at the names of the columns, which end the summary of a frame.
    fn frame(&mut self, at: usize, names: &'t str) {
        if let Some(field) = misplaced(names) {
            self.close();
            if !std::mem::replace(&mut self.refused, true) {
                let why = format!(
                    "this layout is not supported: {field} is not the last field, so spaces in it would \
                     shift the fields after it; record with top's default fields"
                );
                self.runs.push(Run::unreadable(self.begin, why));
            }
            (self.in_summary, self.in_rows) = (false, false);
            return;
        }
        let head = self.summary.first().copied().unwrap_or("");
        let to = head.strip_prefix("top - ").and_then(|rest| moment(rest.split(" up ").next()?));
        let gone = self.now.zip(to).map(|(from, to)| seconds(from, to));
        match gone {
            Some(Some(1..)) => {}
            Some(None) => self.close(),
            _ if self.first == self.summary => self.close(),
            Some(Some(0)) => {
                self.fail(format!("line {at}: two frames are within one second: two invocations are mixed"))
            }
            None => {}
        }
        if self.book.is_none() {
            self.first.clone_from(&self.summary);
        }
        let begin = self.begin;
        let book = self.book.get_or_insert_with(|| Book::new(begin));
        if book.is_lone() {
            book.forget_first(FIRST);
        }
        book.report(None, to);
        if self.layout.as_ref().is_none_or(|layout| layout.names != names) {
            let (mut layout, columns) = Layout::new(names, part);
            layout.table = book.table(columns);
            self.layout = Some(layout);
        }
        for (ahead, line) in self.summary.iter().enumerate() {
            if let Some((unit, of, rest)) = memory(line) {
                let pairs = pairs(rest);
                // The available memory is on the line of the swap.
                let of = |name: &str| if name == "avail" { "Mem" } else { of };
                let column = |(_, name): &(&str, &str)| Column { name: format!("{} {name}", of(name)), unit };
                add(book, begin + ahead, pairs.iter().map(column).collect(), Who::default(), &pairs);
            } else if let Some((who, rest)) = processor(line) {
                let pairs = pairs(rest);
                let columns =
                    pairs.iter().map(|(_, name)| Column { name: (*name).to_owned(), unit: "%" }).collect();
                add(book, begin + ahead, columns, who, &pairs);
            }
        }
        if at > begin + self.summary.len() {
            book.fail(format!("line {begin}: its summary is too long for top"));
        }
        (self.now, self.in_summary, self.in_rows) = (to, false, true);
    }

    fn row(&mut self, at: usize, line: &'t str) {
        let (Some(layout), Some(book)) = (&mut self.layout, &mut self.book) else { return };
        match layout.row(line, true, &mut self.values) {
            Some(who) => book.row(at, layout.table, who, &self.values),
            None => {
                book.fail(format!("line {at} does not fit its table: it was cut, or mixed with another line"))
            }
        }
    }

    fn fail(&mut self, why: impl Into<String>) {
        if let Some(book) = &mut self.book {
            book.fail(why);
        }
    }

    fn close(&mut self) {
        if let Some(mut book) = self.book.take() {
            book.warn_of_one(FIRST);
            self.runs.append(&mut book.close(&mut self.warnings));
        }
        (self.layout, self.now) = (None, None);
    }
}

/// Reads `%Cpu(s):`, `%Cpu0  :`, `Cpu(s):`, busybox's `CPU:` and `CPU0:`.
fn processor(line: &str) -> Option<(Who<'_>, &str)> {
    let (name, rest) = line.split_once(':')?;
    // It is `%CPU(s)` in translated texts.
    let name = name.trim_ascii().trim_start_matches('%');
    let id = name.strip_prefix("Cpu").or_else(|| name.strip_prefix("CPU"))?;
    let id = match id {
        "" | "(s)" => "all",
        number => {
            Some(number.trim_ascii()).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?
        }
    };
    Some((Who { kind: "cpu", id, ..Who::default() }, rest))
}

/// Reads `MiB Mem : 7953.2 total, 123.4 free, …`, `KiB Swap: …` and `Mem: 8167848k total, …`. `Mem` may be
/// translated.
fn memory(line: &str) -> Option<(&'static str, &'static str, &str)> {
    let (name, rest) = line.split_once(':')?;
    let (unit, of) = name.trim_ascii().split_once(' ').unwrap_or(("", name.trim_ascii()));
    let unit = match (unit, of) {
        ("", "Mem" | "Swap") | ("KiB", _) => "KiB",
        ("MiB", _) => "MiB",
        ("GiB", _) => "GiB",
        ("TiB", _) => "TiB",
        _ => return None,
    };
    Some((unit, if of == "Swap" { "Swap" } else { "Mem" }, rest))
}

fn add<'t>(book: &mut Book<'t>, at: usize, columns: Vec<Column>, who: Who<'t>, pairs: &[(&str, &str)]) {
    let values = pairs.iter().map(|(value, _)| scaled(value.as_bytes(), None).unwrap_or(f64::NAN));
    let table = book.table(columns);
    book.row(at, table, who, &values.collect::<Vec<f64>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a bug report: such a file was reported as mixed.
    #[test]
    fn a_layout_with_all_fields_is_not_supported() {
        let text = "top - 10:00:01 up 1 day,  2:03,  1 user,  load average: 0.00, 0.01, 0.05\n\
            Tasks:   2 total,   1 running,   1 sleeping,   0 stopped,   0 zombie\n\
            %Cpu(s):  0.3 us,  0.3 sy,  0.0 ni, 99.3 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st\n\n\
            \x20   PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND   PPID   UID CGROUPS  ENVIRON\n\
            \x20     1 root      20   0  166552  11780   8720 S   0.0   0.1   0:01.23 init one      0     0 0::/     A=b c=d\n\
            \x20     2 root      20   0       0      0      0 S   0.0   0.0   0:00.00 [k]           0     0 0::/     -\n";
        let found = decode(&text.repeat(2));
        let runs: Vec<_> =
            found.runs.iter().map(|run| (run.status, run.reason.as_deref().unwrap_or(""))).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert!(runs[0].0 == crate::Status::Unreadable && runs[0].1.contains("not supported"), "{runs:?}");
    }

    #[test]
    fn each_number_has_the_word_after_it() {
        let expect = [("0.3", "us"), ("0.3", "sy"), ("100.0", "id")];
        for text in ["  0.3 us,  0.3 sy,100.0 id", "  0.3%us,  0.3%sy,100.0%id"] {
            assert_eq!(pairs(text), expect, "{text}");
        }
        assert_eq!(pairs("0,3 us,  0,3 sy,100,0 id"), [("0,3", "us"), ("0,3", "sy"), ("100,0", "id")]);
        assert_eq!(pairs("  0% usr 12% sys"), [("0", "usr"), ("12", "sys")]);
        assert_eq!(
            pairs(" 7953.2 total, 12 buff/cache. 6421.2 avail Mem"),
            [("7953.2", "total"), ("12", "buff/cache"), ("6421.2", "avail")]
        );
        assert_eq!(pairs(" 12K used, 13k free"), [("12", "used"), ("13", "free")]);
        assert_eq!(pairs(" 7 953.2 total, 12 free"), [("", "total"), ("12", "free")]);
        assert!(pairs("nothing").is_empty() && pairs("1 2 3").is_empty());
    }
}
