//! The JSON of sysstat's tools: `{"sysstat": {"hosts": [{…, "statistics": [{"timestamp": …, SECTION: …},
//! …]}]}}`. A section is an object, or a list of objects that each name what they describe, or an object that
//! contains further sections.

use super::book::Book;
use super::columns::Column;
use super::number::{Moment, moment};
use super::subject::Who;
use super::{SINCE_BOOT, restarted, settled};
use crate::documents::{Document, apart, documents};
use crate::{Decoded, Run};
use serde_json::{Map, Value};

/// The differences between the JSON of different tools.
pub struct Shape {
    /// Names of sections. Each report of this tool has one of them, and no other tool has any.
    pub sections: &'static [&'static str],
    /// The column for a key of a section; `None`: it is not a measurement.
    pub name: fn(&str, &str) -> Option<String>,
    /// Keys that identify what an object describes, and their labels. The first one that is not empty is
    /// used.
    pub ids: &'static [(&'static str, &'static str)],
    /// A key with more information about the same thing, and its label.
    pub also: Option<(&'static str, &'static str)>,
    /// A key for what the thing belongs to, and its label. It is used only if the label is different.
    pub of: Option<(&'static str, &'static str)>,
    /// A section that describes one thing, and its label.
    pub whole: Option<(&'static str, (&'static str, &'static str))>,
    /// Whether the first of several reports covers the time since boot.
    pub first_is_since_boot: bool,
    /// Whether negative numbers are valid.
    pub signed: bool,
}

/// Whether a text contains a document of sysstat.
pub fn is_in(text: &str) -> bool {
    text.contains("\"sysstat\":")
}

/// Whether the beginning of a document belongs to this tool: it contains one of its sections.
pub fn is_of(head: &str, shape: &Shape) -> bool {
    is_in(head) && shape.sections.iter().any(|section| head.contains(&format!("\"{section}\":")))
}

/// Decodes all documents in a text.
pub fn decode(text: &str, shape: &Shape) -> Decoded {
    let found = apart(documents(text), false);
    let mut decoded = Decoded::default();
    for document in &found {
        match document {
            Document::Whole { line, value } => hosts(*line, value, shape, &mut decoded),
            Document::CutOff { line } => decoded.runs.push(Run::incomplete(*line, "its JSON is incomplete")),
            Document::Malformed { line, why } => {
                decoded.runs.push(Run::unreadable(*line, format!("it is not JSON: {why}")));
            }
        }
    }
    settled(decoded)
}

fn hosts(line: usize, value: &Value, shape: &Shape, decoded: &mut Decoded) {
    let Some(hosts) = value.pointer("/sysstat/hosts").and_then(Value::as_array) else {
        return decoded.runs.push(Run::unreadable(line, "it has no 'sysstat' with 'hosts'"));
    };
    for host in hosts {
        let reports = host.get("statistics").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut walk = Walk { shape, line, book: Book::new(line) };
        let mut boots = boots(host).into_iter().peekable();
        for (at, report) in reports.iter().filter_map(Value::as_object).enumerate() {
            if at == 1 && shape.first_is_since_boot {
                walk.book.forget_first(SINCE_BOOT);
            }
            let when = report.get("timestamp").and_then(when);
            let mut is_anew = false;
            while boots.next_if(|&boot| when.is_some_and(|when| when > boot)).is_some() {
                is_anew = !walk.book.is_empty();
            }
            if is_anew {
                let book = std::mem::replace(&mut walk.book, Book::new(line));
                decoded.runs.append(&mut book.close(&mut decoded.warnings));
                decoded.warnings.push(restarted(line));
            }
            walk.report(report);
        }
        if shape.first_is_since_boot {
            walk.book.warn_of_one(SINCE_BOOT);
        }
        decoded.runs.append(&mut walk.book.close(&mut decoded.warnings));
    }
}

struct Walk<'t> {
    shape: &'t Shape,
    line: usize,
    book: Book<'t>,
}

impl<'t> Walk<'t> {
    fn report(&mut self, report: &'t Map<String, Value>) {
        let (at, gone) = time(report.get("timestamp"));
        match gone {
            Some(_) => self.book.report_of(gone),
            None => self.book.report(None, at),
        }
        for (section, value) in report {
            if section != "timestamp" {
                let whole = self.shape.whole.filter(|(name, _)| name == section);
                let (kind, id) = whole.map(|(_, label)| label).unwrap_or_default();
                self.section(section, value, Who { kind, id, ..Who::default() });
            }
        }
    }

    fn section(&mut self, section: &'t str, value: &'t Value, who: Who<'t>) {
        match value {
            Value::Array(items) if is_pairs(items) => {
                self.row(section, items.iter().filter_map(pair).collect(), who)
            }
            Value::Array(items) => items.iter().for_each(|item| self.section(section, item, who)),
            Value::Object(object) => {
                let who = self.who(object).unwrap_or(who);
                let number = |(key, value): (&'t String, &'t Value)| Some((key.as_str(), value.as_f64()?));
                self.row(section, object.iter().filter_map(number).collect(), who);
                for (key, value) in object.iter().filter(|(_, value)| value.is_array() || value.is_object()) {
                    self.section(if is_list_of_pairs(value) { section } else { key }, value, who);
                }
            }
            _ => {}
        }
    }

    /// What an object describes, if it contains this.
    fn who(&self, object: &'t Map<String, Value>) -> Option<Who<'t>> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let labelled = |(key, label): (&str, &'static str)| Some((label, text(key)?));
        let (kind, id) = self.shape.ids.iter().copied().find_map(labelled)?;
        let also = self.shape.also.and_then(labelled).unwrap_or_default();
        let of = self.shape.of.and_then(labelled).filter(|(label, _)| *label != kind).unwrap_or_default();
        Some(Who { kind, id, also, of })
    }

    fn row(&mut self, section: &str, pairs: Vec<(&str, f64)>, who: Who<'t>) {
        let column =
            |(key, value): (&str, f64)| Some((Column::named(&(self.shape.name)(section, key)?), value));
        let mut found: Vec<(Column, f64)> = pairs.into_iter().filter_map(column).collect();
        if found.is_empty() {
            return;
        }
        // The order must not depend on how maps are built.
        found.sort_by(|(left, _), (right, _)| left.name.cmp(&right.name));
        let absent = |value: f64| if value < 0.0 && !self.shape.signed { f64::NAN } else { value };
        let (columns, values): (Vec<Column>, Vec<f64>) =
            found.into_iter().map(|(column, value)| (column, absent(value))).unzip();
        let table = self.book.table_of(section, columns);
        self.book.row(self.line, table, who, &values);
    }
}

/// The times at which the machine was restarted while sadc watched it.
fn boots(host: &Value) -> Vec<(&str, &str)> {
    let found = host.get("restarts").and_then(Value::as_array).into_iter().flatten();
    found.filter_map(|restart| when(restart.get("boot")?)).collect()
}

/// Date and time. They are in an order in which texts compare like times.
fn when(stamp: &Value) -> Option<(&str, &str)> {
    Some((stamp.get("date")?.as_str()?, stamp.get("time")?.as_str()?))
}

/// The time of a report, or the length of its interval if it contains that.
fn time(stamp: Option<&Value>) -> (Option<Moment>, Option<u64>) {
    match stamp {
        Some(Value::String(text)) => (moment(text), None),
        Some(Value::Object(stamp)) => (None, stamp.get("interval").and_then(Value::as_u64)),
        _ => (None, None),
    }
}

fn is_list_of_pairs(value: &Value) -> bool {
    value.as_array().is_some_and(|items| is_pairs(items))
}

/// Whether each item is a pair of a name and a value.
fn is_pairs(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(|item| pair(item).is_some())
}

fn pair(item: &Value) -> Option<(&str, f64)> {
    let object = item.as_object().filter(|object| object.len() == 2)?;
    Some((object.get("name")?.as_str()?, object.get("value")?.as_f64()?))
}
