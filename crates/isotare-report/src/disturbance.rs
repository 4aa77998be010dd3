//! The parts of a report about the session as a whole: disturbances, changes of the machine, and why the
//! session ended.

use isotare_core::Gate;
use serde::Serialize;

/// Disturbances of a session, and which blocks were repeated because of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disturbance {
    /// Thresholds of the canary, as multiples of its times when the session began.
    pub gate: Gate,
    /// Blocks that ran.
    pub blocks: u32,
    /// Number of blocks in the estimates.
    pub counted: u32,
    /// Numbers of the disturbed ones, in the order in which they ran.
    pub disturbed: Vec<u32>,
    /// Numbers of blocks that repeat others.
    pub repeats: Vec<u32>,
    /// Disturbed blocks that were replaced by repeats. They are stored, but are not part of the estimates.
    pub replaced: Vec<u32>,
    /// Disturbed blocks that are in the estimates.
    pub remaining: Vec<u32>,
    /// All of it as a sentence.
    pub sentence: String,
    /// The state of the machine around the trials of each environment.
    pub by_environment: Vec<DisturbanceRow>,
}

/// The state of the machine around the trials of one environment: medians over all its trials, from creation
/// to deletion. The host counts all processes, so an environment's own work is included.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DisturbanceRow {
    /// Where.
    pub environment: String,
    /// Trials with a record.
    pub trials: usize,
    /// The canary's arithmetic, before and after, over its time when the session began.
    pub canary_integer: Option<f64>,
    /// Its reads of memory likewise.
    pub canary_memory: Option<f64>,
    /// Share of its time without a CPU.
    pub canary_waited: Option<f64>,
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
    /// Time for which a CPU quota throttled the instance, s.
    pub throttled: Option<f64>,
    /// Page faults that had to wait for a device.
    pub major_faults: Option<f64>,
}

/// A change of the machine itself from the first third of the blocks to the last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// What changed: the canary, or the baseline under a workload.
    pub what: String,
    /// Time for the same work in the last third divided by that in the first, minus one. Above zero is
    /// slower.
    pub change: f64,
}

/// The precision at which a session was to end, and the one that it reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stopping {
    /// The half width of every interval at which the session was to end, on the log scale.
    pub target: f64,
    /// Whether it was requested; otherwise it is the default.
    pub requested: bool,
    /// Half the width of the widest interval among the first metrics; `None`: there is none.
    pub widest: Option<f64>,
    /// Where it is: environment and workload.
    pub place: Option<String>,
    /// Whether the target was reached.
    pub reached: bool,
    /// All of it as a sentence.
    pub sentence: String,
}
