//! What will run, in which order.

use crate::{Budget, EnvironmentSpec, WorkloadSpec};
use serde::{Deserialize, Serialize};

/// An experiment, expanded and ordered. The order is fixed before anything runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Every combination of environment and workload, baseline and null test included.
    pub conditions: Vec<Condition>,
    /// All trials, in order; `slot.condition` is an index into `conditions`.
    pub order: Vec<Slot>,
    /// Seed of the order.
    pub seed: u64,
    /// The environment that the others are compared with.
    pub baseline: EnvironmentSpec,
    /// Blocks that run whatever the time limit says.
    pub min_blocks: u32,
    /// Blocks in `order`.
    pub max_blocks: u32,
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
}

/// One cell of the design.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
