//! The report: the content of all outputs, as plain values. Its serialised form is the JSON output. Within
//! one [`SCHEMA_VERSION`], fields can be added, but not renamed or removed.

use crate::disturbance::{Disturbance, Drift, Stopping};
use crate::output::{CutOutput, OutputRow};
use isotare_core::{Better, Failure, HostFacts, MeasuredBy, Noise, Outcome, Phase, Role, SessionEnd};
use isotare_stats::{Method, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the serialised form of [`Report`].
pub const SCHEMA_VERSION: u32 = 1;

/// Name of the workload under which the phases of an instance's life are compared.
pub const LIFECYCLE: &str = "lifecycle";

/// The results of a session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Identity of the session.
    pub session: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// Version of isotare that measured.
    pub version: String,
    /// Its command line.
    pub argv: Vec<String>,
    /// The file that the values were read from; `None`: isotare measured them.
    pub origin: Option<String>,
    /// Seed of the order of trials.
    pub seed: Option<u64>,
    /// How the session ended; `None`: it did not end by itself, or still runs.
    pub end: Option<SessionEnd>,
    /// The environment that the others are compared with.
    pub baseline: String,
    /// Equivalence margin, as a fraction.
    pub margin: f64,
    /// Confidence level of intervals.
    pub level: f64,
    /// CPUs of every instance, as a list.
    pub cpus: Option<String>,
    /// Memory of every instance, bytes.
    pub memory: Option<u64>,
    /// Limit of processes and threads of every instance; `None`: not limited, or another tool measured the
    /// values.
    pub processes: Option<u32>,
    /// Blocks with at least one trial.
    pub blocks: u32,
    /// The machine.
    pub host: HostFacts,
    /// Whether its processor was emulated in software. If so, the times in the report say nothing about real
    /// speed.
    pub emulated: bool,
    /// Warnings that apply to the whole report.
    pub warnings: Vec<Warning>,
    /// Every requested environment, measured or not.
    pub environments: Vec<EnvironmentStatus>,
    /// The comparisons.
    pub results: Vec<ResultRow>,
    /// Values of detail metrics that cannot be compared: zero, or unknown to the baseline.
    pub unpaired: Vec<ResultRow>,
    /// The baseline's own values.
    pub baseline_values: Vec<BaselineRow>,
    /// The baseline against itself.
    pub null_test: NullTest,
    /// Disturbances of the session, and which blocks were repeated because of them; `None`: this was not
    /// checked.
    pub disturbance: Option<Disturbance>,
    /// How the machine itself changed over the session.
    pub drift: Vec<Drift>,
    /// The precision at which the session was to end, and the one that it reached; `None`: it was not to end
    /// at any.
    pub stopping: Option<Stopping>,
    /// How long each phase took.
    pub lifecycle: Vec<LifecycleRow>,
    /// Host CPU time by role.
    pub cpu_by_role: Vec<CpuRow>,
    /// The facts that environments have in common, and those that differ.
    pub ledger: Ledger,
    /// How trials ended.
    pub outcomes: Vec<OutcomeCounts>,
    /// How much of the workloads' output was cut; `None`: nothing.
    pub cut_output: Option<CutOutput>,
    /// Every trial.
    pub trials: Vec<TrialRow>,
}

/// One environment compared with the baseline in one metric of one workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResultRow {
    /// Name of the workload.
    pub workload: String,
    /// Its settings as given.
    pub parameters: BTreeMap<String, String>,
    /// Name of the metric. If it is the value of one role, the name of the role and a dot are in front.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// Whether tables show it.
    pub headline: bool,
    /// Who measured it.
    pub source: MeasuredBy,
    /// Where it was measured.
    pub environment: String,
    /// What it is compared with.
    pub baseline: String,
    /// Whether it is a null test: a replica of the baseline.
    pub null: bool,
    /// Median over the used blocks.
    pub value: f64,
    /// The baseline's median over the same blocks.
    pub baseline_value: Option<f64>,
    /// The environment's value divided by the baseline's; `None` if no block has both.
    pub ratio: Option<f64>,
    /// Lower end of its interval; `None` below two usable blocks.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Confidence level, pointwise.
    pub level: f64,
    /// The ratio turned so that above 1 is always worse.
    pub cost: Option<f64>,
    /// Lower end of its interval.
    pub cost_low: Option<f64>,
    /// Upper end.
    pub cost_high: Option<f64>,
    /// The verdict, given the margin.
    pub verdict: Verdict,
    /// Two-sided p of this comparison alone.
    pub p: Option<f64>,
    /// The p adjusted for all environments that are compared in this metric. A null test is not adjusted.
    pub p_adjusted: Option<f64>,
    /// Blocks with a value of both.
    pub blocks: usize,
    /// Smallest overhead that a session of this length and noise finds in four of five cases, as a fraction.
    pub minimum_detectable_effect: Option<f64>,
    /// Ratio of arithmetic means. Rare long trials have a large influence on it.
    pub mean_ratio: Option<f64>,
    /// Lower end of its interval.
    pub mean_low: Option<f64>,
    /// Upper end.
    pub mean_high: Option<f64>,
    /// The method for `ratio` and its interval.
    pub method: Option<Method>,
    /// Warnings about this result.
    pub warnings: Vec<Warning>,
}

/// A metric of the baseline itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselineRow {
    /// Name of the workload.
    pub workload: String,
    /// Its settings as given.
    pub parameters: BTreeMap<String, String>,
    /// Name of the metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// Whether tables show it.
    pub headline: bool,
    /// Who measured it.
    pub source: MeasuredBy,
    /// Median over its blocks; `None` if the baseline never completed.
    pub value: Option<f64>,
    /// Its blocks.
    pub blocks: usize,
}

/// A warning: something that a reader has to know before using a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Warning {
    /// The kind of warning, for programs.
    pub kind: WarningKind,
    /// A sentence, for people.
    pub message: String,
}

/// Kinds of [`Warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// The baseline differs from itself, or was not compared with itself.
    NotCalibrated,
    /// The baseline does not have a value to compare with.
    NoBaseline,
    /// Too few blocks for an interval that does not assume normally distributed noise.
    FewBlocks,
    /// There is no ratio, because a value is zero or negative.
    NoRatio,
    /// Trials of this comparison did not complete.
    LostTrials,
    /// The session was too short or too noisy to find differences of the size of the margin.
    TooNoisy,
    /// The clock inside ran fast or slow.
    Clock,
    /// A virtual machine without hardware support. In the warnings of the whole report: the machine itself is
    /// emulated.
    Emulation,
    /// The environment is better than the baseline, which isolation cannot explain.
    FasterThanBaseline,
    /// The environments had different resources.
    Unfair,
    /// The session ended early.
    EndedEarly,
    /// The values vary much less than those of the other conditions. It may wait a fixed time, or repeat an
    /// old result.
    TooSteady,
    /// The values form separate groups.
    SeveralModes,
    /// Writes are confirmed before they are durable.
    SyncNotHonoured,
    /// Figures of one trial contradict each other.
    Impossible,
    /// The same values as another condition.
    Duplicate,
    /// The overhead rises or falls over the session.
    Trend,
    /// Compared across sessions, so changes of the machine do not cancel.
    Unpaired,
    /// The machines or the measured files are not the same.
    Different,
    /// Blocks in the estimates were disturbed from outside.
    Disturbed,
    /// The machine itself became faster or slower over the session.
    Drift,
    /// The requested precision was not reached.
    Imprecise,
    /// The result of a trial depends on the environment that ran before it.
    CarryOver,
    /// The first trials are different from all later ones.
    WarmUp,
    /// The baseline's output changes from trial to trial, so it cannot show whether the same work was done.
    OutputChanges,
    /// The output differs from the baseline's, and the user accepts this.
    DifferentOutput,
    /// Time and CPU time are both far below the baseline's, so less work was done.
    DidLessWork,
    /// It is not known whether the instance contained all the files that the work needs.
    Incomplete,
}

/// An environment and whether it was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnvironmentStatus {
    /// As the user wrote it.
    pub environment: String,
    /// Whether it was measured.
    pub status: Status,
    /// Version of the runtime.
    pub version: Option<String>,
    /// Other facts that affect its speed.
    pub details: BTreeMap<String, String>,
    /// Why it was not measured.
    pub reason: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Completed trials.
    pub completed: u32,
    /// All trials.
    pub trials: u32,
}

/// Whether an environment was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// At least one trial completed.
    Measured,
    /// It does not work on this machine.
    Unavailable,
    /// It seemed to work, but no trial completed.
    NothingCompleted,
    /// The session ended before its first trial.
    NotReached,
}

/// The result of the null test, in which the baseline is compared with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NullStatus {
    /// The interval of every null row is inside the margin.
    Passed,
    /// No row differs, but at least one interval reaches beyond the margin.
    NotShown,
    /// The baseline differs from itself.
    Failed,
    /// The baseline was not compared with itself.
    Absent,
}

impl NullStatus {
    /// Whether the results of the session need to be checked before they are used.
    pub fn is_warning(self) -> bool {
        matches!(self, NullStatus::Failed | NullStatus::Absent)
    }
}

/// The result of the null test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NullTest {
    /// The outcome of the null rows.
    pub status: NullStatus,
    /// Whether the baseline agrees with itself in every row that is judged; `None`: inconclusive, or not
    /// tested.
    pub calibrated: Option<bool>,
    /// Largest difference of the baseline from itself, as a fraction. Smaller differences between
    /// environments are not meaningful.
    pub noise_floor: Option<f64>,
    /// Smallest difference that would have been found in the noisiest inconclusive row, as a fraction.
    pub resolves: Option<f64>,
    /// The rows that differ: workload with parameters, and metric.
    pub differs: Vec<String>,
    /// The rows whose interval reaches beyond the margin.
    pub not_shown: Vec<String>,
    /// Metrics of tables that are not judged.
    pub left_out: Vec<String>,
    /// The verdict as a sentence.
    pub sentence: String,
}

/// Phases of one environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LifecycleRow {
    /// Where.
    pub environment: String,
    /// Median length over completed trials, s, by phase.
    pub phases: BTreeMap<Phase, f64>,
    /// Median of create + start + ready, s.
    pub startup: Option<f64>,
    /// Median moment of each mark since the start of its phase, s.
    pub marks: Vec<MarkRow>,
    /// Completed trials.
    pub trials: usize,
}

/// A mark in a phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarkRow {
    /// In which phase.
    pub phase: Phase,
    /// Its name.
    pub mark: String,
    /// Median since the start of the phase, s.
    pub after: f64,
}

impl Report {
    /// The roles whose CPU time was seen anywhere, in the order of tables.
    pub(crate) fn roles(&self) -> Vec<Role> {
        let seen = |role: &Role| self.cpu_by_role.iter().any(|row| row.roles.contains_key(role));
        Role::ALL.into_iter().filter(seen).collect()
    }
}

/// Host CPU time of one environment under one workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CpuRow {
    /// Name of the workload.
    pub workload: String,
    /// Its settings as given.
    pub parameters: BTreeMap<String, String>,
    /// Where.
    pub environment: String,
    /// Median CPU seconds per second of the measured window, by role; roles without readings are absent.
    pub roles: BTreeMap<Role, f64>,
    /// Median CPU seconds per second of everything on the host, without idle time.
    pub host: Option<f64>,
    /// Median of that time minus the time of all roles: CPU seconds per second of everything that is not
    /// attributed to the instance. Without cgroup version 1, the host's time is exact only to one or two
    /// ticks of each CPU, so a small negative value is not an error.
    pub unattributed: Option<f64>,
    /// Median CPU seconds of all roles for each unit of work, if the workload counts its work.
    pub seconds_per_event: Option<f64>,
    /// Trials with readings.
    pub trials: usize,
}

/// The facts that environments have in common, and those that differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// Facts that differ between environments.
    pub differs: Vec<LedgerRow>,
    /// Facts that are the same in all of them.
    pub same: BTreeMap<String, String>,
}

/// A fact that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LedgerRow {
    /// Its name.
    pub fact: String,
    /// Its value by environment. It is absent if it is not known and not one of [`crate::RECORDS`].
    pub values: BTreeMap<String, String>,
    /// Why the difference makes the comparison unfair; `None`: it is part of what is compared.
    pub warning: Option<String>,
}

/// How the trials of one environment ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutcomeCounts {
    /// Where.
    pub environment: String,
    /// Number of trials by outcome; those that did not occur are absent.
    pub counts: BTreeMap<&'static str, u32>,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialRow {
    /// Position in the session.
    pub index: u32,
    /// Block.
    pub block: u32,
    /// Where.
    pub environment: String,
    /// Name of the workload.
    pub workload: String,
    /// Its settings as given.
    pub parameters: BTreeMap<String, String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not complete.
    pub failure: Option<Failure>,
    /// Whether its block is in the estimates. If not, the block was replaced by a repeat.
    pub counted: bool,
    /// Start since the session began, s.
    pub at: f64,
    /// Phases and marks.
    pub phases: Vec<PhaseRow>,
    /// Its values.
    pub samples: Vec<SampleRow>,
    /// Seconds of the agent's clock per second of the host's.
    pub clock_rate: Option<f64>,
    /// Bound on the error of `clock_rate`.
    pub clock_bound: Option<f64>,
    /// The difference between both clocks that the readings prove, at any time in the trial, as a fraction of
    /// its length.
    pub clock_strayed: Option<f64>,
    /// The state of the machine around it.
    pub noise: Option<Noise>,
    /// The output of its workload; `None`: it did not run.
    pub output: Option<OutputRow>,
}

/// A phase, or a mark in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseRow {
    /// Which.
    pub phase: Phase,
    /// Name of a mark; `None`: the phase as a whole.
    pub mark: Option<String>,
    /// Start since the session began, s.
    pub at: f64,
    /// Length, s.
    pub took: f64,
}

/// A value of a trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleRow {
    /// What was measured.
    pub metric: String,
    /// The role that it belongs to.
    pub role: Option<Role>,
    /// Its unit.
    pub unit: String,
    /// The value.
    pub value: f64,
}

impl EnvironmentStatus {
    /// Why there is no value, in words; `None` if it was measured.
    pub fn why_not(&self) -> Option<String> {
        let word = match self.status {
            Status::Measured => return None,
            Status::Unavailable => "unavailable",
            Status::NothingCompleted => "no trial completed",
            Status::NotReached => "not reached",
        };
        let parts: Vec<&str> = [Some(word), self.reason.as_deref()]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        let why = parts.join(": ");
        Some(match self.remedy.as_deref().filter(|remedy| !remedy.is_empty()) {
            Some(remedy) => format!("{why}; {remedy}"),
            None => why,
        })
    }
}

/// A workload with its parameters, as people read it.
pub fn workload_label(workload: &str, parameters: &BTreeMap<String, String>) -> String {
    isotare_core::workload_label(
        workload,
        parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())),
    )
}
