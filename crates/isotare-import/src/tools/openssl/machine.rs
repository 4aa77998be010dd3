//! The lines that `-mr` prints, for programs.
//!
//! `+H:16:64:…` contains block sizes, and `+F:INDEX:NAME:RATE:…` bytes in a second for each of them. The
//! other lines contain an index, the number of bits, for some kinds of keys a name, and numbers. The numbers
//! are operations in a second, or up to OpenSSL 1.0 seconds for one operation. The line does not say which of
//! the two it is. None of these operations takes a second, so numbers of 1 and more are rates.

use super::table::{rates, throughput};
use super::{MIXED, got_sizes, rate_of, with_processes};
use crate::{Metric, Run};
use std::collections::HashMap;

/// For each kind of line: what it counts, and the names of its columns.
const KINDS: &[(&str, &str, &[&str])] = &[
    ("+F2", "rsa", &["sign", "verify", "encrypt", "decrypt"]),
    ("+F3", "dsa", &["sign", "verify"]),
    ("+F4", "ecdsa", &["sign", "verify"]),
    ("+F5", "ecdh", &["op"]),
    ("+F6", "EdDSA", &["sign", "verify"]),
    ("+F7", "SM2", &["sign", "verify"]),
    ("+F8", "ffdh", &["op"]),
    ("+F9", "kem", &["keygen", "encaps", "decaps"]),
    ("+F10", "signature", &["keygen", "sign", "verify"]),
];

/// Whether this is a line with results.
pub fn is_line(line: &str) -> bool {
    let mut fields = line.trim_end().split(':');
    match (fields.next(), fields.next()) {
        (Some("+H"), Some(size)) => is_digits(size) && fields.all(is_digits),
        (Some("+F"), Some(index)) => is_digits(index) && fields.count() > 1,
        (Some(kind), Some(index)) => kind_of(kind).is_some() && is_digits(index) && fields.count() > 1,
        _ => false,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn kind_of(word: &str) -> Option<(&'static str, &'static [&'static str])> {
    KINDS.iter().find_map(|(mark, name, columns)| (*mark == word).then_some((*name, *columns)))
}

struct Line<'a> {
    at: usize,
    text: &'a str,
    is_whole: bool,
    processes: Option<u32>,
}

/// The lines with results, in their order.
#[derive(Default)]
pub struct Machine<'a> {
    lines: Vec<Line<'a>>,
}

impl<'a> Machine<'a> {
    pub fn take(&mut self, at: usize, text: &'a str, is_whole: bool, processes: Option<u32>) {
        self.lines.push(Line { at, text: text.trim_end(), is_whole, processes });
    }

    pub fn runs(&self) -> Vec<Run> {
        let (pairs, rest) = self.lines.as_chunks::<2>();
        let is_twice =
            rest.is_empty() && self.lines.len() > 2 && pairs.iter().all(|[one, two]| one.text == two.text);
        let mut reader = Reader::default();
        for line in &self.lines {
            match line.is_whole && !is_twice {
                true => reader.take(line),
                false => {
                    let why = if is_twice { MIXED } else { "the last line is incomplete" };
                    reader.runs.push(Run::incomplete(line.at, why));
                }
            }
        }
        reader.end_sizes();
        reader.runs
    }
}

#[derive(Default)]
struct Reader<'a> {
    runs: Vec<Run>,
    /// Block sizes, with their line. They have no line if they are from what a process of `-multi` printed.
    sizes: Option<(Option<usize>, Vec<&'a str>)>,
    /// The names after the last block sizes, each with the number of its first run.
    seen: HashMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, line: &Line<'a>) {
        if let Some(sizes) = got_sizes(line.text) {
            self.end_sizes();
            self.sizes = Some((None, sizes));
            return;
        }
        let mut fields = line.text.split(':');
        match fields.next() {
            Some("+H") => {
                self.end_sizes();
                self.sizes = Some((Some(line.at), fields.collect()));
            }
            Some("+F") => self.blocks(line, fields.skip(1).collect()),
            Some(mark) => {
                if let Some((name, columns)) = kind_of(mark) {
                    let run = operations(line.at, name, columns, &fields.collect::<Vec<_>>());
                    self.runs.push(with_processes(run, line.processes));
                }
            }
            None => {}
        }
    }

    /// Ends the part that belongs to the current block sizes. If no line of results follows them, this is an
    /// incomplete run.
    fn end_sizes(&mut self) {
        if let Some((Some(at), _)) = self.sizes.take()
            && self.seen.is_empty()
        {
            self.runs.push(Run::incomplete(at, "the line of results after it is missing"));
        }
        self.seen.clear();
    }

    fn blocks(&mut self, line: &Line<'a>, fields: Vec<&'a str>) {
        let Some((name, values)) = fields.split_first() else { return };
        let at = line.at;
        let run = match &self.sizes {
            None => Err(Run::incomplete(at, "the line with the block sizes is missing")),
            Some((_, sizes)) if sizes.len() != values.len() => Err(Run::incomplete(
                at,
                format!("there are {} numbers for {} block sizes", values.len(), sizes.len()),
            )),
            Some((_, sizes)) => Ok(sizes),
        };
        let first = self.runs.len();
        match run {
            Err(run) => self.runs.push(with_processes(run.with("test", *name), line.processes)),
            Ok(sizes) => self.runs.extend(sizes.iter().zip(values).map(|(size, value)| {
                let run = throughput(at, value.parse().unwrap_or(f64::NAN));
                with_processes(run.with("test", *name).with("block_size", *size), line.processes)
            })),
        }
        // An invocation prints each name only once.
        if let Some(before) = self.seen.insert(*name, first) {
            let count = self.runs.len() - first;
            for at in (before..before + count).chain(first..first + count) {
                if let Some(run) = self.runs.get_mut(at) {
                    *run = Run { labels: run.labels.clone(), ..Run::incomplete(run.line, MIXED) };
                }
            }
        }
    }
}

/// Reads `INDEX:BITS[:NAME]:NUMBER:…`.
fn operations(at: usize, kind: &str, columns: &[&str], fields: &[&str]) -> Run {
    let begin = fields.iter().position(|field| field.contains('.') && field.parse::<f64>().is_ok());
    let (words, numbers) = fields.split_at(begin.unwrap_or(fields.len()));
    let test = match words {
        [_, bits] if matches!(kind, "rsa" | "dsa") => format!("{kind} {bits} bits"),
        [_, bits, name] => format!("{bits} bits {kind} ({name})"),
        [_, bits] if is_digits(bits) => format!("{bits} bits {kind}"),
        _ => [&[kind], words.get(1..).unwrap_or_default()].concat().join(" "),
    };
    let index = fields.first().copied().unwrap_or("");
    let values: Vec<f64> = numbers.iter().map(|number| number.parse().unwrap_or(f64::NAN)).collect();
    let values = match (columns, values.as_slice()) {
        // One of the two is the rate, and the other one its inverse.
        (["op"], [one, two]) => vec![one.max(*two)],
        _ => values,
    };
    let run = if values.is_empty() || values.len() > columns.len() {
        Run::unreadable(at, "it does not have the right number of values")
    } else if values.iter().any(|value| *value > 0.0 && *value < 1.0) {
        Run::unreadable(at, "it does not say whether its numbers are seconds or operations per second")
    } else {
        let metric = |(column, value): (&&str, f64)| Some(Metric::higher(rate_of(column)?, "1/s", value));
        rates(at, columns.iter().zip(values).filter_map(metric).collect())
    };
    // Two curves may have the same number of bits, so the index is also a label.
    run.with("test", test).with("index", index)
}
