//! `sar` of sysstat: counters of the machine. There is a table for each group of counters, for the machine or
//! for each of its processors, interfaces, devices or file systems.
//!
//! A run is one of these (`cpu`, `iface`, `device`, …) in one invocation. The columns of the machine as a
//! whole are one run. If sar reads a file of `sadc`, each table has all records, and the tables follow each
//! other. If it measures with an interval, each report has all tables. After a restart of the machine, new
//! runs begin. `Average:` lines are only compared with the rows. With `sar -p` the device is the last column.

use super::series::is_banner;
use super::series::layout::Part;
use super::series::number::number;
use super::series::timed::{self, Remark, Style};
use crate::Decoded;
use crate::tools::Tool;

/// sar.
pub static SAR: Tool = Tool {
    name: "sar",
    summary: "means of the machine, and of each processor, interface, device, over the reports",
    recognises,
    decode,
};

static STYLE: Style = Style { header: is_header, part, remark, signed: true };

/// Columns that identify what a row describes (pr_stats.c), and their labels.
const IDS: &[(&str, &str)] = &[
    ("CPU", "cpu"),
    ("IFACE", "iface"),
    ("DEV", "device"),
    ("TTY", "tty"),
    ("INTR", "interrupt"),
    ("BUS", "bus"),
    ("FAN", "fan"),
    ("TEMP", "sensor"),
    ("IN", "sensor"),
    ("BAT", "battery"),
    ("FCHOST", "device"),
    ("FILESYSTEM", "filesystem"),
    ("MOUNTPOINT", "filesystem"),
];

/// Columns that contain words.
const WORDS: &[&str] = &["DEVICE", "idvend", "idprod", "manufact", "product", "status"];

fn recognises(head: &str) -> bool {
    let mut lines = head.lines().skip_while(|line| !is_banner(line)).skip(1);
    let next = lines.find(|line| timed::has_header(line, |_| true));
    next.is_some_and(|line| timed::has_header(line, |names| is_header(names) || remark(names).is_some()))
}

fn decode(text: &str) -> Decoded {
    timed::decode(text, &STYLE)
}

/// Whether these are only names. A row has at least one number.
fn is_header(names: &str) -> bool {
    let mut words = names.split_ascii_whitespace().peekable();
    let first = words.peek().copied();
    first.is_some_and(|word| !matches!(word, "COM" | "LINUX"))
        && words.all(|word| {
            number(word.as_bytes()).is_none() && word.starts_with(|letter: char| !letter.is_ascii_digit())
        })
}

fn part(name: &str, at: usize, columns: usize) -> Part {
    let id = IDS.iter().find(|(column, _)| *column == name && (at == 0 || at + 1 == columns));
    match id {
        Some(("FILESYSTEM" | "MOUNTPOINT", label)) if at > 0 => Part::Rest(label),
        Some((_, label)) => Part::Id(label),
        None if WORDS.contains(&name) => Part::Drop,
        None => Part::Value,
    }
}

fn remark(text: &str) -> Option<Remark> {
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some("COM"), _) => Some(Remark::Comment),
        (Some("LINUX"), Some("RESTART")) => Some(Remark::Restart),
        _ => None,
    }
}
