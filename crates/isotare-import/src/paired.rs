//! Paired data from a CSV file: one value of one metric of one condition in one block on each line.

use isotare_core::{
    Better, Budget, Condition, CpuSet, EnvironmentSpec, HostFacts, MetricDef, Outcome, Plan, Sample,
    Sampling, Session, Slot, Trial, WorkloadSpec,
};
use std::collections::BTreeMap;
use std::io::Read;

const COLUMNS: [&str; 4] = ["block", "condition", "metric", "value"];

/// How to read the file.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The condition that the others are compared with; `None`: the first one in the file.
    pub baseline: Option<String>,
    /// Equivalence margin, as a fraction.
    pub margin: f64,
    /// Confidence level of the intervals.
    pub level: f64,
    /// Metrics of which more is better, beside those whose unit is a rate.
    pub higher: Vec<String>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { baseline: None, margin: 0.02, level: 0.95, higher: Vec::new() }
    }
}

/// A file that is not understood. Lines count from 1, the header being the first.
#[derive(Debug, thiserror::Error)]
pub enum PairedError {
    /// Its bytes could not be had.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// It is no CSV, or not UTF-8.
    #[error("line {line}: {cause}")]
    Malformed {
        /// Where.
        line: u64,
        /// What the parser says.
        cause: String,
    },
    /// A column is not there.
    #[error("line 1: there is no column '{column}'; the header is '{found}'")]
    NoColumn {
        /// Which.
        column: &'static str,
        /// Those that are.
        found: String,
    },
    /// A column is there more than once.
    #[error("line 1: there is more than one column '{column}'")]
    TwoColumns {
        /// Which.
        column: &'static str,
    },
    /// A cell that should hold something.
    #[error("line {line}: column '{column}' is empty")]
    Empty {
        /// Where.
        line: u64,
        /// In which column.
        column: &'static str,
    },
    /// A value that is no number.
    #[error("line {line}: value '{value}' is no finite number")]
    NoNumber {
        /// Where.
        line: u64,
        /// What is there.
        value: String,
    },
    /// A second value for the same cell of the design.
    #[error(
        "line {line}: a second value of '{metric}' for '{condition}' in block '{block}' (the first is on line {first})"
    )]
    Twice {
        /// Where.
        line: u64,
        /// Of what.
        metric: String,
        /// Where it was measured.
        condition: String,
        /// In which block.
        block: String,
        /// The line of the first.
        first: u64,
    },
    /// One metric in two units.
    #[error("line {line}: '{metric}' is in '{unit}' here and in '{before}' above")]
    Units {
        /// Where.
        line: u64,
        /// Of what.
        metric: String,
        /// Here.
        unit: String,
        /// Above.
        before: String,
    },
    /// A baseline that no line has.
    #[error("no line has the condition '{name}'; there are {found}")]
    NoBaseline {
        /// Asked for.
        name: String,
        /// Those that are there.
        found: String,
    },
    /// No line but the header.
    #[error("there are no values")]
    NoValues,
}

/// Reads columns `block,condition,metric,value` and, if there is one, `unit`, in any order beside any others. Blocks come in the
/// order in which the file names them. A condition `NAME#null` is the baseline `NAME` a second time, as in a session.
pub fn paired(mut file: impl Read, reading: &Reading) -> Result<(Session, Vec<Trial>), PairedError> {
    let mut table = Table::default();
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(PairedError::Unreadable)?;
    let mut lines = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(&text[..]);
    let header = lines.headers().map_err(malformed)?.clone();
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = || header.iter().collect::<Vec<_>>().join(",");
        *place = find(&header, column)?.ok_or_else(|| PairedError::NoColumn { column, found: found() })?;
    }
    let unit_place = find(&header, "unit")?;
    for record in lines.records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, |place| line_of(&text, place));
        let mut cells = [""; COLUMNS.len()];
        for ((cell, place), column) in cells.iter_mut().zip(places).zip(COLUMNS) {
            *cell = record
                .get(place)
                .filter(|cell| !cell.is_empty())
                .ok_or(PairedError::Empty { line, column })?;
        }
        let unit = unit_place.and_then(|place| record.get(place)).unwrap_or_default();
        table.add(line, cells, unit)?;
    }
    table.session(reading)
}

/// The line of a record: its place is that of the empty lines before it.
fn line_of(text: &[u8], place: &csv::Position) -> u64 {
    let from = usize::try_from(place.byte()).ok().and_then(|start| text.get(start..)).unwrap_or_default();
    let empty = from.iter().take_while(|byte| b"\r\n".contains(byte)).filter(|byte| **byte == b'\n').count();
    place.line() + empty as u64
}

fn find(header: &csv::StringRecord, column: &'static str) -> Result<Option<usize>, PairedError> {
    let is_it = |cell: &str| cell.trim_start_matches('\u{feff}').eq_ignore_ascii_case(column);
    let mut found = header.iter().enumerate().filter(|(_, cell)| is_it(cell)).map(|(place, _)| place);
    match (found.next(), found.next()) {
        (place, None) => Ok(place),
        _ => Err(PairedError::TwoColumns { column }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form in which map_err gives it")]
fn malformed(error: csv::Error) -> PairedError {
    let line = error.position().map_or(1, csv::Position::line);
    PairedError::Malformed { line, cause: error.to_string() }
}

/// What the lines say, each name once.
#[derive(Default)]
struct Table {
    blocks: Names,
    conditions: Names,
    metrics: Names,
    units: Vec<String>,
    /// By block, condition and metric: the value and its line.
    values: BTreeMap<(usize, usize, usize), (f64, u64)>,
}

/// Names in the order in which they appear.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    index: BTreeMap<String, usize>,
}

impl Names {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.index.get(name) {
            return *place;
        }
        self.index.insert(name.to_owned(), self.list.len());
        self.list.push(name.to_owned());
        self.list.len() - 1
    }
}

impl Table {
    fn add(
        &mut self,
        line: u64,
        [block, condition, metric, value]: [&str; 4],
        unit: &str,
    ) -> Result<(), PairedError> {
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| PairedError::NoNumber { line, value: value.to_owned() })?;
        let cell = (self.blocks.place(block), self.conditions.place(condition), self.metrics.place(metric));
        if self.units.len() == cell.2 {
            self.units.push(unit.to_owned());
        }
        if self.units[cell.2] != unit {
            let before = self.units[cell.2].clone();
            return Err(PairedError::Units {
                line,
                metric: metric.to_owned(),
                unit: unit.to_owned(),
                before,
            });
        }
        match self.values.insert(cell, (number, line)) {
            None => Ok(()),
            Some((_, first)) => Err(PairedError::Twice {
                line,
                metric: metric.to_owned(),
                condition: condition.to_owned(),
                block: block.to_owned(),
                first,
            }),
        }
    }

    fn session(self, reading: &Reading) -> Result<(Session, Vec<Trial>), PairedError> {
        let name = reading.baseline.as_ref().or(self.conditions.list.first()).ok_or(PairedError::NoValues)?;
        if !self.conditions.index.contains_key(name) {
            let found = self.conditions.list.join(", ");
            return Err(PairedError::NoBaseline { name: name.clone(), found });
        }
        let workload = WorkloadSpec::plain("measured");
        let conditions: Vec<Condition> = self
            .conditions
            .list
            .iter()
            .map(|name| Condition { environment: named(name), workload: workload.clone() })
            .collect();
        let metrics: Vec<MetricDef> = self
            .metrics
            .list
            .iter()
            .zip(&self.units)
            .map(|(name, unit)| {
                let better = match is_rate(unit) || reading.higher.contains(name) {
                    true => Better::Higher,
                    false => Better::Lower,
                };
                MetricDef { name: name.clone().into(), unit: unit.clone().into(), better, headline: true }
            })
            .collect();
        let mut trials: BTreeMap<(usize, usize), Vec<Sample>> = BTreeMap::new();
        for ((block, condition, metric), (value, _)) in &self.values {
            let sample = Sample { metric: metrics[*metric].clone(), role: None, value: *value };
            trials.entry((*block, *condition)).or_default().push(sample);
        }
        let slots: Vec<Slot> =
            trials.keys().map(|&(block, condition)| Slot { block: number(block), condition }).collect();
        let trials = slots.iter().zip(trials.into_values()).enumerate();
        let trials = trials.map(|(index, (slot, samples))| trial(index, *slot, samples)).collect();
        let blocks = number(self.blocks.list.len());
        // Nobody knows what they were given; the report leaves it out.
        let cpus = CpuSet::new([0]).ok_or(PairedError::NoValues)?;
        let plan = Plan {
            baseline: named(name),
            conditions,
            order: slots,
            seed: 0,
            min_blocks: blocks,
            max_blocks: blocks,
            spare: 0,
            stopping: None,
            gate: None,
            time_limit: None,
            margin: reading.margin,
            level: reading.level,
            budget: Budget { cpus, memory: 0 },
            sampling: Sampling { rate: 0.0 },
            timeout: 0.0,
        };
        Ok((session(plan), trials))
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Work per second in the ways in which people write it; `ps` alone is a time.
fn is_rate(unit: &str) -> bool {
    let unit = unit.to_ascii_lowercase();
    let words = ["fps", "iops", "mips", "qps", "rps", "tps"];
    unit.ends_with("/s") || unit.ends_with("/sec") || unit.ends_with("bps") || words.contains(&unit.as_str())
}

/// A condition's name as an environment, whose only part that means anything here is what follows `#`: two names stay two
/// conditions even if they were one spec of ours.
fn named(name: &str) -> EnvironmentSpec {
    match name.rsplit_once('#') {
        Some((first, replica)) if !first.is_empty() && !replica.is_empty() => {
            EnvironmentSpec { replica: Some(replica.to_owned()), ..EnvironmentSpec::plain(first) }
        }
        _ => EnvironmentSpec::plain(name),
    }
}

fn session(plan: Plan) -> Session {
    Session {
        id: String::new(),
        started: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: Vec::new(),
        plan,
        host: HostFacts::default(),
        environments: BTreeMap::new(),
    }
}

fn trial(index: usize, slot: Slot, samples: Vec<Sample>) -> Trial {
    Trial { samples, ..Trial::new(number(index), slot, 0, Outcome::Completed) }
}

#[cfg(test)]
#[path = "paired_tests.rs"]
mod tests;
