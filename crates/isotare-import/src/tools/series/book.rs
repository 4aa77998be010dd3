//! The sums of one invocation of a monitor: one sum for each thing that it watched and each column. Each row
//! is added when it is read. So the memory that is needed depends on the number of things, and not on the
//! number of rows.

use super::columns::Column;
use super::number::{Moment, seconds};
use super::subject::{Block, Subject, Table, Who, labelled, name};
use crate::Run;
use std::collections::HashMap;

/// More tables than any monitor prints. More different headers than this are from several monitors, or from
/// noise.
const TABLES: usize = 1024;

/// More columns than any monitor prints. The largest tables have a column for each interrupt.
const COLUMNS: usize = 4096;

/// Stands for a table that does not exist.
const NO_TABLE: usize = usize::MAX;

/// A process, device or CPU, and where its rows are added at present.
#[derive(Debug)]
struct Slot {
    subject: usize,
    /// For each table: the number of the last report that contained it.
    seen: Vec<(usize, u64)>,
}

/// One invocation of a monitor.
#[derive(Debug, Default)]
pub struct Book<'t> {
    /// The line on which it begins.
    pub line: usize,
    /// The number of reports that began.
    pub reports: u64,
    /// Warnings about it.
    pub warnings: Vec<String>,
    tables: Vec<Table>,
    /// The number of each table, found by its group and its columns.
    numbers: HashMap<String, usize>,
    slots: HashMap<(&'static str, &'t str), Slot>,
    names: HashMap<(&'static str, &'t str, &'t str), usize>,
    subjects: Vec<Subject<'t>>,
    now: Option<Moment>,
    gone: Option<u64>,
    shortest: Option<u64>,
    longest: u64,
    untimed: bool,
    forgot: bool,
    fault: Option<String>,
    skew: Option<String>,
}

impl<'t> Book<'t> {
    /// An invocation that begins on this line.
    pub fn new(line: usize) -> Self {
        Self { line, ..Self::default() }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// The reason why nothing of it can be used.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Declares that nothing of it can be used. If this was declared before, the first reason stays.
    pub fn fail(&mut self, why: impl Into<String>) {
        self.fault.get_or_insert_with(|| why.into());
    }

    /// The number of the table with these columns. If there is none, it is added.
    pub fn table(&mut self, columns: Vec<Column>) -> usize {
        self.table_of("", columns)
    }

    /// The number of the table with these columns in this group. If there is none, it is added.
    pub fn table_of(&mut self, group: &str, columns: Vec<Column>) -> usize {
        if self.fault.is_some() {
            return NO_TABLE;
        }
        let mut key = group.to_owned();
        for Column { name, unit } in &columns {
            key.extend(["\n", name.as_str(), "\n", unit]);
        }
        if let Some(&known) = self.numbers.get(&key) {
            return known;
        }
        if self.tables.len() >= TABLES || columns.len() > COLUMNS {
            self.fail("its tables have too many different headers, or too many columns");
            return NO_TABLE;
        }
        self.tables.push(Table::new(columns));
        self.numbers.insert(key, self.tables.len() - 1);
        self.tables.len() - 1
    }

    /// Begins a report. `to`: the end of its interval. `from`: the beginning, if it is not the end of the
    /// last report.
    pub fn report(&mut self, from: Option<Moment>, to: Option<Moment>) {
        let from = from.or(self.now);
        let gone = from.zip(to).and_then(|(from, to)| seconds(from, to));
        self.report_of(gone);
        self.now = to;
    }

    /// Begins a report that covers this many seconds.
    pub fn report_of(&mut self, gone: Option<u64>) {
        self.reports += 1;
        self.gone = gone.filter(|&gone| gone > 0);
        match self.gone {
            None => self.untimed = true,
            Some(gone) => {
                self.shortest = Some(self.shortest.map_or(gone, |shortest| shortest.min(gone)));
                self.longest = self.longest.max(gone);
            }
        }
    }

    /// Adds a row to the current report. A value that is NaN is missing. If the same thing has two rows in
    /// one report, two invocations wrote into one file.
    pub fn row(&mut self, line: usize, table: usize, who: Who<'t>, values: &[f64]) {
        let (subject, again) = self.find(line, table, who);
        if again {
            return self.fail(format!(
                "line {line}: {} occurs twice in one report: two invocations are mixed",
                name(who)
            ));
        }
        if self.fault.is_some() {
            return;
        }
        let weight = self.gone.unwrap_or(0) as f64;
        let Some(of) = self.tables.get_mut(table) else { return };
        if of.last != self.reports {
            (of.reports, of.last) = (of.reports + 1, self.reports);
        }
        if let Some(found) = self.subjects.get_mut(subject) {
            found.block(table, of.columns.len()).add(of, values, weight);
        }
    }

    /// The subject of a row, and whether it already has a row in this table of the current report.
    fn find(&mut self, line: usize, table: usize, who: Who<'t>) -> (usize, bool) {
        let Self { slots, names, subjects, reports, .. } = self;
        let slot = slots.entry((who.kind, who.id)).or_insert_with(|| {
            subjects.push(Subject { line, who, blocks: Vec::new() });
            names.insert((who.kind, who.id, who.also.1), subjects.len() - 1);
            Slot { subject: subjects.len() - 1, seen: Vec::new() }
        });
        if subjects.get(slot.subject).is_none_or(|last| last.who.also.1 != who.also.1) {
            slot.subject = *names.entry((who.kind, who.id, who.also.1)).or_insert_with(|| {
                subjects.push(Subject { line, who, blocks: Vec::new() });
                subjects.len() - 1
            });
        }
        let again = match slot.seen.iter_mut().find(|(of, _)| *of == table) {
            Some((_, last)) => std::mem::replace(last, *reports) == *reports,
            None => {
                slot.seen.push((table, *reports));
                false
            }
        };
        (slot.subject, again)
    }

    /// Whether it has a row in this table of the current report.
    pub fn has(&self, table: usize, who: Who<'t>) -> bool {
        let slot = self.slots.get(&(who.kind, who.id));
        slot.is_some_and(|slot| slot.seen.contains(&(table, self.reports)))
    }

    /// Compares the tool's own average with the mean of the rows, if there is one row in each report.
    pub fn average(&mut self, line: usize, table: usize, who: Who<'t>, values: &[f64]) {
        let Some(&subject) = self.names.get(&(who.kind, who.id, who.also.1)) else { return };
        let uneven = self.uneven();
        let Some(of) = self.tables.get(table) else { return };
        let Some(found) = self.subjects.get_mut(subject) else { return };
        let Some(block) = found.blocks.iter_mut().find(|block| block.table == table) else { return };
        if std::mem::replace(&mut block.averaged, true) {
            return self
                .fail(format!("line {line}: {} has two averages: two invocations are mixed", name(who)));
        }
        if block.rows != of.reports {
            return;
        }
        if let Some((column, average, mean)) = block.skew(of, values, uneven) {
            let text = format!(
                "line {line}: the tool's average of {} of {} is {average}, but the mean of its rows is \
                 {mean:.2}",
                column.name,
                name(who)
            );
            self.skew.get_or_insert(text);
        }
    }

    /// Forgets the first report, because the second one begins. The first one covers `what` and not an
    /// interval, so it is not used.
    pub fn forget_first(&mut self, what: &str) {
        self.subjects.clear();
        self.slots.clear();
        self.names.clear();
        self.tables.iter_mut().for_each(|table| (table.reports, table.last) = (0, 0));
        (self.reports, self.shortest, self.longest, self.untimed) = (0, None, 0, false);
        let line = self.line;
        self.warnings
            .push(format!("line {line}: the first of several reports is not used, because it covers {what}"));
        self.forgot = true;
    }

    /// Whether the first report was forgotten.
    pub fn forgot(&self) -> bool {
        self.forgot
    }

    /// Adds a warning if its only report is the first one, which covers `what` and not an interval.
    pub fn warn_of_one(&mut self, what: &str) {
        if self.is_lone() {
            self.warnings.push(format!("line {}: there is only one report, and it covers {what}", self.line));
        }
    }

    /// Whether there is exactly one report.
    pub fn is_lone(&self) -> bool {
        self.reports == 1 && !self.forgot
    }

    /// Declares that the next report does not follow the last one in time.
    pub fn rewind(&mut self) {
        self.now = None;
    }

    /// Whether intervals differ by more than the resolution of their times.
    fn uneven(&self) -> bool {
        let shortest = self.shortest.unwrap_or(0);
        !self.untimed && self.longest > shortest + 1 && self.longest * 10 > shortest * 11
    }

    /// Its runs, in the order in which their things first occurred. Appends its warnings to `warnings`.
    pub fn close(mut self, warnings: &mut Vec<String>) -> Vec<Run> {
        warnings.append(&mut self.warnings);
        if let Some(why) = self.fault.take() {
            if self.subjects.is_empty() {
                return vec![Run::incomplete(self.line, why)];
            }
            let cut = |found: &Subject<'_>| labelled(Run::incomplete(found.line, why.clone()), found.who);
            return self.subjects.iter().map(cut).collect();
        }
        if self.subjects.is_empty() {
            return vec![Run::incomplete(self.line, "it has no rows")];
        }
        warnings.extend(self.skew.take());
        let uneven = self.uneven();
        let ragged = self.shortest.is_some_and(|shortest| self.longest > shortest + 1 + shortest / 10);
        if self.untimed && ragged {
            let text = "the length of some intervals is not known, and the others differ, so the means are \
                        not weighted by length";
            warnings.push(format!("line {}: {text}", self.line));
        }
        let reports = |block: &Block| self.tables.get(block.table).map_or(0, |table| table.reports);
        let absent = |found: &&Subject<'_>| found.blocks.iter().all(|block| block.rows < reports(block));
        let partly = self.subjects.iter().filter(absent).count();
        if partly > 0 {
            let what = format!("{partly} of {} are not in every report", self.subjects.len());
            warnings.push(format!(
                "line {}: {what}; their means are over the reports that contain them",
                self.line
            ));
        }
        self.subjects.iter().map(|found| found.run(&self.tables, uneven)).collect()
    }
}
