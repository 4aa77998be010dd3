//! Warnings about single results: an emulated machine, a wrong clock, an unfair budget, lost trials, or an
//! environment that is faster than the baseline.

use super::clock;
use super::design::{Design, Place};
use super::ledger::{concerns, unfairness};
use super::noise;
use super::order;
use super::same_work;
use crate::report::{LIFECYCLE, Ledger, ResultRow, Warning, WarningKind};
use isotare_core::{MeasuredBy, Outcome, Session, WorkloadInfo};
use isotare_stats::Verdict;
use std::collections::BTreeMap;

/// Environment, and workload with its parameters.
type Cell = (String, Option<(String, BTreeMap<String, String>)>);

/// The warnings for each cell of the design. The workload `None` is the lifecycle.
pub(super) struct Notes {
    cells: BTreeMap<Cell, Vec<Warning>>,
    margin: f64,
}

impl Notes {
    pub fn new(design: &Design<'_>, session: &Session, ledger: &Ledger, margin: f64) -> Self {
        let mut cells = BTreeMap::new();
        let baseline = design.environments.iter().position(|arm| arm.is_baseline);
        for (environment, arm) in design.environments.iter().enumerate() {
            let emulated = is_emulated(design, session, environment);
            for workload in (0..design.workloads.len()).map(Some).chain([None]) {
                let name = workload.map_or(LIFECYCLE, |workload| design.workload_name(workload));
                let info = workload.map(|workload| design.info(workload));
                let mut warnings = Vec::new();
                let mut warn = |kind, message| warnings.push(Warning { kind, message });
                if emulated {
                    let message = "software emulation: the result shows that the environment works, but not \
                                   how fast virtual machines are";
                    warn(WarningKind::Emulation, message.to_owned());
                }
                if let Some(message) =
                    workload.and_then(|w| clock::complaint(design, Place { environment, workload: w }))
                {
                    warn(WarningKind::Clock, message);
                }
                let throttled = |workload| noise::throttling(design, Place { environment, workload });
                if let Some(message) = workload.and_then(throttled) {
                    warn(WarningKind::Unfair, message);
                }
                for message in unfair(ledger, &arm.name, session, info) {
                    warn(WarningKind::Unfair, message);
                }
                if let Some(message) = workload.and_then(|w| lost(design, Place { environment, workload: w }))
                {
                    warn(WarningKind::LostTrials, message);
                }
                if let Some((name, info)) = workload.zip(info) {
                    let place = Place { environment, workload: name };
                    warnings.extend(same_work::doubts(design, place));
                    warnings.extend(same_work::missing(design, place, info));
                    warnings.extend(baseline.and_then(|baseline| same_work::less(design, place, baseline)));
                }
                let mut warn = |kind, message| warnings.push(Warning { kind, message });
                let impossible = |environment| {
                    let place = Place { environment, workload: workload? };
                    order::contradictions(design, place, info?.threads.map(f64::from))
                };
                if let Some(message) = impossible(environment) {
                    warn(WarningKind::Impossible, message);
                }
                // The baseline does not have its own row for it.
                if let Some(message) = baseline.filter(|at| *at != environment).and_then(impossible) {
                    warn(WarningKind::Impossible, format!("of the baseline: {message}"));
                }
                let workload = workload.map(|w| (name.to_owned(), design.parameters(w)));
                cells.insert((arm.name.clone(), workload), warnings);
            }
        }
        Self { cells, margin }
    }

    /// Adds each warning to the rows that it concerns.
    pub fn attach(&self, rows: &mut [ResultRow]) {
        for row in rows {
            let workload = match row.workload.as_str() {
                LIFECYCLE => None,
                _ => Some((row.workload.clone(), row.parameters.clone())),
            };
            let notes = self.cells.get(&(row.environment.clone(), workload));
            row.warnings.extend(notes.into_iter().flatten().cloned());
            let is_better = row.cost_high.is_some_and(|high| high < 1.0 / (1.0 + self.margin));
            if row.verdict == Verdict::Faster
                && is_better
                && !row.null
                && row.headline
                && row.source != MeasuredBy::Sampler
            {
                let message = "faster than the baseline: check that both did the same work (caches, durability of \
                               writes, clock, CPU frequency) before believing it";
                let kind = WarningKind::FasterThanBaseline;
                row.warnings.push(Warning { kind, message: message.to_owned() });
            }
        }
    }
}

fn is_emulated(design: &Design<'_>, session: &Session, environment: usize) -> bool {
    let arm = &design.environments[environment];
    let info = session.environments.get(&arm.original).and_then(|known| known.as_ref().ok());
    let of_driver = info.and_then(|info| info.details.get("accelerator"));
    let of_trials = design
        .completed()
        .filter(|(place, _)| place.environment == environment)
        .map(|(_, trial)| &trial.facts);
    of_trials
        .filter_map(|facts| facts.get("accelerator"))
        .chain(of_driver)
        .any(|accelerator| accelerator == "tcg")
}

fn unfair(
    ledger: &Ledger,
    environment: &str,
    session: &Session,
    workload: Option<&WorkloadInfo>,
) -> Vec<String> {
    let baseline = session.plan.baseline.to_string();
    let rows = ledger.differs.iter().filter(|row| concerns(&row.fact, workload));
    rows.filter_map(|row| unfairness(&row.fact, row.values.get(environment)?, row.values.get(&baseline)?))
        .collect()
}

fn lost(design: &Design<'_>, place: Place) -> Option<String> {
    let here = design.trials.iter().filter(|(at, trial)| *at == place && design.is_counted(trial));
    let trials: Vec<Outcome> = here.map(|(_, trial)| trial.outcome).collect();
    let lost = trials.iter().filter(|outcome| **outcome != Outcome::Completed).count();
    (lost > 0)
        .then(|| format!("{lost} of {} trials did not complete and are not in the estimate", trials.len()))
}
