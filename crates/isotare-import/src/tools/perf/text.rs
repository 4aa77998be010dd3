//! The text of `perf stat`.

use super::{Count, Counter, decimal};
use crate::grouping::further_groups;
use crate::{Decoded, Metric, Run};
use std::collections::BTreeMap;

/// How the report of a run begins.
pub(super) const TITLE: &str = "Performance counter stats for ";

/// The message if the command cannot be run.
pub(super) const FAILED: &str = "Workload failed: ";

/// The C library's descriptions of signals that end a command.
const SIGNALS: [&str; 13] = [
    "Hangup",
    "Interrupt",
    "Quit",
    "Illegal instruction",
    "Trace/breakpoint trap",
    "Aborted",
    "Bus error",
    "Floating point exception",
    "Killed",
    "Segmentation fault",
    "Alarm clock",
    "Terminated",
    "Broken pipe",
];

/// Whether this line says that a signal ended a command: `sleep: Interrupt`.
pub(super) fn is_signal(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, words)| !name.contains(' ') && SIGNALS.contains(&words))
}

/// The line before the title, if it says that a signal ended the command: `sleep: Interrupt`.
fn killed(title: &str, before: &str) -> Option<String> {
    let (name, words) = before.split_once(": ")?;
    let command = title.strip_prefix('\'')?.split([' ', '\'']).next()?;
    (name == command && SIGNALS.contains(&words)).then(|| before.to_owned())
}

/// Whether this line has the titles of columns that `-I` prints.
pub(super) fn is_interval_title(line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    matches!(
        words.as_slice(),
        ["#", "time", .., "counts", "events"] | ["#", "time", .., "counts", "unit", "events"]
    )
}

/// The report of a run, while its lines are read.
struct Block {
    line: usize,
    target: String,
    runs: Option<String>,
    counters: Vec<(Option<String>, Counter)>,
    times: Vec<Time>,
    killed: Option<String>,
    /// The first line that begins with a number in another format than perf's.
    odd: Option<String>,
}

/// A time in seconds, with its noise.
struct Time {
    name: &'static str,
    seconds: f64,
    noise: Option<f64>,
}

pub(super) fn decode(text: &str) -> Decoded {
    let mut found = Decoded::default();
    let mut open: Option<Block> = None;
    let mut before = "";
    for (at, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.trim();
        if let Some(title) = line.strip_prefix(TITLE) {
            close(open.take(), &mut found);
            open = Some(Block { killed: killed(title, before), ..Block::new(at + 1, title) });
        } else if let Some(words) = line.strip_prefix(FAILED) {
            found.runs.push(Run::incomplete(at + 1, words));
        } else if is_interval_title(line) {
            close(open.take(), &mut found);
        } else if let Some(block) = open.as_mut().filter(|_| whole.ends_with('\n')) {
            block.read(at + 1, line);
        }
        before = if line.is_empty() { before } else { line };
    }
    close(open, &mut found);
    found
}

fn close(block: Option<Block>, found: &mut Decoded) {
    let Some(block) = block else { return };
    let warnings = block.counters.iter().filter_map(|(_, counter)| counter.warning());
    found.warnings.extend(warnings);
    found.runs.extend(block.into_runs());
}

impl Block {
    /// Reads a title such as `'sleep 1' (5 runs):`.
    fn new(line: usize, title: &str) -> Self {
        let title = title.trim_end_matches(':');
        let runs = title.strip_suffix(" runs)").and_then(|title| title.rsplit_once(" ("));
        let (target, runs) = runs.map_or((title, None), |(target, runs)| (target, Some(runs.to_owned())));
        Self {
            line,
            target: target.to_owned(),
            runs,
            counters: Vec::new(),
            times: Vec::new(),
            killed: None,
            odd: None,
        }
    }

    fn read(&mut self, number: usize, line: &str) {
        let time = [
            ("seconds time elapsed", "total_time"),
            ("seconds user", "user_time"),
            ("seconds sys", "system_time"),
        ];
        for (words, name) in time {
            let Some((before, after)) = line.split_once(words) else { continue };
            let Some(seconds) = before.split_ascii_whitespace().next().and_then(decimal) else { return };
            self.times.push(Time { name, seconds, noise: noise(after) });
            return;
        }
        if self.times.is_empty() {
            match counter(number, line) {
                Some(counter) => self.counters.push(counter),
                None => self.odd = self.odd.take().or_else(|| odd(number, line)),
            }
        }
    }

    fn has(&self, name: &str) -> usize {
        self.times.iter().filter(|time| time.name == name).count()
    }

    /// The reason why its numbers cannot be used.
    fn fault(&self) -> Option<&'static str> {
        let mut keys: Vec<_> = self.counters.iter().map(|(place, counter)| (place, &counter.event)).collect();
        keys.sort();
        let doubled = keys.iter().zip(keys.iter().skip(1)).any(|(one, next)| one == next);
        let times = [self.has("total_time"), self.has("user_time"), self.has("system_time")];
        // In versions with the unit before the name, the times of the user and the system must follow.
        let has_unit = self
            .counters
            .iter()
            .any(|(_, counter)| counter.unit == "msec" && counter.event_has_unit_before());
        let is_command = self.target.starts_with('\'') && !self.is_of_processors() && self.runs.is_none();
        match times {
            [0, ..] => Some("its end is missing: there is no time elapsed"),
            _ if doubled || times.iter().any(|&count| count > 1) => {
                Some("a line occurs twice: two runs are mixed")
            }
            [_, user, system] if user != system || (user == 0 && has_unit && is_command) => {
                Some("it ends before the user and system times")
            }
            _ => None,
        }
    }

    fn is_of_processors(&self) -> bool {
        ["'system wide", "'CPU(s) ", "'BPF "].iter().any(|begin| self.target.starts_with(begin))
    }

    /// One run for all counters, or one for each processor or socket if they are counted separately.
    fn into_runs(self) -> Vec<Run> {
        if let Some(why) = self.killed.as_deref().or(self.fault()) {
            return vec![self.labelled(Run::incomplete(self.line, why), None)];
        }
        if let Some(why) = &self.odd {
            return vec![self.labelled(Run::unreadable(self.line, why), None)];
        }
        let mut places: BTreeMap<Option<&str>, Vec<Metric>> = BTreeMap::new();
        for (place, counter) in &self.counters {
            places.entry(place.as_deref()).or_default().extend(counter.metrics());
        }
        if places.keys().all(Option::is_none) {
            let mut metrics = places.into_values().next().unwrap_or_default();
            metrics.extend(self.times.iter().flat_map(Time::metrics));
            return vec![self.labelled(Run::complete(self.line, metrics), None)];
        }
        let of_place = |(place, metrics)| self.labelled(Run::complete(self.line, metrics), place);
        places.into_iter().map(of_place).collect()
    }

    fn labelled(&self, mut run: Run, place: Option<&str>) -> Run {
        let target = self.target.trim_matches('\'');
        // Numbers of processes and threads differ in each run, so they are not labels.
        if self.is_of_processors() {
            run = run.with("target", target);
        } else if self.target.starts_with('\'') {
            run = run.with("command", target);
        }
        let labels = [("runs", self.runs.as_deref()), ("cpu", place)];
        labels
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .fold(run, |run, (name, value)| run.with(name, value))
    }
}

impl Counter {
    /// Whether the unit is before the name: `0.42 msec task-clock`, and not `0.42 task-clock (msec)`.
    fn event_has_unit_before(&self) -> bool {
        self.event.starts_with("task-clock") && !self.unit_was_behind
    }
}

impl Time {
    fn metrics(&self) -> Vec<Metric> {
        // Times below the resolution are printed as 0.
        if self.seconds <= 0.0 {
            return Vec::new();
        }
        let noise =
            self.noise.map(|noise| Metric::lower(format!("{}_relative_error", self.name), "%", noise));
        [Metric::lower(self.name, "s", self.seconds)].into_iter().chain(noise).collect()
    }
}

/// Reads `1,234,567 cycles:u # 2.1 GHz ( +- 0.5% ) (45.67%)`. A processor or socket is before it if they are
/// counted separately.
pub(super) fn counter(line: usize, text: &str) -> Option<(Option<String>, Counter)> {
    let (left, behind) = text.split_once('#').unwrap_or((text, ""));
    let end = left
        .find("( +-")
        .into_iter()
        .chain(left.rfind(['[', '(']).filter(|_| left.ends_with(['%', ')', ']']) && left.contains('%')));
    let (left, scale) = left.split_at_checked(end.min().unwrap_or(left.len()))?;
    let behind = format!("{scale}{behind}");
    let left = left.replace("<not supported>", "<not-supported>").replace("<not counted>", "<not-counted>");
    let mut words: Vec<&str> = left.split_ascii_whitespace().collect();
    let mut place = None;
    if let Some(name) = words.first().copied().filter(|word| is_place(word)) {
        place = Some(name.to_owned());
        // The number of its processors is between the socket and the count.
        words.drain(..if name.starts_with("CPU") { 1 } else { 2.min(words.len()) });
    }
    let (value, event) = words.split_at_checked(1 + further_groups(&words))?;
    // This is neither a unit nor an event, but the rest of a number.
    if event.first().is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
        return None;
    }
    let count = Count::new(&value.join(" ").replace("<not-", "<not "))?;
    let (unit, event, unit_was_behind) = match event {
        [event, "(msec)"] => ("msec", (*event).to_owned(), true),
        [event] => ("", (*event).to_owned(), false),
        // The PMU follows the event: `cycles [cpu_core]`.
        [event, pmu] if pmu.starts_with('[') => ("", format!("{event} {pmu}"), false),
        [unit, event @ ..] => (*unit, event.join(" "), false),
        [] => return None,
    };
    let unit = unit.to_owned();
    let (noise, counted) = (noise(&behind), counted(&behind));
    Some((place, Counter { line, event, unit, count, noise, counted, unit_was_behind }))
}

/// Why a line that is not a counter cannot be ignored: it begins with a number, like a counter, but the
/// number cannot be read.
pub(super) fn odd(line: usize, text: &str) -> Option<String> {
    let begins = text.starts_with(|first: char| first.is_ascii_digit());
    begins.then(|| format!("line {line}: '{text}' does not begin with a number in perf's format"))
}

/// Whether a word is a place: `CPU0`, `S0`, `S0-D0-C1`, `N0`.
pub(super) fn is_place(word: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match word.strip_prefix("CPU") {
        Some(rest) => is_number(rest),
        None => {
            word.starts_with(['S', 'N']) && word.split('-').all(|part| part.get(1..).is_some_and(is_number))
        }
    }
}

/// The noise in `( +-  1.20% )`.
fn noise(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once("( +-")?;
    decimal(rest.split_once('%')?.0.trim())
}

/// The share in `(45.67%)` at the end, formerly `[45.67%]`.
fn counted(text: &str) -> Option<f64> {
    let inner = text.trim_end().strip_suffix("%)").or_else(|| text.trim_end().strip_suffix("%]"))?;
    decimal(inner.rsplit(['(', '[']).next()?.trim())
}
