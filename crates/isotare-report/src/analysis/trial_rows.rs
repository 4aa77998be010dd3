//! The trials as the report lists them: everything that is needed to analyze them again. The raw counters and
//! the kept output are only in the store.

use super::design::Design;
use super::output;
use crate::report::{PhaseRow, SampleRow, TrialRow};
use isotare_core::{Plan, Trial};

/// All trials, in order. If the condition of a trial is not in the plan, it has no environment and no
/// workload.
pub(super) fn rows(design: &Design<'_>, trials: &[Trial], plan: &Plan) -> Vec<TrialRow> {
    trials.iter().map(|trial| row(design, trial, plan)).collect()
}

fn row(design: &Design<'_>, trial: &Trial, plan: &Plan) -> TrialRow {
    let place = design.place(trial.condition);
    let environment = place.and_then(|place| design.environments.get(place.environment));
    let seconds = |ns: u64| ns as f64 / 1e9;
    let rate = trial.clock.as_ref().and_then(|clock| clock.rate());
    TrialRow {
        index: trial.index,
        block: trial.block,
        environment: environment.map(|arm| arm.name.clone()).unwrap_or_default(),
        workload: place.map(|place| design.workload_name(place.workload).to_owned()).unwrap_or_default(),
        parameters: place.map(|place| design.parameters(place.workload)).unwrap_or_default(),
        outcome: trial.outcome,
        failure: trial.failure.clone(),
        counted: design.is_counted(trial),
        at: seconds(trial.at_ns),
        phases: trial
            .phases
            .iter()
            .map(|time| PhaseRow {
                phase: time.phase,
                mark: time.mark.clone(),
                at: seconds(time.at_ns),
                took: seconds(time.took_ns),
            })
            .collect(),
        samples: trial
            .samples
            .iter()
            .map(|sample| SampleRow {
                metric: sample.metric.name.to_string(),
                role: sample.role,
                unit: sample.metric.unit.to_string(),
                value: sample.value,
            })
            .collect(),
        clock_rate: rate.map(|(rate, _)| rate),
        clock_bound: rate.map(|(_, bound)| bound),
        clock_strayed: trial.clock.as_ref().and_then(|clock| clock.strayed()),
        noise: trial.noise,
        output: trial.output.as_ref().map(|streams| output::row(streams, plan)),
    }
}
