//! The rows of `perf stat -x` and `-j`.
//!
//! Runs have no end mark. A run ends where a counter occurs again, or where `-o` wrote another `# started
//! on`. Runs that follow each other have the same counters in the same order. If they do not, they are mixed.

use super::intervals;
use super::text::is_place;
use super::{Count, Counter, decimal};
use crate::documents::{Document, apart, documents};
use crate::{Decoded, Run};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

pub(super) enum Item {
    /// `# started on`, and its line.
    Begin(usize),
    /// The titles of the columns in the text of `-I`, and their line.
    Titles(usize),
    Row(Row),
    /// A row that is cut off or broken, and why.
    Broken(usize, String),
}

pub(super) struct Row {
    /// Processor, socket or control group, if perf counts them separately.
    pub place: Option<String>,
    pub counter: Counter,
    pub span: Span,
}

/// The time that a row covers.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Span {
    /// All of the run.
    Run,
    /// An interval of `-I`. It ended this many seconds after the beginning of the run.
    UpTo(f64),
    /// All intervals of a run: a row of `-I --summary`.
    Summary,
}

/// The separator of the rows; `None`: there are no rows.
pub(super) fn separator(head: &str) -> Option<char> {
    // A row begins with a number, a place or `<not …>`. This test skips most lines quickly.
    let may_be = |line: &&str| {
        line.trim_start().starts_with(|first: char| first.is_ascii_digit() || "<CSNs".contains(first))
    };
    let marks = [',', ';', '\t', '|', ':'];
    let of_line =
        |line: &str| marks.into_iter().find(|&mark| line.contains(mark) && row(0, line, mark).is_some());
    head.lines().filter(may_be).find_map(of_line)
}

pub(super) fn decode(text: &str) -> Decoded {
    let items = if text.contains("\"counter-value\"") { json(text) } else { separated(text) };
    let mut found = Decoded::default();
    if items.iter().any(|item| matches!(item, Item::Row(row) if row.span != Span::Run)) {
        return intervals::decode(items);
    }
    let rows = items.iter().filter_map(|item| if let Item::Row(row) = item { Some(row) } else { None });
    found.warnings.extend(rows.filter_map(|row| row.counter.warning()));
    let has_marks = items.iter().any(|item| matches!(item, Item::Begin(_)));
    let groups = groups(items, has_marks);
    let events: Vec<Vec<_>> =
        groups.iter().map(|group| group.iter().filter_map(Item::key).collect()).collect();
    let last = groups.len().saturating_sub(1);
    // Only the last run may have fewer counters, because it may have been cut.
    let mixed = !has_marks
        && events.iter().enumerate().any(|(at, keys)| match events.first() {
            Some(first) if at == last => !first.starts_with(keys),
            Some(first) => keys != first,
            None => false,
        });
    for (at, group) in groups.iter().enumerate() {
        let short = !has_marks
            && events.first().zip(events.get(at)).is_some_and(|(first, keys)| keys.len() < first.len());
        found.runs.extend(runs(group, mixed, short));
    }
    found
}

impl Item {
    fn key(&self) -> Option<(Option<String>, String)> {
        match self {
            Self::Row(row) => Some((row.place.clone(), row.counter.event.clone())),
            _ => None,
        }
    }

    pub(super) fn line(&self) -> usize {
        match self {
            Self::Begin(line) | Self::Titles(line) | Self::Broken(line, _) => *line,
            Self::Row(row) => row.counter.line,
        }
    }
}

/// The items of each run. With marks, a run goes from one mark to the next. Without marks, it ends where a
/// counter occurs again.
fn groups(items: Vec<Item>, has_marks: bool) -> Vec<Vec<Item>> {
    let mut groups: Vec<Vec<Item>> = Vec::new();
    let mut seen = BTreeSet::new();
    for item in items {
        let begins = match item.key() {
            Some(key) => !seen.insert(key) && !has_marks,
            None => matches!(item, Item::Begin(_)),
        };
        if begins {
            seen = item.key().into_iter().collect();
        }
        match groups.last_mut().filter(|_| !begins) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups
}

fn runs(group: &[Item], mixed: bool, short: bool) -> Vec<Run> {
    let line = group.first().map_or(1, Item::line);
    let keys: Vec<_> = group.iter().filter_map(Item::key).collect();
    let broken =
        group.iter().find_map(|item| if let Item::Broken(_, why) = item { Some(why.as_str()) } else { None });
    let doubled = keys.iter().collect::<BTreeSet<_>>().len() < keys.len();
    let fault = match broken {
        Some(why) => Some(why),
        None if mixed || doubled => Some("the counters are not in the order of one run: two runs are mixed"),
        None if short => Some("it has fewer counters than the run before it"),
        None if keys.is_empty() => Some("it contains no counter"),
        None => None,
    };
    if let Some(why) = fault {
        return vec![Run::incomplete(line, why)];
    }
    let mut places: BTreeMap<Option<&str>, Vec<_>> = BTreeMap::new();
    for item in group {
        if let Item::Row(row) = item {
            places.entry(row.place.as_deref()).or_default().extend(row.counter.metrics());
        }
    }
    let of_place = |(place, metrics): (Option<&str>, Vec<_>)| match place {
        Some(place) => Run::complete(line, metrics).with("cpu", place),
        None => Run::complete(line, metrics),
    };
    places.into_iter().map(of_place).collect()
}

fn separated(text: &str) -> Vec<Item> {
    let Some(mark) = separator(text) else { return Vec::new() };
    let mut items = Vec::new();
    for (at, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.trim_end();
        if line.starts_with("# started on") {
            items.push(Item::Begin(at + 1));
        } else if !whole.ends_with('\n') && line.contains(mark) {
            items.push(Item::Broken(at + 1, "the row is incomplete".to_owned()));
        } else if let Some(row) = row(at + 1, line, mark) {
            items.push(Item::Row(row));
        }
    }
    items
}

/// Reads a row such as `0.42,msec,task-clock,421337,100.00,0.561,CPUs utilized`. The time of an interval may
/// stand before it, and then a processor, or a socket with the number of its processors. After the event
/// there may be a control group and, with `-r`, the noise.
fn row(line: usize, text: &str, mark: char) -> Option<Row> {
    let mut fields = text.split(mark).map(str::trim).collect::<Vec<_>>().into_iter().peekable();
    let mut first = fields.next()?;
    let next_counts = fields.peek().is_some_and(|field| Count::new(field).is_some() || is_place(field));
    let span = match first {
        "summary" => Span::Summary,
        _ => intervals::stamp(first).filter(|_| next_counts).map_or(Span::Run, Span::UpTo),
    };
    if span != Span::Run {
        first = fields.next()?;
    }
    let mut place = None;
    if is_place(first) {
        place = Some(first.to_owned());
        if !first.starts_with("CPU") {
            fields.next()?;
        }
        first = fields.next()?;
    }
    let count = Count::new(first)?;
    let mut unit = fields.next()?.to_owned();
    let mut event = fields.next()?.to_owned();
    // An event that is defined by fields of its PMU contains separators itself: `cpu/event=0x3c,umask=0/`.
    while event.matches('/').count() == 1 {
        event = format!("{event}{mark}{}", fields.next()?);
    }
    // Up to 4.18 the clocks are in milliseconds, but their unit is not printed.
    if unit.is_empty() && (event.starts_with("task-clock") || event.starts_with("cpu-clock")) {
        unit = "msec".to_owned();
    }
    let is_name = event.starts_with(|first: char| first.is_ascii_alphabetic())
        && event.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if !is_name || !unit.bytes().all(|byte| byte.is_ascii_alphabetic() || b"%/".contains(&byte)) {
        return None;
    }
    let mut field = fields.next()?;
    let is_noise = |field: &str| field.strip_suffix('%').and_then(decimal);
    if is_noise(field).is_none() && field.parse::<u64>().is_err() {
        place = Some(place.map_or_else(|| field.to_owned(), |place| format!("{place} {field}")));
        field = fields.next()?;
    }
    let noise = is_noise(field);
    if noise.is_some() {
        field = fields.next()?;
    }
    field.parse::<u64>().ok()?;
    let share = fields.next().filter(|share| share.len() >= 4 && share.contains(['.', ',']))?;
    let counted = decimal(share).filter(|&share| share <= 100.0)?;
    let counter = Counter { line, event, unit, count, noise, counted: Some(counted), unit_was_behind: false };
    Some(Row { place, counter, span })
}

fn json(text: &str) -> Vec<Item> {
    let marks = (1..).zip(text.lines()).filter(|(_, line)| line.starts_with("# started on"));
    let mut items: Vec<Item> = marks.map(|(line, _)| Item::Begin(line)).collect();
    for document in apart(documents(&with_points(text)), false) {
        items.extend(match document {
            Document::Whole { line, value } => of_value(line, &value).map(Item::Row),
            Document::CutOff { line } => Some(Item::Broken(line, "the row is incomplete".to_owned())),
            Document::Malformed { line, why } => Some(Item::Broken(line, why)),
        });
    }
    items.sort_by_key(Item::line);
    items
}

/// The same rows with decimal points. In the JSON, too, perf writes numbers in the format of the locale, as
/// in `: 100,00, `.
fn with_points(text: &str) -> Cow<'_, str> {
    let mut whole = String::new();
    let mut replaced = false;
    for (at, part) in text.split(" : ").enumerate() {
        if at > 0 {
            whole.push_str(" : ");
        }
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let after = part.get(digits..).and_then(|rest| rest.strip_prefix(','));
        match after
            .filter(|rest| at > 0 && digits > 0 && rest.starts_with(|next: char| next.is_ascii_digit()))
        {
            Some(rest) => {
                whole.push_str(part.get(..digits).unwrap_or_default());
                whole.push('.');
                whole.push_str(rest);
                replaced = true;
            }
            None => whole.push_str(part),
        }
    }
    if replaced { Cow::Owned(whole) } else { Cow::Borrowed(text) }
}

/// A row with a counter; `None`: it has only a value that perf computed.
fn of_value(line: usize, value: &Value) -> Option<Row> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let places = ["cpu", "core", "die", "socket", "node", "cluster", "cache", "cgroup"];
    let place: Vec<String> =
        places.iter().filter_map(|name| Some(format!("{name} {}", text(name)?))).collect();
    let counter = Counter {
        line,
        event: text("event")?.to_owned(),
        unit: text("unit").unwrap_or_default().to_owned(),
        count: Count::new(text("counter-value")?)?,
        noise: value.get("variance").and_then(Value::as_f64),
        counted: value.get("pcnt-running").and_then(Value::as_f64),
        unit_was_behind: false,
    };
    let span = match value.get("interval") {
        Some(end) => Span::UpTo(end.as_f64()?),
        None => Span::Run,
    };
    Some(Row { place: (!place.is_empty()).then(|| place.join(" ")), counter, span })
}
