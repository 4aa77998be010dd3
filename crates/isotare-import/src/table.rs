//! Values by block, condition and metric, as a session with its trials.

use crate::Reading;
use isotare_core::{
    Budget, Condition, CpuSet, EnvironmentSpec, HostFacts, MetricDef, Outcome, Plan, Sample, Sampling,
    Session, Slot, Trial, WorkloadSpec,
};
use std::collections::BTreeMap;

/// Where a value belongs.
pub(crate) struct Cell<'a> {
    /// Its block.
    pub block: &'a str,
    /// Its environment and workload.
    pub condition: Condition,
    /// Its metric.
    pub metric: MetricDef,
}

/// Why a value cannot be added.
pub(crate) enum Clash {
    /// Its cell has a value already.
    Twice {
        /// Where the first comes from.
        first: u64,
    },
    /// The metric has another unit elsewhere in this workload.
    Units {
        /// That other unit.
        before: String,
    },
}

/// All values. Names are stored once, in the order in which they appear.
#[derive(Default)]
pub(crate) struct Table {
    blocks: BTreeMap<String, usize>,
    conditions: Vec<Condition>,
    places: BTreeMap<Condition, usize>,
    metrics: Vec<MetricDef>,
    metric_places: BTreeMap<(WorkloadSpec, String), usize>,
    /// By block, condition and metric: the value and where it comes from.
    values: BTreeMap<(usize, usize, usize), (f64, u64)>,
}

/// The number of a key. Keys are numbered in the order in which they first appear.
fn place<K: Ord>(places: &mut BTreeMap<K, usize>, key: K) -> usize {
    let next = places.len();
    *places.entry(key).or_insert(next)
}

impl Table {
    /// Adds a value. `origin`: the line that it comes from.
    pub fn add(&mut self, cell: Cell<'_>, value: f64, origin: u64) -> Result<(), Clash> {
        let workload = cell.condition.workload.clone();
        let block = place(&mut self.blocks, cell.block.to_owned());
        let metric = place(&mut self.metric_places, (workload, cell.metric.name.to_string()));
        let condition = place(&mut self.places, cell.condition.clone());
        if self.conditions.len() == condition {
            self.conditions.push(cell.condition);
        }
        match self.metrics.get(metric) {
            None => self.metrics.push(cell.metric),
            Some(known) if known.unit != cell.metric.unit => {
                return Err(Clash::Units { before: known.unit.to_string() });
            }
            Some(_) => {}
        }
        match self.values.insert((block, condition, metric), (value, origin)) {
            None => Ok(()),
            Some(first) => {
                self.values.insert((block, condition, metric), first);
                Err(Clash::Twice { first: first.1 })
            }
        }
    }

    /// Every environment once, in the order in which they appear.
    pub fn environments(&self) -> Vec<EnvironmentSpec> {
        let mut found: Vec<EnvironmentSpec> = Vec::new();
        for condition in &self.conditions {
            if !found.contains(&condition.environment) {
                found.push(condition.environment.clone());
            }
        }
        found
    }

    /// The values as trials of a session, in the order of blocks; `None` if there are none.
    pub fn session(self, baseline: EnvironmentSpec, reading: &Reading) -> Option<(Session, Vec<Trial>)> {
        // Their budget is not known; the report omits it.
        let cpus = CpuSet::new([0]).filter(|_| !self.values.is_empty())?;
        let mut trials: BTreeMap<(usize, usize), Vec<Sample>> = BTreeMap::new();
        for ((block, condition, metric), (value, _)) in &self.values {
            let sample = Sample::of_workload(self.metrics[*metric].clone(), *value);
            trials.entry((*block, *condition)).or_default().push(sample);
        }
        let slots: Vec<Slot> =
            trials.keys().map(|&(block, condition)| Slot { block: number(block), condition }).collect();
        let trials = slots.iter().zip(trials.into_values()).enumerate();
        let trials = trials.map(|(index, (slot, samples))| trial(index, *slot, samples)).collect();
        let blocks = number(self.blocks.len());
        let plan = Plan {
            baseline,
            conditions: self.conditions,
            order: slots,
            seed: 0,
            min_blocks: blocks,
            max_blocks: blocks,
            spare: 0,
            stopping: None,
            stopping_by_default: false,
            gate: None,
            time_limit: None,
            margin: reading.margin,
            level: reading.level,
            budget: Budget { cpus, memory: 0, processes: None },
            sampling: Sampling { rate: 0.0 },
            timeout: 0.0,
            output_limit: None,
            keep_output: false,
            accept_different_output: false,
        };
        Some((session(plan), trials))
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn session(plan: Plan) -> Session {
    let workloads = plan.conditions.iter().map(|condition| &condition.workload);
    let workloads = workloads.map(|spec| (spec.to_string(), crate::tools::info(spec))).collect();
    Session {
        id: String::new(),
        started: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: Vec::new(),
        plan,
        host: HostFacts::default(),
        environments: BTreeMap::new(),
        workloads,
    }
}

fn trial(index: usize, slot: Slot, samples: Vec<Sample>) -> Trial {
    Trial { samples, ..Trial::new(number(index), slot, 0, Outcome::Completed) }
}
