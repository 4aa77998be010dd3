//! How long an instance takes to be created and removed. These times are compared like other metrics, under
//! the workload `lifecycle`.

use super::design::Design;
use super::series::{Gathered, Series};
use crate::report::{LIFECYCLE, LifecycleRow, MarkRow};
use isotare_core::{Better, MeasuredBy, MetricDef, Phase, Trial};
use isotare_stats::median;
use std::collections::BTreeMap;

const STARTUP: [Phase; 3] = [Phase::Create, Phase::Start, Phase::Ready];
const COMPARED: [Phase; 5] = [Phase::Create, Phase::Start, Phase::Ready, Phase::Stop, Phase::Delete];

/// Length of a phase of a trial, s.
pub(super) fn took(trial: &Trial, phase: Phase) -> Option<f64> {
    let whole = trial.phases.iter().find(|time| time.phase == phase && time.mark.is_none())?;
    Some(whole.took_ns as f64 / 1e9)
}

/// Create, start and ready together, s; `None` if one of them is missing.
fn startup(trial: &Trial) -> Option<f64> {
    STARTUP.iter().map(|phase| took(trial, *phase)).sum()
}

/// The time of all phases without the work, s; `None` if a phase is missing.
fn life(trial: &Trial) -> Option<f64> {
    COMPARED.iter().map(|phase| took(trial, *phase)).sum()
}

/// The phases as metrics: `startup` is shown in tables; its parts and `life` are detail metrics.
pub(super) fn series(design: &Design<'_>) -> Vec<Series> {
    type Length = Box<dyn Fn(&Trial) -> Option<f64>>;
    let headline = MetricDef::headline("startup", "s", Better::Lower);
    let whole = MetricDef::detail("life", "s", Better::Lower);
    let parts = COMPARED.map(|phase| {
        let length: Length = Box::new(move |trial| took(trial, phase));
        (MetricDef::detail(phase.word(), "s", Better::Lower), length)
    });
    let sums: [(MetricDef, Length); 2] = [(headline, Box::new(startup)), (whole, Box::new(life))];
    sums.into_iter()
        .chain(parts)
        .filter_map(|(metric, length)| {
            let mut gathered = Gathered::default();
            let mut any = false;
            for (place, trial) in design.counted() {
                if let Some(seconds) = length(trial) {
                    gathered.add(place.environment, trial.block, seconds);
                    any = true;
                }
            }
            any.then(|| Series {
                workload: LIFECYCLE.to_owned(),
                parameters: BTreeMap::new(),
                metric,
                role: None,
                source: MeasuredBy::Runner,
                blocks: gathered.medians(design.environments.len()),
            })
        })
        .collect()
}

/// Phases and marks of each environment with a completed trial.
pub(super) fn rows(design: &Design<'_>) -> Vec<LifecycleRow> {
    let all = [Phase::Create, Phase::Start, Phase::Ready, Phase::Exec, Phase::Stop, Phase::Delete];
    let mut rows = Vec::new();
    for (at, arm) in design.environments.iter().enumerate() {
        let trials: Vec<&Trial> =
            design.counted().filter(|(place, _)| place.environment == at).map(|(_, trial)| trial).collect();
        if trials.is_empty() {
            continue;
        }
        let median_of = |phase| median(&trials.iter().filter_map(|t| took(t, phase)).collect::<Vec<_>>());
        rows.push(LifecycleRow {
            environment: arm.name.clone(),
            phases: all.into_iter().filter_map(|phase| Some((phase, median_of(phase)?))).collect(),
            startup: median(&trials.iter().filter_map(|trial| startup(trial)).collect::<Vec<_>>()),
            marks: marks(&trials),
            trials: trials.len(),
        });
    }
    rows
}

fn marks(trials: &[&Trial]) -> Vec<MarkRow> {
    let mut found: BTreeMap<(Phase, &str), Vec<f64>> = BTreeMap::new();
    for time in trials.iter().flat_map(|trial| &trial.phases) {
        if let Some(mark) = &time.mark {
            found.entry((time.phase, mark)).or_default().push(time.took_ns as f64 / 1e9);
        }
    }
    let mut rows: Vec<MarkRow> = found
        .into_iter()
        .filter_map(|((phase, mark), after)| {
            Some(MarkRow { phase, mark: mark.to_owned(), after: median(&after)? })
        })
        .collect();
    rows.sort_by(|a, b| a.phase.cmp(&b.phase).then(a.after.total_cmp(&b.after)));
    rows
}
