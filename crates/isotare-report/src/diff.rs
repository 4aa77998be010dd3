//! The comparison of two sessions, as plain values. Its serialised form is the JSON output.

use crate::report::{ResultRow, Warning};
use isotare_core::MeasuredBy;
use isotare_stats::Verdict;
use serde::Serialize;

/// What changed from one session to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// [`SCHEMA_VERSION`](crate::SCHEMA_VERSION).
    pub schema_version: u32,
    /// The earlier session, or the one that was named first.
    pub before: DiffSide,
    /// The other.
    pub after: DiffSide,
    /// The baseline: the environment that the others are compared with.
    pub baseline: String,
    /// Equivalence margin, as a fraction.
    pub margin: f64,
    /// Confidence level of intervals.
    pub level: f64,
    /// Whether one of the machines was emulated in software.
    pub emulated: bool,
    /// Warnings that apply to the whole comparison.
    pub warnings: Vec<Warning>,
    /// Differences between the sessions.
    pub differences: Vec<Difference>,
    /// The comparisons.
    pub results: Vec<DiffRow>,
    /// Things that only one of the sessions has, as sentences.
    pub unmatched: Vec<String>,
}

/// One of the sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiffSide {
    /// Its identity.
    pub session: String,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// Version of isotare that measured.
    pub version: String,
    /// Blocks with at least one trial.
    pub blocks: usize,
}

/// A result with the overheads from which it was calculated.
///
/// In `row`, `value` is the value of the later session and `baseline_value` that of the earlier one. `ratio`
/// and `cost` are ratios of overheads, after divided by before. The row of the baseline has the ratio of its
/// values, which is unpaired and never has a verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiffRow {
    /// As a result of a session.
    #[serde(flatten)]
    pub row: ResultRow,
    /// The cost against the baseline in the earlier session; `None` in the baseline's own row.
    pub before: Option<Overhead>,
    /// The same in the later one.
    pub after: Option<Overhead>,
}

/// What an environment cost in one session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Overhead {
    /// Above 1 is worse than the baseline.
    pub cost: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Blocks with a value of both.
    pub blocks: usize,
}

/// A difference between the sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What differs.
    pub what: What,
    /// Name of the fact.
    pub fact: String,
    /// In the earlier session.
    pub before: String,
    /// In the later one.
    pub after: String,
}

/// What a [`Difference`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The machine.
    Machine,
    /// Isotare, or the files of an environment.
    Bits,
    /// CPUs, memory or sampling.
    Budget,
    /// A runtime. Comparing two versions of a runtime is often the purpose of such a comparison.
    Runtime,
}

/// Sessions that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// Their baselines differ.
    #[error("the baselines differ: {before} and {after}")]
    Baselines {
        /// Of the earlier session.
        before: String,
        /// Of the later one.
        after: String,
    },
    /// No environment has the same metric of the same workload in both.
    #[error("the sessions have no environment with the same workload, parameters and metric in common")]
    NothingShared,
}

impl Diff {
    /// Environments with an overhead that has increased, in the metrics of tables. The null test is not
    /// included.
    pub fn regressions(&self) -> impl Iterator<Item = &DiffRow> {
        self.shown().filter(|row| row.row.verdict == Verdict::Slower && !row.row.null)
    }

    /// Rows for tables.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &DiffRow> {
        self.results.iter().filter(|row| row.row.headline && row.row.source != MeasuredBy::Sampler)
    }

    /// Differences that make the sessions two different experiments.
    pub fn obstacles(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| difference.what != What::Runtime)
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} before, {} after", self.fact, self.before, self.after)
    }
}
