//! The record of one execution of a plan. The store keeps it, and reports are made from it.

use crate::{
    ClockCheck, Failure, Noise, Outcome, Plan, Reading, RuntimeInfo, Sample, Slot, Streams, Unavailable,
    WorkloadInfo,
};
use isotare_protocol::{Interval, Observation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One execution of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Identity: start time and random part, safe for file names.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// Version of isotare.
    pub version: String,
    /// The command line.
    pub argv: Vec<String>,
    /// What was to run.
    pub plan: Plan,
    /// The machine.
    pub host: HostFacts,
    /// The environments by spec: a description, or the reason why one is not available.
    pub environments: BTreeMap<String, Result<RuntimeInfo, Unavailable>>,
    /// What is known about the workloads, by spec. If a workload is missing here, nothing is known about it.
    pub workloads: BTreeMap<String, WorkloadInfo>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEnd {
    /// All blocks ran.
    Complete,
    /// Every interval reached the requested precision.
    Precise,
    /// The time limit was reached.
    TimeLimit,
    /// The user stopped it.
    Interrupted,
}

impl SessionEnd {
    /// Every end.
    pub const ALL: [SessionEnd; 4] =
        [SessionEnd::Complete, SessionEnd::Precise, SessionEnd::TimeLimit, SessionEnd::Interrupted];

    /// The word that every output uses for it.
    pub fn word(self) -> &'static str {
        match self {
            SessionEnd::Complete => "complete",
            SessionEnd::Precise => "precise",
            SessionEnd::TimeLimit => "time-limit",
            SessionEnd::Interrupted => "interrupted",
        }
    }
}

/// A description of the machine, and what can disturb a measurement on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Names and values. A fact that cannot be found out has the value `unknown`.
    pub facts: BTreeMap<String, String>,
    /// Sentences that say what was found and what to do about it.
    pub warnings: Vec<String>,
}

/// A named stretch of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The instance is created.
    Create,
    /// The runtime starts it.
    Start,
    /// Until the agent has said hello.
    Ready,
    /// The workload, its warm-up included.
    Exec,
    /// From the request to the agent to end, until the instance has ended.
    Stop,
    /// Everything that belongs to the instance is removed.
    Delete,
}

impl Phase {
    /// The word that every output uses for it.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Create => "create",
            Phase::Start => "start",
            Phase::Ready => "ready",
            Phase::Exec => "exec",
            Phase::Stop => "stop",
            Phase::Delete => "delete",
        }
    }
}

/// The time of a phase, or of a driver's mark in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// Name of a mark in the phase; `None`: the phase as a whole.
    pub mark: Option<String>,
    /// Start since the session began, ns.
    pub at_ns: u64,
    /// Length, ns; of a mark: since the start of its phase.
    pub took_ns: u64,
}

impl Trial {
    /// A trial of which only the outcome is known yet.
    pub fn new(index: u32, slot: Slot, at_ns: u64, outcome: Outcome) -> Self {
        Self {
            index,
            block: slot.block,
            condition: slot.condition,
            at_ns,
            outcome,
            failure: None,
            phases: Vec::new(),
            samples: Vec::new(),
            readings: Vec::new(),
            observations: Vec::new(),
            intervals: Vec::new(),
            latency: None,
            clock: None,
            noise: None,
            facts: BTreeMap::new(),
            output: None,
        }
    }

    /// When it ended, ns since the session began: the end of its last phase.
    pub fn end_ns(&self) -> u64 {
        let ends = self.phases.iter().filter(|phase| phase.mark.is_none());
        let ends = ends.map(|phase| phase.at_ns.saturating_add(phase.took_ns));
        ends.max().unwrap_or(0).max(self.at_ns)
    }

    /// The first metric of the workload that tables show. The rule for the precision uses this metric.
    pub fn headline(&self) -> Option<&Sample> {
        self.samples.iter().find(|sample| sample.metric.headline && sample.role.is_none())
    }
}

/// One executed trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Position in the session, from 0.
    pub index: u32,
    /// Block, from 0.
    pub block: u32,
    /// Index of the condition in the plan.
    pub condition: usize,
    /// Start since the session began, ns.
    pub at_ns: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not complete.
    pub failure: Option<Failure>,
    /// Its phases and marks, in order.
    pub phases: Vec<PhaseTime>,
    /// Trial-level values: the workload's and the samplers'.
    pub samples: Vec<Sample>,
    /// Readings of the host's counters in the measured window; their `at` is since the session began.
    pub readings: Vec<Reading>,
    /// Readings of the guest's counters.
    pub observations: Vec<Observation>,
    /// Events per interval, of built-in workloads.
    pub intervals: Vec<Interval>,
    /// Latency histogram, HDR V2 encoding, ns; of built-in workloads and commands.
    pub latency: Option<Vec<u8>>,
    /// Both clocks.
    pub clock: Option<ClockCheck>,
    /// The state of the machine around it. `None`: it did not run, or this was not checked.
    pub noise: Option<Noise>,
    /// The agent's facts and the driver's, for the ledger.
    pub facts: BTreeMap<String, String>,
    /// What the workload wrote; `None`: it did not run.
    pub output: Option<Streams>,
}
