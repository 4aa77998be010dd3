//! The host's CPU time under a workload by role: its own, the monitor's, the shim's, the daemon's or the
//! kernel's.

use super::design::{Design, Place};
use super::lifecycle::took;
use crate::report::CpuRow;
use isotare_core::{Phase, Role, Trial};
use isotare_stats::median;
use std::collections::BTreeMap;

/// User and system time. Guest time is not added, because the kernel counts it in user time already.
const METRICS: [&str; 2] = ["cpu_user", "cpu_system"];
/// The same for the whole host, counted in ticks.
const HOST_METRICS: [&str; 2] = ["host_cpu_user", "host_cpu_system"];
/// CPU time of the whole host, exact.
const HOST_EXACT: &str = "host_run_time";
/// The part of it that kernel threads used.
const KERNEL_THREADS: &str = "host_kernel_threads";

/// CPU seconds per second in one trial.
#[derive(Default)]
struct Shares {
    roles: BTreeMap<Role, f64>,
    host: Option<f64>,
    per_event: Option<f64>,
}

impl Shares {
    fn attributed(&self) -> f64 {
        self.roles.values().sum()
    }
}

/// Median CPU seconds per second, by workload, environment and role.
pub(super) fn by_role(design: &Design<'_>) -> Vec<CpuRow> {
    let mut rows = Vec::new();
    for workload in 0..design.workloads.len() {
        for (environment, arm) in design.environments.iter().enumerate() {
            let place = Place { environment, workload };
            let shares: Vec<Shares> = design
                .counted()
                .filter(|(at, _)| *at == place)
                .map(|(_, trial)| shares(trial))
                .filter(|shares| !shares.roles.is_empty())
                .collect();
            if shares.is_empty() {
                continue;
            }
            let middle = |value: &dyn Fn(&Shares) -> Option<f64>| {
                let values: Vec<f64> = shares.iter().filter_map(value).collect();
                median(&values)
            };
            let roles = Role::ALL
                .into_iter()
                .filter_map(|role| Some((role, middle(&|shares| shares.roles.get(&role).copied())?)));
            rows.push(CpuRow {
                workload: design.workload_name(workload).to_owned(),
                parameters: design.parameters(workload),
                environment: arm.name.clone(),
                roles: roles.collect(),
                host: middle(&|shares| shares.host),
                unattributed: middle(&|shares| Some(shares.host? - shares.attributed())),
                seconds_per_event: middle(&|shares| shares.per_event),
                trials: shares.len(),
            });
        }
    }
    rows
}

fn shares(trial: &Trial) -> Shares {
    let mut shares = Shares::default();
    let mut exact = None;
    let Some(window) = window(trial) else { return shares };
    for sample in &trial.samples {
        let name = sample.metric.name.as_ref();
        let unit = match sample.metric.unit.as_ref() {
            "s" => 1.0,
            "ns" => 1e-9,
            _ => continue,
        };
        let share = sample.value * unit / window;
        match sample.role {
            Some(role) if METRICS.contains(&name) && share.is_finite() => {
                *shares.roles.entry(role).or_default() += share;
            }
            None if HOST_METRICS.contains(&name) && share.is_finite() => {
                *shares.host.get_or_insert_default() += share;
            }
            None if name == HOST_EXACT && share.is_finite() => exact = Some(share),
            None if name == KERNEL_THREADS && share.is_finite() => {
                shares.roles.insert(Role::Kernel, share);
            }
            _ => {}
        }
    }
    shares.host = exact.or(shares.host);
    let rate = trial.samples.iter().find(|sample| sample.metric.name == "events_per_second");
    let rate = rate.map(|sample| sample.value).filter(|rate| *rate > 0.0);
    shares.per_event = rate.map(|rate| shares.attributed() / rate);
    shares
}

/// Length of the measured window, s: from the first to the last reading. Without readings, the time between
/// the checks of the clock just outside the window; without those, the whole exec phase.
fn window(trial: &Trial) -> Option<f64> {
    let times = || trial.readings.iter().map(|reading| reading.at.0);
    let read = times().max().zip(times().min()).map(|(last, first)| last - first);
    let checked =
        trial.clock.as_ref().map(|clock| clock.after.asked_ns.saturating_sub(clock.before.answered_ns));
    let ns = read.filter(|ns| *ns > 0).or(checked.filter(|ns| *ns > 0));
    ns.map(|ns| ns as f64 / 1e9).or_else(|| took(trial, Phase::Exec)).filter(|seconds| *seconds > 0.0)
}
