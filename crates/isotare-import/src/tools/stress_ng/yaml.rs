//! The file of `--yaml`.
//!
//! The file is not always valid YAML: some versions write a key twice, and 0.19 has an error in the mapping
//! before the metrics. So only the part below `metrics:` is parsed, and the events of the parser are used
//! instead of its values.

use super::{Column, MIXED, Row, own_rate};
use crate::{Decoded, Run};
use saphyr_parser::{Event, Parser, ScalarStyle};

pub fn recognises(text: &str) -> bool {
    text.contains("stress-ng-version:") || text.contains("bogo-ops-per-second-real-time:")
}

/// The text of a document, the line on which it begins, and whether the document is complete.
#[derive(Clone, Copy)]
struct Part<'a> {
    line: usize,
    text: &'a str,
    is_whole: bool,
}

/// The documents of a text. They are between `---` and `...`. Other text is ignored.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    let mut place = 0;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let begin = place;
        place += line.len();
        let ends = matches!(line.trim_end(), "---" | "...");
        if ends && let Some((line, from)) = open.take() {
            let part = text.get(from..begin).unwrap_or("");
            parts.push(Part {
                line,
                text: part,
                is_whole: text.get(begin..).is_some_and(|rest| rest.starts_with("...")),
            });
        }
        if line.trim_end() == "---" {
            open = Some((at + 2, place));
        }
    }
    if let Some((line, from)) = open {
        parts.push(Part { line, text: text.get(from..).unwrap_or(""), is_whole: false });
    }
    parts.retain(|part| !part.text.trim().is_empty());
    parts
}

impl<'a> Part<'a> {
    /// The version in `stress-ng-version: 0.15.06` or `stress-ng-version: '0.22.01'`.
    fn version(&self) -> Option<&'a str> {
        let value = self.text.lines().find_map(|line| line.trim().strip_prefix("stress-ng-version:"))?;
        Some(value.trim().trim_matches('\''))
    }

    /// The part from `metrics:` to the next key on the same level.
    fn metrics(&self) -> Self {
        let (mut begin, mut place) = (None, 0);
        for (at, line) in self.text.split_inclusive('\n').enumerate() {
            match begin {
                None if line.trim_end() == "metrics:" => begin = Some((self.line + at, place)),
                Some((line_of, from)) if line.starts_with(|first: char| first.is_ascii_alphanumeric()) => {
                    return Self { line: line_of, text: self.text.get(from..place).unwrap_or(""), ..*self };
                }
                _ => {}
            }
            place += line.len();
        }
        match begin {
            Some((line, from)) => Self { line, text: self.text.get(from..).unwrap_or(""), ..*self },
            None => Self { text: "", ..*self },
        }
    }
}

pub fn decode(text: &str) -> Decoded {
    let mut decoded = Decoded::default();
    for whole in parts(text) {
        let part = whole.metrics();
        let mut reader = Reader::default();
        let read = reader.read(&part);
        decoded.version = decoded.version.or_else(|| whole.version().map(str::to_owned));
        let count = reader.found.len();
        for (at, found) in reader.found.into_iter().enumerate() {
            let run = match &read {
                _ if found.has_twice => Run::incomplete(found.line, MIXED),
                // What was read before the error is kept.
                Err(why) if at + 1 == count => Run::unreadable(found.line, why.clone()),
                _ if !part.is_whole => Run::incomplete(found.line, "the file is incomplete"),
                _ => found.row.run(found.line, 1e-6),
            };
            decoded.runs.push(run.with("test", found.stressor));
        }
        if count == 0 {
            decoded.runs.push(match read {
                Err(why) => Run::unreadable(part.line, why),
                Ok(()) => Run::incomplete(part.line, "it contains no metrics"),
            });
        }
    }
    decoded
}

#[derive(Default)]
struct Found {
    line: usize,
    stressor: String,
    row: Row,
    has_twice: bool,
}

#[derive(Default)]
struct Reader {
    found: Vec<Found>,
    depth: usize,
}

/// A larger depth than any such file has.
const DEEPEST: usize = 16;

impl Reader {
    fn read(&mut self, part: &Part<'_>) -> Result<(), String> {
        let mut key: Option<String> = None;
        for event in Parser::new_from_str(part.text) {
            let (event, span) = event.map_err(|error| format!("after line {}: {error}", part.line))?;
            match event {
                Event::MappingStart(..) | Event::SequenceStart(..) => {
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        return Err("it is nested too deeply for such a file".to_owned());
                    }
                    key = None;
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    self.depth = self.depth.saturating_sub(1);
                    key = None;
                }
                Event::Scalar(text, style, ..) => match key.take() {
                    None => key = Some(text.into_owned()),
                    Some(key) if style == ScalarStyle::Plain => {
                        self.pair(part.line + span.start.line() - 1, &key, &text);
                    }
                    Some(_) => {}
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn pair(&mut self, line: usize, key: &str, value: &str) {
        match key {
            // Deeper levels have the values of each instance.
            _ if self.depth != 3 => {}
            "stressor" => self.found.push(Found { line, stressor: value.to_owned(), ..Found::default() }),
            _ => {
                if let (Some(found), Ok(value)) = (self.found.last_mut(), value.parse()) {
                    found.add(key, value);
                }
            }
        }
    }
}

impl Found {
    fn add(&mut self, key: &str, value: f64) {
        let column = match key {
            "bogo-ops" => Column::Events,
            "bogo-ops-per-second-usr-sys-time" => Column::CpuRate,
            "bogo-ops-per-second-real-time" => Column::RealRate,
            "wall-clock-time" => Column::RealTime,
            "user-time" => Column::UserTime,
            "system-time" => Column::SystemTime,
            "cpu-usage-per-instance" => Column::CpuUsed,
            "max-rss" => Column::Memory,
            _ => {
                // For several instances, the file contains another kind of mean than the text, so the name is
                // different.
                if let Some((name, unit)) =
                    own_rate(&key.replace('-', " ")).map(|(name, unit)| (name + "_mean", unit))
                    && !self.row.own.iter().any(|(other, ..)| *other == name)
                {
                    self.row.own.push((name, unit, value));
                }
                return;
            }
        };
        self.has_twice |= self.row.get(column).is_some();
        self.row.values.push((column, value));
    }
}
