//! The report: everything that any output shows, as plain values. Serialised as it is, it is the JSON contract;
//! fields are added but not renamed or removed within one [`SCHEMA_VERSION`].

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

/// What a session showed.
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
    /// Limit of processes and threads of every instance; `None`: not limited, or the values are those of others.
    pub processes: Option<u32>,
    /// Blocks with at least one trial.
    pub blocks: u32,
    /// The machine.
    pub host: HostFacts,
    /// Whether its processor was played by software, so that no time in the report means anything.
    pub emulated: bool,
    /// What holds for the whole report.
    pub warnings: Vec<Warning>,
    /// Every environment that was asked for, measured or not.
    pub environments: Vec<EnvironmentStatus>,
    /// The comparisons.
    pub results: Vec<ResultRow>,
    /// Values of detail metrics that cannot be compared: zero, or unknown to the baseline.
    pub unpaired: Vec<ResultRow>,
    /// The baseline's own values.
    pub baseline_values: Vec<BaselineRow>,
    /// The baseline against itself.
    pub null_test: NullTest,
    /// What disturbed the session, and what was done about it; `None`: nobody looked.
    pub disturbance: Option<Disturbance>,
    /// How the machine itself changed over the session.
    pub drift: Vec<Drift>,
    /// How precise the session was to become; `None`: no precision was asked for.
    pub stopping: Option<Stopping>,
    /// How long each phase took.
    pub lifecycle: Vec<LifecycleRow>,
    /// Host CPU time by role.
    pub cpu_by_role: Vec<CpuRow>,
    /// What the environments have in common and what not.
    pub ledger: Ledger,
    /// How trials ended.
    pub outcomes: Vec<OutcomeCounts>,
    /// What of the workloads' output was cut; `None`: nothing.
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
    /// Name of the metric; prefixed with a role and a dot if it is that role's share.
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
    /// Whether it is a null test: the baseline as a condition of its own.
    pub null: bool,
    /// Median over the used blocks.
    pub value: f64,
    /// The baseline's median over the same blocks.
    pub baseline_value: Option<f64>,
    /// Environment over baseline of the metric as it is; `None` if no block has both.
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
    /// What it shows, given the margin.
    pub verdict: Verdict,
    /// Two-sided p of this comparison alone.
    pub p: Option<f64>,
    /// Adjusted for all environments compared in this metric; a null test is judged alone.
    pub p_adjusted: Option<f64>,
    /// Blocks with a value of both.
    pub blocks: usize,
    /// Smallest overhead that such a session finds in four of five cases, as a fraction.
    pub minimum_detectable_effect: Option<f64>,
    /// Ratio of arithmetic means, which rare long trials weigh on as they last.
    pub mean_ratio: Option<f64>,
    /// Lower end of its interval.
    pub mean_low: Option<f64>,
    /// Upper end.
    pub mean_high: Option<f64>,
    /// How `ratio` and its interval were made.
    pub method: Option<Method>,
    /// What to know before believing it.
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

/// Something a reader has to know before believing a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Warning {
    /// What kind of thing, for programs.
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
    /// The baseline has no value to compare with.
    NoBaseline,
    /// Too few blocks for an interval that needs no normal noise.
    FewBlocks,
    /// There is no ratio, since a value has no logarithm.
    NoRatio,
    /// Trials of this comparison did not complete.
    LostTrials,
    /// The session was too short or too noisy to see the margin.
    TooNoisy,
    /// The clock inside ran fast or slow.
    Clock,
    /// A virtual machine without hardware support; of the whole report: the machine itself is one.
    Emulation,
    /// Better than the baseline, which isolation cannot explain.
    FasterThanBaseline,
    /// The environments did not get the same.
    Unfair,
    /// The session ended early.
    EndedEarly,
    /// Less spread than the other conditions can have: something waits a fixed time, or repeats an old result.
    TooSteady,
    /// The values fall into groups apart from each other.
    SeveralModes,
    /// Writes are confirmed sooner than the device can.
    SyncNotHonoured,
    /// Figures of one trial contradict each other.
    Impossible,
    /// The same values as another condition.
    Duplicate,
    /// The overhead rises or falls over the session.
    Trend,
    /// Compared across sessions, so that drift does not cancel.
    Unpaired,
    /// The machines or the bits are not the same.
    Different,
    /// Blocks in the estimates were disturbed from outside.
    Disturbed,
    /// The machine itself became faster or slower over the session.
    Drift,
    /// The precision that was asked for was not reached.
    Imprecise,
    /// Trials differ by what ran before them.
    CarryOver,
    /// The first trials are unlike all later ones.
    WarmUp,
    /// The baseline's output changes by itself, so it does not show that the same work was done.
    OutputChanges,
    /// Other output than the baseline's, which the user accepts.
    DifferentOutput,
    /// CPU time is as far below the baseline's as the time is.
    DidLessWork,
    /// Nobody knows whether the instance held all the files that the work needs.
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
    /// What else decides its speed.
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

/// What the comparison of the baseline with itself shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NullStatus {
    /// The interval of every null row is inside the margin.
    Passed,
    /// None differs, but at least one interval reaches beyond the margin.
    NotShown,
    /// The baseline differs from itself.
    Failed,
    /// The baseline was not compared with itself.
    Absent,
}

impl NullStatus {
    /// Whether nothing in the session should be believed without a second look.
    pub fn is_warning(self) -> bool {
        matches!(self, NullStatus::Failed | NullStatus::Absent)
    }
}

/// The verdict on the session itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NullTest {
    /// What the null rows show.
    pub status: NullStatus,
    /// Whether the baseline agrees with itself in every row that is judged; `None`: not shown, or not tested.
    pub calibrated: Option<bool>,
    /// Largest difference of the baseline from itself, as a fraction: differences below it mean nothing.
    pub noise_floor: Option<f64>,
    /// Smallest difference that would have been found in the noisiest row that is not shown, as a fraction.
    pub resolves: Option<f64>,
    /// Where it differs: workload with parameters, and metric.
    pub differs: Vec<String>,
    /// Where its interval reaches beyond the margin.
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
    /// Median CPU seconds per second of everything on the host, idle time apart.
    pub host: Option<f64>,
    /// Median of what is left of that without the roles: CPU seconds per second of everything that is not attributed to the
    /// instance. Without cgroup version 1 the host's time is good to a tick or two of each CPU: a small negative rest is no error
    /// then.
    pub unattributed: Option<f64>,
    /// Median CPU seconds of all roles for each unit of work, where the workload counts its work.
    pub seconds_per_event: Option<f64>,
    /// Trials with readings.
    pub trials: usize,
}

/// What the environments have in common and what not.
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
    /// Its value by environment; absent where nobody told and it is none of [`crate::RECORDS`].
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
    /// Whether its block is in the estimates; if not, a repeat stands for it.
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
    /// How far both clocks certainly came apart at any time in the trial, as a share of its length.
    pub clock_strayed: Option<f64>,
    /// What the machine was like around it.
    pub noise: Option<Noise>,
    /// What its workload wrote; `None`: it did not run.
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
    /// Whose share.
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
