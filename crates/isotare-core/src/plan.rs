//! What will run, in which order.

use crate::{Budget, EnvironmentSpec, Gate, WorkloadSpec};
use serde::{Deserialize, Serialize};

/// The default equivalence margin, as a fraction. A session of a few minutes on a shared machine with two
/// cores can find differences of this size.
pub const DEFAULT_MARGIN: f64 = 0.02;

/// An experiment, expanded and ordered. The order is fixed before anything runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Every combination of environment and workload, baseline and null test included.
    pub conditions: Vec<Condition>,
    /// All trials, block after block, those of spare blocks last; `slot.condition` is an index into
    /// `conditions`.
    pub order: Vec<Slot>,
    /// Seed of the order.
    pub seed: u64,
    /// The environment that the others are compared with.
    pub baseline: EnvironmentSpec,
    /// Minimum number of blocks. They run even if the time limit is over.
    pub min_blocks: u32,
    /// Number of the regular blocks in `order`. The blocks after them are spare.
    pub max_blocks: u32,
    /// Number of spare blocks in `order`, which repeat blocks that something else disturbed.
    pub spare: u32,
    /// The session stops once every interval is at most this wide: half its width on the log scale, such as
    /// 0.01. `None`: it does not stop because of precision.
    pub stopping: Option<f64>,
    /// Whether `stopping` is a default that nobody requested. If it is not reached, nothing is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping_by_default: bool,
    /// When a trial counts as disturbed; `None`: this is not checked.
    pub gate: Option<Gate>,
    /// No new block begins when it would probably end after this, s; `None`: all blocks run.
    pub time_limit: Option<f64>,
    /// Equivalence margin, as a fraction.
    pub margin: f64,
    /// Confidence level of intervals.
    pub level: f64,
    /// CPUs and memory of every instance.
    pub budget: Budget,
    /// Which counters of the host are read during the measurement, and how often.
    pub sampling: Sampling,
    /// Timeout of each phase, s. For the `exec` phase, the workload's own length is added.
    pub timeout: f64,
    /// A trial is stopped as failed if its workload writes more than this to standard output and standard
    /// error together, bytes. `None`: no limit.
    pub output_limit: Option<u64>,
    /// Whether the complete output of workloads is kept, not only the beginning and the end of each stream.
    pub keep_output: bool,
    /// Whether trials are accepted whose workload wrote a different output than the baseline's.
    pub accept_different_output: bool,
}

impl Plan {
    /// How far the clocks of host and agent may differ in a trial, as a fraction of its length. It is a tenth
    /// of the margin, so that it cannot change a verdict, but at least 100 ppm, from which on the report
    /// warns, and at most 1 %.
    pub fn clock_tolerance(&self) -> f64 {
        (self.margin / 10.0).clamp(100e-6, 0.01)
    }

    /// The trials of a block, in their order.
    pub fn block(&self, number: u32) -> &[Slot] {
        let per_block = self.conditions.len();
        let start = per_block.saturating_mul(number as usize);
        self.order.get(start..start.saturating_add(per_block)).unwrap_or_default()
    }
}

/// One cell of the design.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Condition {
    /// Where.
    pub environment: EnvironmentSpec,
    /// What.
    pub workload: WorkloadSpec,
}

/// One planned trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Block, from 0.
    pub block: u32,
    /// Index of the condition.
    pub condition: usize,
}

/// Host-side sampling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Readings per second while a workload is measured; 0: only at its start and end.
    pub rate: f64,
}
