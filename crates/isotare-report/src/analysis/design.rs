//! The environments and workloads of a session, and to which of them each trial belongs.

use super::blocks::Blocks;
use isotare_core::{EnvironmentSpec, Outcome, Session, Trial, WorkloadInfo, WorkloadSpec};
use std::collections::BTreeMap;

/// The conditions of a plan as a grid, with the trials in it.
pub(super) struct Design<'a> {
    /// Environments: the baseline, its replicas, then the others in the order of the plan.
    pub environments: Vec<Arm>,
    /// Workloads in the order of the plan.
    pub workloads: Vec<&'a WorkloadSpec>,
    /// What is needed to interpret the figures of each of them.
    infos: Vec<WorkloadInfo>,
    /// Grid place of each condition of the plan.
    places: Vec<Place>,
    /// Trials whose condition is in the plan.
    pub trials: Vec<(Place, &'a Trial)>,
    /// The blocks that they belong to.
    pub blocks: Blocks,
}

/// An environment of the grid.
pub(super) struct Arm {
    /// As the user wrote it.
    pub name: String,
    /// The same without its replica name.
    pub original: String,
    /// Whether the others are compared with it.
    pub is_baseline: bool,
    /// Whether it is a replica of the baseline.
    pub is_null: bool,
}

/// Where in the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the environment.
    pub environment: usize,
    /// Index of the workload.
    pub workload: usize,
}

impl<'a> Design<'a> {
    pub fn new(session: &'a Session, trials: &'a [Trial]) -> Self {
        let plan = &session.plan;
        let mut specs: Vec<&EnvironmentSpec> = vec![&plan.baseline];
        let mut workloads: Vec<&WorkloadSpec> = Vec::new();
        for condition in &plan.conditions {
            if !specs.contains(&&condition.environment) {
                specs.push(&condition.environment);
            }
            if !workloads.contains(&&condition.workload) {
                workloads.push(&condition.workload);
            }
        }
        specs.sort_by_key(|spec| {
            let arm = arm_of(spec, &plan.baseline);
            (!arm.is_baseline, !arm.is_null)
        });
        let places: Vec<Place> = plan
            .conditions
            .iter()
            .map(|condition| Place {
                environment: position(&specs, &&condition.environment),
                workload: position(&workloads, &&condition.workload),
            })
            .collect();
        let blocks = Blocks::of(plan, trials);
        let trials = trials.iter().filter_map(|trial| Some((*places.get(trial.condition)?, trial))).collect();
        let environments = specs.iter().map(|spec| arm_of(spec, &plan.baseline)).collect();
        let info =
            |spec: &&WorkloadSpec| session.workloads.get(&spec.to_string()).cloned().unwrap_or_default();
        let infos = workloads.iter().map(info).collect();
        Self { environments, workloads, infos, places, trials, blocks }
    }

    /// The trials that completed.
    pub fn completed(&self) -> impl Iterator<Item = (Place, &'a Trial)> {
        self.trials.iter().copied().filter(|(_, trial)| trial.outcome == Outcome::Completed)
    }

    /// The completed trials that are used for estimates. Trials of blocks that were replaced by a repeat are
    /// not included.
    pub fn counted(&self) -> impl Iterator<Item = (Place, &'a Trial)> {
        self.completed().filter(|(_, trial)| self.is_counted(trial))
    }

    /// Whether the block of a trial was not replaced by a repeat.
    pub fn is_counted(&self, trial: &Trial) -> bool {
        !self.blocks.replaced.contains(&trial.block)
    }

    /// The place of a condition's trials in the grid; `None` if the plan has no such condition.
    pub fn place(&self, condition: usize) -> Option<Place> {
        self.places.get(condition).copied()
    }

    /// Settings of a workload as given.
    pub fn parameters(&self, workload: usize) -> BTreeMap<String, String> {
        let pairs = self.workloads.get(workload).into_iter().flat_map(|spec| spec.pairs());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// What is needed to interpret the figures of a workload.
    pub fn info(&self, workload: usize) -> &WorkloadInfo {
        &self.infos[workload]
    }

    /// Name of a workload.
    pub fn workload_name(&self, workload: usize) -> &'a str {
        self.workloads.get(workload).map_or("", |spec| &spec.name)
    }
}

fn position<T: PartialEq>(items: &[T], item: &T) -> usize {
    items.iter().position(|other| other == item).unwrap_or_default()
}

fn arm_of(spec: &EnvironmentSpec, baseline: &EnvironmentSpec) -> Arm {
    let first = |spec: &EnvironmentSpec| EnvironmentSpec { replica: None, ..spec.clone() };
    let is_baseline = spec == baseline;
    Arm {
        name: spec.to_string(),
        original: first(spec).to_string(),
        is_baseline,
        is_null: !is_baseline && first(spec) == first(baseline),
    }
}
