//! What a report says about the session as a whole: what disturbed it, how the machine drifted, and why it ended when it did.

use isotare_core::Gate;
use serde::Serialize;

/// What disturbed a session, and what was done about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disturbance {
    /// Thresholds of the native probe, as multiples of its times when the session began.
    pub gate: Gate,
    /// Blocks that ran.
    pub blocks: u32,
    /// Blocks that the estimates are made from.
    pub counted: u32,
    /// Numbers of the disturbed ones, in the order in which they ran.
    pub disturbed: Vec<u32>,
    /// Numbers of blocks that repeat others.
    pub repeats: Vec<u32>,
    /// Disturbed blocks that repeats stand for: kept, but not in the estimates.
    pub replaced: Vec<u32>,
    /// Disturbed blocks that are in the estimates.
    pub remaining: Vec<u32>,
    /// All of it as a sentence.
    pub sentence: String,
    /// What the machine was like around the trials of each environment.
    pub by_environment: Vec<DisturbanceRow>,
}

/// What the machine was like around the trials of one environment: medians over all its trials, from creation to deletion.
/// Whoever caused it: an environment's own work is part of what the host counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DisturbanceRow {
    /// Where.
    pub environment: String,
    /// Trials with a record.
    pub trials: usize,
    /// The native probe's arithmetic, before and after, over its time when the session began.
    pub probe_integer: Option<f64>,
    /// Its reads of memory likewise.
    pub probe_memory: Option<f64>,
    /// Share of its time without a CPU.
    pub probe_waited: Option<f64>,
    /// Time in which some task of the host waited for a CPU, s.
    pub pressure_cpu: Option<f64>,
    /// Time in which some task of the host waited for memory, s.
    pub pressure_memory: Option<f64>,
    /// Time in which some task of the host waited for I/O, s.
    pub pressure_io: Option<f64>,
    /// CPU time that the hypervisor gave to others, s.
    pub steal: Option<f64>,
    /// Time that tasks waited in run queues, s.
    pub run_delay: Option<f64>,
    /// Time for which a CPU quota held the instance back, s.
    pub throttled: Option<f64>,
    /// Page faults that had to wait for a device.
    pub major_faults: Option<f64>,
}

/// A change of the machine itself from the first third of the blocks to the last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// What shows it: the native probe, or the baseline under a workload.
    pub what: String,
    /// Time for the same work in the last third over that in the first, less one: above zero is slower.
    pub change: f64,
}

/// How precise a session was to become, and has become.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stopping {
    /// Half the width of every interval that was asked for, on the log scale.
    pub target: f64,
    /// Half the width of the widest one of the first figures; `None`: there is none.
    pub widest: Option<f64>,
    /// Where it is: environment and workload.
    pub place: Option<String>,
    /// Whether the target was reached.
    pub reached: bool,
    /// All of it as a sentence.
    pub sentence: String,
}
