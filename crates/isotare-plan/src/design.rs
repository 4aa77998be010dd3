//! The design of an experiment (environments, workloads, number of blocks, precision), and the [`Plan`] that
//! is made from it.

use crate::schedule::schedule;
use isotare_core::{
    Budget, Condition, DEFAULT_MARGIN, EnvironmentSpec, Gate, OUTPUT_LIMIT, Plan, Sampling, WorkloadSpec,
};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Replica name of the baseline's second condition, which the null test uses.
pub const NULL_REPLICA: &str = "null";
/// Maximum number of blocks of a plan.
pub const LIMIT_BLOCKS: u32 = 100_000;
/// Maximum number of trials of a plan.
pub const LIMIT_TRIALS: usize = 1_000_000;

/// The thresholds for repeating a block. They are the same for every session. They were chosen on a shared
/// virtual machine with two busy CPUs. There, the canary's arithmetic varies by 14 % (95th percentile over
/// median). Its reads, which share the memory bandwidth with other virtual machines, vary by 60 %. It waits
/// for a CPU for 6 % of its time, and in one case of ten for a time slice of another process, which is up to
/// a third of its time. With a threshold of 10 %, most blocks were repeated unnecessarily. If a machine
/// exceeds the thresholds, its frequency has changed, or it really shares its cores, memory or CPUs.
pub const GATE: Gate = Gate { integer: 1.25, memory: 1.6, waited: 0.35 };

/// A complete design: all choices that a plan depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// The environments to compare. The baseline is added if it is not one of them.
    pub environments: Vec<EnvironmentSpec>,
    /// The workloads to run in each.
    pub workloads: Vec<WorkloadSpec>,
    /// The environment that the others are compared with.
    pub baseline: EnvironmentSpec,
    /// Whether the baseline also runs as a second condition that is compared with the first.
    pub null_test: bool,
    /// How many blocks.
    pub blocks: Blocks,
    /// Time limit, s: no block is started that would probably end later than this.
    pub time_limit: Option<f64>,
    /// The session stops once half the width of every interval is at most this, on the log scale.
    pub precision: Option<f64>,
    /// Whether `precision` is a default that nobody requested.
    pub precision_by_default: bool,
    /// Largest fraction of the blocks that may be repeated because something else disturbed them.
    pub repeats: f64,
    /// Equivalence margin, as a fraction.
    pub margin: f64,
    /// Confidence level of intervals.
    pub level: f64,
    /// CPUs and memory of every instance.
    pub budget: Budget,
    /// Which counters of the host are read during the measurement, and how often.
    pub sampling: Sampling,
    /// Timeout of each phase of a trial, s.
    pub timeout: f64,
    /// The maximum that a workload may write in a trial to standard output and standard error together,
    /// bytes.
    pub output_limit: u64,
    /// Whether the complete output is kept, not only the beginning and the end of each stream.
    pub keep_output: bool,
    /// Whether trials are accepted whose workload wrote a different output than the baseline's.
    pub accept_different_output: bool,
    /// Seed of the order.
    pub seed: u64,
}

/// The number of blocks: `min` run even if the time limit is over, `max` are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Fewest.
    pub min: u32,
    /// Most.
    pub max: u32,
}

/// Possible limits of processes. Runtimes start some tens of their own threads in an instance's cgroup before
/// the agent runs, so smaller limits cannot work. The kernel does not accept more than it has process numbers
/// (`PID_MAX_LIMIT`, include/linux/threads.h).
const PROCESSES: RangeInclusive<u32> = 64..=4_194_304;

/// A design that cannot run, or could not give a result. The help text is the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum DesignError {
    /// Nothing to compare.
    #[error("the design has no environment")]
    #[diagnostic(help("name at least one environment, such as container"))]
    NoEnvironment,
    /// Nothing to run.
    #[error("the design has no workload")]
    #[diagnostic(help("name at least one workload, such as cpu"))]
    NoWorkload,
    /// The same environment again.
    #[error("environment '{spec}' is given twice")]
    #[diagnostic(help(
        "remove one of them; to run the same environment twice, as two conditions, write the second one as \
         {spec}#NAME"
    ))]
    DuplicateEnvironment {
        /// Which.
        spec: EnvironmentSpec,
        /// The position of the second one in the design.
        index: usize,
    },
    /// The same workload again.
    #[error("workload '{spec}' is given twice")]
    #[diagnostic(help("remove one of them; to repeat a workload more often, run more blocks"))]
    DuplicateWorkload {
        /// Which.
        spec: WorkloadSpec,
        /// The position of the second one in the design.
        index: usize,
    },
    /// Too few blocks for an interval.
    #[error("{given} blocks are too few")]
    #[diagnostic(help(
        "run {needed} blocks or more: fewer pairs cannot give a {} % interval", percent(*level)
    ))]
    TooFewBlocks {
        /// Asked for.
        given: u32,
        /// Fewest that give an interval.
        needed: u32,
        /// The level.
        level: f64,
    },
    /// More blocks than allowed.
    #[error("{0} blocks are too many")]
    #[diagnostic(help("run at most {LIMIT_BLOCKS} blocks"))]
    TooManyBlocks(u32),
    /// The minimum number of blocks is larger than the maximum.
    #[error("the minimum number of blocks, {min}, is larger than the maximum, {max}")]
    #[diagnostic(help("lower the minimum or raise the maximum"))]
    BlocksReversed {
        /// Fewest.
        min: u32,
        /// Most.
        max: u32,
    },
    /// More trials than a session can have.
    #[error("{0} trials are too many")]
    #[diagnostic(help(
        "use fewer blocks or fewer conditions; a session can have at most {LIMIT_TRIALS} trials"
    ))]
    TooManyTrials(usize),
    /// A number outside its range.
    #[error("the {what} cannot be {value}")]
    #[diagnostic(help("it has to be {expected}"))]
    OutOfRange {
        /// Which, as the file names it.
        what: &'static str,
        /// The value.
        value: f64,
        /// The possible values.
        expected: &'static str,
    },
}

impl Blocks {
    /// Exactly this many, without a time limit.
    pub fn exactly(count: u32) -> Self {
        Self { min: count, max: count }
    }
}

impl Design {
    /// A design that lacks only environments and workloads: 20 blocks against `native` with a null test, up
    /// to a quarter of them repeated, 95 % intervals, a margin of 2 %, ten readings per second, phases of a
    /// minute, at most 8 GiB of output of each trial.
    pub fn new(budget: Budget, seed: u64) -> Self {
        Self {
            environments: Vec::new(),
            workloads: Vec::new(),
            baseline: EnvironmentSpec { driver: "native".to_owned(), given: Vec::new(), replica: None },
            null_test: true,
            blocks: Blocks::exactly(20),
            time_limit: None,
            precision: None,
            precision_by_default: false,
            repeats: 0.25,
            margin: DEFAULT_MARGIN,
            level: 0.95,
            budget,
            sampling: Sampling { rate: 10.0 },
            timeout: 60.0,
            output_limit: OUTPUT_LIMIT,
            keep_output: false,
            accept_different_output: false,
            seed,
        }
    }

    /// All errors of the design.
    pub fn check(&self) -> Vec<DesignError> {
        let mut errors = Vec::new();
        if self.environments.is_empty() {
            errors.push(DesignError::NoEnvironment);
        }
        if self.workloads.is_empty() {
            errors.push(DesignError::NoWorkload);
        }
        let twice = |(index, spec): (usize, &EnvironmentSpec)| DesignError::DuplicateEnvironment {
            spec: spec.clone(),
            index,
        };
        errors.extend(repeated(&self.environments, sorted_environment).map(twice));
        let twice = |(index, spec): (usize, &WorkloadSpec)| DesignError::DuplicateWorkload {
            spec: spec.clone(),
            index,
        };
        errors.extend(repeated(&self.workloads, sorted_workload).map(twice));
        let precision = self.precision.unwrap_or(0.5);
        let processes = self.budget.processes.unwrap_or(Budget::PROCESSES);
        let ranges = [
            ("level", self.level, (0.5..=0.9999).contains(&self.level), "from 0.5 to 0.9999"),
            ("margin", self.margin, self.margin > 0.0 && self.margin < 1.0, "between 0 and 1"),
            ("time", self.time_limit.unwrap_or(1.0), positive(self.time_limit.unwrap_or(1.0)), "positive"),
            ("precision", precision, precision > 0.0 && precision < 1.0, "between 0 and 1"),
            ("repeats", self.repeats, (0.0..=1.0).contains(&self.repeats), "from 0 to 1"),
            ("timeout", self.timeout, positive(self.timeout), "positive"),
            ("rate", self.sampling.rate, (0.0..=1000.0).contains(&self.sampling.rate), "from 0 to 1000"),
            ("memory", self.budget.memory as f64, self.budget.memory > 0, "positive"),
            ("output-limit", self.output_limit as f64, self.output_limit > 0, "positive"),
            ("processes", processes.into(), PROCESSES.contains(&processes), "from 64 to 4194304"),
        ];
        let outside = ranges.into_iter().filter(|&(_, _, valid, _)| !valid);
        errors.extend(outside.map(|(what, value, _, expected)| DesignError::OutOfRange {
            what,
            value,
            expected,
        }));
        errors.extend(self.check_blocks());
        errors
    }

    fn check_blocks(&self) -> Option<DesignError> {
        let Blocks { min, max } = self.blocks;
        let needed = fewest_blocks(self.level);
        let blocks = max.saturating_add(self.spare()) as usize;
        let trials = self.conditions().len().saturating_mul(blocks);
        match () {
            () if min.min(max) < needed => {
                Some(DesignError::TooFewBlocks { given: min.min(max), needed, level: self.level })
            }
            () if min > max => Some(DesignError::BlocksReversed { min, max }),
            () if max > LIMIT_BLOCKS => Some(DesignError::TooManyBlocks(max)),
            () if trials > LIMIT_TRIALS => Some(DesignError::TooManyTrials(trials)),
            () => None,
        }
    }

    /// Blocks that may be repeated.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
    fn spare(&self) -> u32 {
        // In binary, fractions such as 0.29 are slightly smaller than the decimal number.
        (f64::from(self.blocks.max) * self.repeats.clamp(0.0, 1.0) + 1e-9).floor() as u32
    }

    /// Every environment of every workload, the baseline first and its null replica last.
    fn conditions(&self) -> Vec<Condition> {
        let mut environments = self.environments.clone();
        let baseline = sorted_environment(&self.baseline);
        if !environments.iter().any(|environment| sorted_environment(environment) == baseline) {
            environments.insert(0, self.baseline.clone());
        }
        let null = self.baseline.replica(NULL_REPLICA);
        if self.null_test && !environments.contains(&null) {
            environments.push(null);
        }
        let cell = |workload: &WorkloadSpec, environment: EnvironmentSpec| Condition {
            environment,
            workload: workload.clone(),
        };
        self.workloads
            .iter()
            .flat_map(|workload| {
                environments.iter().map(move |environment| cell(workload, environment.clone()))
            })
            .collect()
    }
}

/// The plan of a design: its conditions and the order of all trials.
pub fn plan(design: &Design) -> Result<Plan, DesignError> {
    if let Some(error) = design.check().into_iter().next() {
        return Err(error);
    }
    let conditions = design.conditions();
    // The baseline as it is in the list of conditions, where its settings can have another order.
    let sorted = sorted_environment(&design.baseline);
    let baseline = conditions
        .iter()
        .map(|condition| &condition.environment)
        .find(|environment| sorted_environment(environment) == sorted)
        .unwrap_or(&design.baseline)
        .clone();
    Ok(Plan {
        order: schedule(&conditions, design.blocks.max + design.spare(), design.seed),
        conditions,
        seed: design.seed,
        baseline,
        min_blocks: design.blocks.min,
        max_blocks: design.blocks.max,
        spare: design.spare(),
        stopping: design.precision,
        stopping_by_default: design.precision_by_default,
        gate: Some(GATE),
        time_limit: design.time_limit,
        margin: design.margin,
        level: design.level,
        budget: design.budget.clone(),
        sampling: design.sampling,
        timeout: design.timeout,
        output_limit: Some(design.output_limit),
        keep_output: design.keep_output,
        accept_different_output: design.accept_different_output,
    })
}

/// The fewest pairs that can give an interval of this level: the widest signed-rank interval of n pairs, from
/// the smallest to the largest difference, covers 1 - 2/2^n.
pub fn fewest_blocks(level: f64) -> u32 {
    (1..64).find(|&n| 2.0_f64.powi(1 - n) <= (1.0 - level) * (1.0 + 1e-9)).map_or(64, i32::unsigned_abs)
}

fn positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn percent(level: f64) -> f64 {
    (level * 1e6).round() / 1e4
}

fn sorted_environment(spec: &EnvironmentSpec) -> EnvironmentSpec {
    let mut spec = spec.clone();
    spec.given.sort();
    spec
}

fn sorted_workload(spec: &WorkloadSpec) -> WorkloadSpec {
    let mut spec = spec.clone();
    spec.given.sort();
    spec
}

/// The items whose key an earlier one has, with their places.
fn repeated<T, K: Ord>(items: &[T], key: impl Fn(&T) -> K) -> impl Iterator<Item = (usize, &T)> {
    let mut seen = BTreeSet::new();
    items.iter().enumerate().filter(move |(_, item)| !seen.insert(key(item)))
}

#[cfg(test)]
mod tests;
