//! Whether the session reached the precision at which it was to end.

use crate::disturbance::Stopping;
use crate::report::{BaselineRow, ResultRow, Warning, WarningKind, workload_label};
use crate::words;
use isotare_core::{MeasuredBy, Plan};

/// The widest interval among the first metrics of all workloads; `None` if no precision ends the session.
pub(super) fn stopping(plan: &Plan, firsts: &[BaselineRow], results: &[ResultRow]) -> Option<Stopping> {
    let target = plan.stopping?;
    let mut seen: Vec<&BaselineRow> = Vec::new();
    for row in firsts.iter().filter(|row| row.headline && row.source == MeasuredBy::Workload) {
        let is_known =
            |other: &&&BaselineRow| (&other.workload, &other.parameters) == (&row.workload, &row.parameters);
        if seen.iter().find(is_known).is_none() {
            seen.push(row);
        }
    }
    let is_first = |row: &&ResultRow| {
        seen.iter().any(|first| {
            (&first.workload, &first.parameters, &first.metric)
                == (&row.workload, &row.parameters, &row.metric)
        })
    };
    let half = |row: &ResultRow| Some((row.high?.ln() - row.low?.ln()) / 2.0);
    let widest = results
        .iter()
        .filter(is_first)
        .map(|row| (half(row).filter(|half| half.is_finite()).unwrap_or(f64::INFINITY), row))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let place = widest
        .map(|(_, row)| format!("{} in {}", row.environment, workload_label(&row.workload, &row.parameters)));
    let reached = widest.is_some_and(|(half, _)| half <= target * (1.0 + 1e-9));
    let asked = words::percent(target);
    let requested = !plan.stopping_by_default;
    let precision =
        if requested { "the requested precision" } else { "the precision at which a session ends" };
    let sentence = match (&widest, &place, reached) {
        (_, _, true) => {
            format!("{precision} was reached: the first metric of every workload is known within ±{asked}")
        }
        (Some((half, _)), Some(place), false) => {
            let found =
                if half.is_finite() { format!("±{}", words::percent(*half)) } else { "unknown".to_owned() };
            format!("{precision}, ±{asked}, was not reached: {place} is known within {found}")
        }
        _ => format!("{precision}, ±{asked}, was not reached: nothing was compared"),
    };
    let widest = widest.map(|(half, _)| half).filter(|half| half.is_finite());
    Some(Stopping { target, requested, widest, place, reached, sentence })
}

/// A warning if the session did not reach what was requested.
pub(super) fn warning(stopping: &Stopping) -> Option<Warning> {
    let message = stopping.sentence.clone();
    (stopping.requested && !stopping.reached).then_some(Warning { kind: WarningKind::Imprecise, message })
}
