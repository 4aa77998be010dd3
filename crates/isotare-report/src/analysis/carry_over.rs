//! Checks for each table whether the result of a trial depends on the environment that ran before it.

use super::compare::metric_name;
use super::design::Design;
use super::series::Series;
use crate::report::{ResultRow, Warning, WarningKind};
use isotare_core::{MeasuredBy, Outcome};
use isotare_stats::{Placed, carry_over_p};

/// p value below which a result is not regarded as chance.
const RARE: f64 = 0.01;
/// No environment: the trial before belongs to another table.
const ELSEWHERE: usize = usize::MAX;

/// Adds a warning to the rows of every table in which the environment before a trial influences its result.
pub(super) fn mark(design: &Design<'_>, series: &[Series], rows: &mut [ResultRow]) {
    // The order in which other tools measured their values is not known.
    if design.trials.iter().all(|(_, trial)| trial.at_ns == 0) {
        return;
    }
    for series in
        series.iter().filter(|s| s.source == MeasuredBy::Workload && s.metric.headline && s.role.is_none())
    {
        let measured: Vec<usize> = (0..design.environments.len())
            .filter(|at| series.blocks.get(*at).is_some_and(|b| !b.is_empty()))
            .collect();
        let p = carry_over_p(&placed(design, series, &measured), measured.len());
        let Some(p) = p.filter(|p| *p < RARE) else { continue };
        let shown = if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") };
        let message = format!(
            "the result of a trial depends on the environment that ran before it (p {shown}): environments \
             have after-effects, such as a warm cache, a full disk or heat; use a longer warm-up"
        );
        let metric = metric_name(series);
        let of_table = |row: &&mut ResultRow| {
            (&row.workload, &row.parameters, &row.metric) == (&series.workload, &series.parameters, &metric)
        };
        for row in rows.iter_mut().filter(of_table) {
            row.warnings.push(Warning { kind: WarningKind::CarryOver, message: message.clone() });
        }
    }
}

/// All trials in their order. Trials whose value does not count have no value. Arms are the `measured`
/// environments.
fn placed(design: &Design<'_>, series: &Series, measured: &[usize]) -> Vec<Placed> {
    let is_here = |workload: usize| {
        design.workload_name(workload) == series.workload && design.parameters(workload) == series.parameters
    };
    let here: Vec<bool> = (0..design.workloads.len()).map(is_here).collect();
    design
        .trials
        .iter()
        .map(|(place, trial)| {
            let counts = trial.outcome == Outcome::Completed && design.is_counted(trial);
            let of_metric = |sample: &&isotare_core::Sample| {
                sample.role.is_none() && sample.metric.name == series.metric.name
            };
            let value = trial.samples.iter().find(of_metric).filter(|_| counts).map(|sample| sample.value);
            let known =
                measured.iter().position(|at| *at == place.environment).filter(|_| here[place.workload]);
            let arm = known.unwrap_or(ELSEWHERE);
            let log = value.filter(|value| *value > 0.0).map_or(f64::NAN, f64::ln);
            Placed { block: trial.block as usize, arm, log }
        })
        .collect()
}
