//! The table among messages.

use super::{Column, Row, own_rate};
use crate::Run;
use std::collections::{BTreeMap, HashMap};

pub fn recognises(text: &str) -> bool {
    text.lines().any(|line| {
        let (process, said) = message(line);
        !process.is_empty()
            && ["info:", "metrc:", "fail:", "error:", "warn:"].iter().any(|level| line.contains(level))
            || said.starts_with("stressor ") && columns(said).is_some()
            || refusal(line).is_some()
    })
}

/// The process and the text of `stress-ng: info: [1234] dispatching hogs: 1 cpu`. Other lines (`--log-brief`)
/// have no process, and all of them is text.
fn message(line: &str) -> (&str, &str) {
    let said = line.split_once("stress-ng: ").and_then(|(_, rest)| rest.split_once('[')?.1.split_once(']'));
    match said {
        Some((process, said)) if process.bytes().all(|byte| byte.is_ascii_digit()) => (process, said.trim()),
        _ => ("", line.trim()),
    }
}

/// The stressor and the text of `stress-ng: fail: [26720] hdd: write failed, …`. Some versions call such a
/// run successful.
fn failure<'a>(line: &str, said: &'a str) -> Option<(&'a str, &'a str)> {
    let (name, _) = said.split_once(':').filter(|_| line.contains("stress-ng: fail:"))?;
    Some((name.strip_prefix("stress-ng-").unwrap_or(name), said))
}

/// The message about arguments that it refuses. It has no level and no process.
fn refusal(line: &str) -> Option<&str> {
    let said = line.strip_prefix("stress-ng: ")?;
    let begins = ["unrecognized option", "unknown option", "invalid option", "option "];
    begins.iter().any(|begin| said.starts_with(begin)).then_some(said.trim_end())
}

/// The titles in the first line of the table. The second line distinguishes the two rates.
const TITLES: &[(&str, Column)] = &[
    ("bogo ops/s", Column::RealRate),
    ("bogo ops", Column::Events),
    ("real time", Column::RealTime),
    ("usr time", Column::UserTime),
    ("sys time", Column::SystemTime),
    ("CPU used per", Column::CpuUsed),
    ("RSS Max", Column::Memory),
];

fn columns(line: &str) -> Option<Vec<Column>> {
    let mut rest = line.strip_prefix("stressor")?.trim_start();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (title, column) = TITLES.iter().find(|(title, _)| rest.starts_with(title))?;
        // This is the second column with this name. The line below shows which rate it is.
        let is_second = *column == Column::RealRate && found.contains(column);
        found.push(if is_second { Column::CpuRate } else { *column });
        rest = rest.get(title.len()..)?.trim_start();
    }
    (found.len() > 1).then_some(found)
}

/// Whether the line below the titles has the two rates in the usual order.
fn is_units(line: &str) -> bool {
    let place = |unit: &str| line.find(unit);
    line.starts_with("(secs)")
        && place("(real time)") < place("(usr+sys time)")
        && place("(real time)").is_some()
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Before,
    /// After the line of titles.
    Titles,
    Rows,
    /// After `miscellaneous metrics:`.
    Own,
}

struct Found<'a> {
    line: usize,
    stressor: &'a str,
    row: Row,
    /// Whether its row has fewer numbers than there are columns.
    is_broken: bool,
}

/// One invocation of stress-ng.
struct Call<'a> {
    line: usize,
    place: Place,
    columns: Vec<Column>,
    rows: Vec<Found<'a>>,
    instances: BTreeMap<&'a str, &'a str>,
    /// The message that says how it ended.
    end: Option<&'a str>,
    /// Stressors that failed, with the message. Then those whose numbers stress-ng says not to trust.
    failed: Vec<(&'a str, &'a str)>,
    distrusted: Vec<&'a str>,
    is_mixed: bool,
    /// The index of each stressor's row.
    places: HashMap<&'a str, usize>,
}

impl<'a> Call<'a> {
    fn new(line: usize) -> Self {
        Self {
            line,
            place: Place::Before,
            columns: Vec::new(),
            rows: Vec::new(),
            instances: BTreeMap::new(),
            end: None,
            failed: Vec::new(),
            distrusted: Vec::new(),
            is_mixed: false,
            places: HashMap::new(),
        }
    }

    fn table(&mut self, at: usize, said: &'a str, is_whole: bool) {
        if said.starts_with("miscellaneous metrics:") {
            self.place = Place::Own;
            return;
        }
        let mut words = said.split_ascii_whitespace();
        let (Some(stressor), Some(number)) = (words.next(), words.next()) else { return };
        let Ok(number) = number.parse::<f64>() else { return };
        // `skipped: 0` and the like are not rows.
        if !stressor.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return;
        }
        // Up to 0.12, the metrics that only one stressor has are below its row. Each has a description in
        // words.
        let is_own = words.clone().next().is_some_and(|word| word.parse::<f64>().is_err());
        if self.place == Place::Own || (is_own && self.places.contains_key(stressor)) {
            self.own(stressor, number, words.collect::<Vec<_>>().join(" "));
            return;
        }
        let numbers: Option<Vec<f64>> =
            std::iter::once(Some(number)).chain(words.map(|word| word.parse().ok())).collect();
        let numbers = numbers.unwrap_or_default();
        let is_broken = numbers.len() != self.columns.len() || !is_whole;
        let values = self.columns.iter().copied().zip(numbers).collect();
        self.is_mixed |= self.places.insert(stressor, self.rows.len()).is_some();
        self.rows.push(Found { line: at, stressor, row: Row { values, own: Vec::new() }, is_broken });
    }

    fn own(&mut self, stressor: &str, value: f64, said: String) {
        // For example `… (harmonic mean of 2 instances)`, `… (average per stressor)`.
        let is_mean = |how: &str| how.contains("mean of") || how.starts_with("average per stressor");
        let description = said.rsplit_once(" (").filter(|(_, how)| is_mean(how)).map(|(words, _)| words);
        // Digits at the beginning are the rest of the number.
        let description =
            description.filter(|words| !words.starts_with(|first: char| first.is_ascii_digit()));
        let row = self.places.get(stressor).and_then(|place| self.rows.get_mut(*place));
        if let (Some((name, unit)), Some(found)) = (description.and_then(own_rate), row)
            && !found.row.own.iter().any(|(other, ..)| *other == name)
        {
            found.row.own.push((name, unit, value));
        }
    }

    fn runs(self, all: &mut Vec<Run>) {
        if self.rows.is_empty() {
            all.push(match self.end {
                Some(_) => Run::unreadable(self.line, "it contains no table: it was run without --metrics"),
                None => Run::incomplete(self.line, "it ended before its table was printed"),
            });
        }
        for found in &self.rows {
            let run = self.run(found).with("test", found.stressor);
            all.push(match self.instances.get(found.stressor) {
                Some(count) => run.with("instances", *count),
                None => run,
            });
        }
    }

    fn run(&self, found: &Found<'a>) -> Run {
        let at = found.line;
        let end = self.end.unwrap_or("");
        let failed = self.failed.iter().find(|(name, _)| *name == found.stressor).map(|(_, why)| *why);
        let all = (self.failed.is_empty() && end.starts_with("unsuccessful")).then_some(end);
        if self.is_mixed {
            Run::incomplete(at, super::MIXED)
        } else if found.is_broken {
            Run::incomplete(at, "its row is incomplete")
        } else if end.is_empty() {
            Run::incomplete(at, "the line that says how the run ended is missing")
        } else if let Some(why) = failed.or(all) {
            Run::unreadable(at, format!("it failed: {why}"))
        } else if self.distrusted.contains(&found.stressor) {
            Run::unreadable(at, "stress-ng says that its metrics are untrustworthy")
        } else {
            found.row.run(at, 0.006)
        }
    }
}

/// The stressors `cpu` and `vm` in `2: cpu (1) vm (1)`.
fn stressors(said: &str) -> Vec<&str> {
    let named = said.split_once(':').map_or("", |(_, names)| names);
    named.split_ascii_whitespace().filter(|word| !word.starts_with('(')).collect()
}

#[derive(Default)]
struct Reader<'a> {
    runs: Vec<Run>,
    calls: HashMap<&'a str, Call<'a>>,
    /// The process of the invocation whose line was read last.
    last: Option<&'a str>,
    refusal: Option<(usize, &'a str)>,
    version: Option<&'a str>,
}

/// The version, which is printed with `-v`, and the runs.
pub fn runs(text: &str) -> (Option<String>, Vec<Run>) {
    let ends_whole = text.ends_with('\n');
    let mut reader = Reader::default();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        reader.take(at + 1, line, ends_whole || lines.peek().is_some());
    }
    for (_, call) in reader.calls {
        call.runs(&mut reader.runs);
    }
    if let Some((line, said)) = reader.refusal {
        reader.runs.push(Run::unreadable(line, said));
    }
    reader.runs.sort_by_key(|run| run.line);
    (reader.version.map(str::to_owned), reader.runs)
}

impl<'a> Reader<'a> {
    /// The invocation of this process. If the previous one is over, a new one begins.
    fn call(&mut self, at: usize, process: &'a str, is_over: fn(&Call<'a>) -> bool) -> &mut Call<'a> {
        if self.calls.get(process).is_some_and(is_over)
            && let Some(call) = self.calls.remove(process)
        {
            call.runs(&mut self.runs);
        }
        self.goes_on(process);
        self.calls.entry(process).or_insert_with(|| Call::new(at))
    }

    /// Marks two invocations as mixed: one of them continues after the other one began, so they ran at the
    /// same time.
    fn goes_on(&mut self, process: &'a str) {
        if let Some(last) = self.last.replace(process).filter(|last| *last != process)
            && let Some(call) = self.calls.get_mut(process)
        {
            call.is_mixed = true;
            if let Some(other) = self.calls.get_mut(last) {
                other.is_mixed = true;
            }
        }
    }

    fn take(&mut self, at: usize, line: &'a str, is_whole: bool) {
        let (process, said) = message(line);
        let has_table = |call: &Call<'a>| call.place != Place::Before;
        if let Some((stressor, why)) = failure(line, said) {
            // The process in the line is that of the stressor. The stressor belongs to the current
            // invocation.
            if let Some(call) = self.last.and_then(|process| self.calls.get_mut(process)) {
                call.failed.push((stressor, why));
            }
        } else if let Some(hogs) = said.strip_prefix("dispatching hogs: ") {
            let call = self.call(at, process, |call| call.end.is_some() || call.place != Place::Before);
            call.instances.extend(
                hogs.split(", ").filter_map(|hog| hog.split_once(' ')).map(|(count, name)| (name, count)),
            );
        } else if said.starts_with("successful run completed")
            || said.starts_with("unsuccessful run completed")
        {
            // Without this line it is not known whether the run was successful.
            let call = self.call(at, process, |call| call.end.is_some() && call.place != Place::Before);
            call.end = Some(said);
        } else if let Some(columns) = columns(said) {
            let call = self.call(at, process, |call| call.end.is_some() && call.place != Place::Before);
            call.is_mixed |= has_table(call);
            (call.place, call.columns) = (Place::Titles, columns);
        } else if let Some(version) = said.strip_prefix("stress-ng ").filter(|_| line.contains("debug:")) {
            self.version = self.version.or(version.split_ascii_whitespace().next());
        } else if let Some(refusal) = refusal(line) {
            self.refusal.get_or_insert((at, refusal));
        } else if self.calls.contains_key(process) {
            self.goes_on(process);
            let Some(call) = self.calls.get_mut(process) else { return };
            if is_units(said) {
                call.is_mixed |= call.place != Place::Titles;
                call.place = Place::Rows;
            } else if let Some(failed) = said.strip_prefix("failed: ") {
                call.failed.extend(stressors(failed).into_iter().map(|name| (name, said)));
            } else if let Some(distrusted) = said.strip_prefix("metrics untrustworthy: ") {
                call.distrusted = stressors(distrusted);
            } else if matches!(call.place, Place::Rows | Place::Own) {
                call.table(at, said, is_whole);
            }
        }
    }
}
