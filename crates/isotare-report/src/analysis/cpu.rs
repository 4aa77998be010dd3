//! Whose CPU time a workload costs on the host: its own, the monitor's, the shim's or the daemon's.

use super::design::{Design, Place};
use super::lifecycle::took;
use crate::report::CpuRow;
use isotare_core::{Phase, Role, Trial};
use isotare_stats::median;
use std::collections::BTreeMap;

/// User and system time. Guest time is left out: the kernel counts it in user time already.
const METRICS: [&str; 2] = ["cpu_user", "cpu_system"];

/// Median CPU seconds per second, by workload, environment and role.
pub(super) fn by_role(design: &Design<'_>) -> Vec<CpuRow> {
    let mut rows = Vec::new();
    for workload in 0..design.workloads.len() {
        for (environment, arm) in design.environments.iter().enumerate() {
            let place = Place { environment, workload };
            let shares: Vec<BTreeMap<Role, f64>> = design
                .counted()
                .filter(|(at, _)| *at == place)
                .map(|(_, trial)| shares(trial))
                .filter(|shares| !shares.is_empty())
                .collect();
            if shares.is_empty() {
                continue;
            }
            let all = [Role::Workload, Role::Vmm, Role::Shim, Role::Daemon];
            let roles = all.into_iter().filter_map(|role| {
                let values: Vec<f64> =
                    shares.iter().filter_map(|shares| shares.get(&role).copied()).collect();
                Some((role, median(&values)?))
            });
            rows.push(CpuRow {
                workload: design.workload_name(workload).to_owned(),
                parameters: design.parameters(workload),
                environment: arm.name.clone(),
                roles: roles.collect(),
                trials: shares.len(),
            });
        }
    }
    rows
}

fn shares(trial: &Trial) -> BTreeMap<Role, f64> {
    let mut shares = BTreeMap::new();
    let Some(window) = window(trial) else { return shares };
    for sample in &trial.samples {
        let (Some(role), true) = (sample.role, METRICS.contains(&sample.metric.name.as_ref())) else {
            continue;
        };
        let unit = match sample.metric.unit.as_ref() {
            "s" => 1.0,
            "ns" => 1e-9,
            _ => continue,
        };
        let share = sample.value * unit / window;
        if share.is_finite() {
            *shares.entry(role).or_default() += share;
        }
    }
    shares
}

/// Length of the measured window, s: between the first and the last reading, else between the checks of the clock
/// just outside it, else the whole exec phase.
fn window(trial: &Trial) -> Option<f64> {
    let times = || trial.readings.iter().map(|reading| reading.at.0);
    let read = times().max().zip(times().min()).map(|(last, first)| last - first);
    let checked =
        trial.clock.as_ref().map(|clock| clock.after.asked_ns.saturating_sub(clock.before.answered_ns));
    let ns = read.filter(|ns| *ns > 0).or(checked.filter(|ns| *ns > 0));
    ns.map(|ns| ns as f64 / 1e9).or_else(|| took(trial, Phase::Exec)).filter(|seconds| *seconds > 0.0)
}
