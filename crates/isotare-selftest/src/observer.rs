//! The overhead of sampling: native with all samplers compared with native without samplers, in the same
//! blocks.

use isotare_core::{Driver, EnvironmentSpec, Plan, Settings, WorkloadSpec};
use isotare_drivers::Native;
use isotare_plan::Design;
use isotare_report::{LIFECYCLE, Report, workload_label};
use isotare_runner::Work;
use serde::Serialize;

/// The allowed overhead of sampling, as a fraction.
pub const TARGET: f64 = 0.005;
/// Its name in the option --kind.
pub const OBSERVER: &str = "observer";
/// Replica name of native without samplers.
const UNOBSERVED: &str = "unobserved";

/// The overhead of sampling one workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObserverCost {
    /// The workload with its settings; `lifecycle` is the start-up of an instance, which is never observed.
    pub workload: String,
    /// The metric that is compared.
    pub metric: String,
    /// The ratio of the times with and without samplers.
    pub ratio: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Blocks with a value of both.
    pub blocks: usize,
    /// Smallest overhead that a session of this length and noise finds in four of five cases, as a fraction.
    pub resolves: Option<f64>,
    /// Whether the overhead is shown to be below [`TARGET`], or above it; `None`: neither.
    pub within_target: Option<bool>,
    /// Seconds that sampling adds, as the difference of medians. Only the row of the start-up has it.
    pub adds: Option<f64>,
    /// The session that measured it.
    pub session: String,
}

/// The design of the session: every built-in workload that does its work inside one instance, as the quick
/// suite runs it.
pub fn observer_design(base: &Design) -> Design {
    let native = EnvironmentSpec::plain(Native.name());
    let mut workloads = isotare_workloads::quick_suite();
    for name in ["mutex", "network"] {
        workloads.push(WorkloadSpec {
            name: name.to_owned(),
            given: vec![("threads".to_owned(), "2".to_owned())],
        });
    }
    Design {
        baseline: native.replica(UNOBSERVED),
        environments: vec![native],
        workloads,
        null_test: false,
        ..base.clone()
    }
}

/// What the conditions of its plan mean, in the plan's order.
pub fn observer_works(plan: &Plan) -> Result<Vec<Work>, String> {
    plan.conditions
        .iter()
        .map(|condition| {
            let spec = &condition.workload;
            let workload = isotare_workloads::find(&spec.name)
                .ok_or_else(|| format!("the workload '{}' is not known", spec.name))?;
            let settings =
                Settings::check(&format!("workload {}", spec.name), workload.settings(), spec.pairs())
                    .map_err(|error| error.to_string())?;
            Ok(Work {
                driver: (&Native, Settings::default()),
                workload: Box::new(workload),
                settings,
                fixed: Vec::new(),
                is_observed: condition.environment.replica.is_none(),
            })
        })
        .collect()
}

/// What the session's report says: a row for each workload, and the start-up.
pub fn observer_costs(report: &Report) -> Vec<ObserverCost> {
    let rows = report.results.iter().filter(|row| row.headline && row.environment == Native.name());
    rows.filter_map(|row| {
        let (low, high) = (row.cost_low?, row.cost_high?);
        let is_startup = row.workload == LIFECYCLE;
        if is_startup && row.metric != "startup" {
            return None;
        }
        Some(ObserverCost {
            workload: workload_label(&row.workload, &row.parameters),
            metric: row.metric.clone(),
            ratio: row.cost?,
            low,
            high,
            blocks: row.blocks,
            resolves: row.minimum_detectable_effect,
            within_target: judged(low, high),
            adds: is_startup.then(|| Some(row.value - row.baseline_value?)).flatten(),
            session: report.session.clone(),
        })
    })
    .collect()
}

/// Whether an interval lies on one side of the target.
fn judged(low: f64, high: f64) -> Option<bool> {
    match () {
        () if high <= 1.0 + TARGET => Some(true),
        () if low > 1.0 + TARGET => Some(false),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{Budget, CpuSet};

    #[test]
    fn each_workload_runs_with_and_without_observation() {
        let budget = Budget { cpus: CpuSet::new([0]).expect("one"), memory: 1 << 30, processes: None };
        let plan = isotare_plan::plan(&observer_design(&Design::new(budget, 1))).expect("a valid design");
        let works = observer_works(&plan).expect("works");
        for workload in plan.conditions.iter().map(|condition| &condition.workload) {
            let mut observed: Vec<bool> = plan
                .conditions
                .iter()
                .zip(&works)
                .filter(|(condition, _)| condition.workload == *workload)
                .map(|(_, work)| work.is_observed)
                .collect();
            observed.sort_unstable();
            assert_eq!(observed, [false, true], "{workload}");
        }
        assert_eq!(plan.baseline.to_string(), "native#unobserved");
    }

    #[test]
    fn an_overhead_is_small_large_or_unknown() {
        assert_eq!(judged(0.998, 1.004), Some(true));
        assert_eq!(judged(1.006, 1.02), Some(false));
        assert_eq!(judged(0.99, 1.02), None);
    }
}
