//! What will run, in which order.

use crate::{Budget, EnvironmentSpec, Gate, WorkloadSpec};
use serde::{Deserialize, Serialize};

/// Equivalence margin where nobody gives one, as a fraction: what a session of a few minutes resolves on a shared machine with
/// two cores.
pub const DEFAULT_MARGIN: f64 = 0.02;

/// An experiment, expanded and ordered. The order is fixed before anything runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Every combination of environment and workload, baseline and null test included.
    pub conditions: Vec<Condition>,
    /// All trials, block after block, those of spare blocks last; `slot.condition` is an index into `conditions`.
    pub order: Vec<Slot>,
    /// Seed of the order.
    pub seed: u64,
    /// The environment that the others are compared with.
    pub baseline: EnvironmentSpec,
    /// Blocks that run whatever the time limit says.
    pub min_blocks: u32,
    /// Blocks in `order` that are to run; those from this number on are spare.
    pub max_blocks: u32,
    /// Blocks in `order` beyond those, to repeat blocks that something else disturbed.
    pub spare: u32,
    /// No further blocks are needed once every interval is this narrow: half its width on the log scale, such as 0.01;
    /// `None`: precision ends nothing.
    pub stopping: Option<f64>,
    /// When a trial counts as disturbed; `None`: nobody looks.
    pub gate: Option<Gate>,
    /// No new block begins when it would probably end after this, s; `None`: all blocks run.
    pub time_limit: Option<f64>,
    /// Equivalence margin, as a fraction.
    pub margin: f64,
    /// Confidence level of intervals.
    pub level: f64,
    /// CPUs and memory of every instance.
    pub budget: Budget,
    /// What is read on the host meanwhile.
    pub sampling: Sampling,
    /// A phase longer than this is timed out, s. The `exec` phase gets it on top of the workload's own length.
    pub timeout: f64,
    /// A trial ends as failed once its workload has written more than this on standard output and standard error together,
    /// bytes; `None`: nothing ends it.
    pub output_limit: Option<u64>,
    /// Whether all that workloads write is kept, not only both ends of each stream.
    pub keep_output: bool,
    /// Whether trials count whose workload wrote something else than the baseline's.
    pub accept_different_output: bool,
}

impl Plan {
    /// How far the clocks of host and agent may come apart in a trial, as a share of its length: a tenth of the margin, so that
    /// no verdict hangs on it, but not less than the 100 ppm from which on the report warns, and not more than 1 %.
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

/// One trial to come.
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
