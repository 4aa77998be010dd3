//! Makes the [`Report`] of a session from its trials. Only completed trials are used for estimates. The
//! others are counted and explained in the report.

mod blocks;
mod carry_over;
mod clock;
mod compare;
mod cpu;
mod design;
mod diff;
mod drift;
mod environments;
mod ledger;
mod lifecycle;
mod noise;
mod null_test;
mod order;
mod output;
mod plausibility;
mod same_work;
mod series;
mod shape;
mod stopping;
mod trial_rows;

pub use diff::diff;
pub use ledger::RECORDS;
pub use same_work::{different_work, judge_work};

use crate::report::{Report, SCHEMA_VERSION, Warning, WarningKind};
use design::Design;
use isotare_core::{Session, SessionEnd, Trial};
use std::collections::BTreeSet;

/// Analyzes values that were read from the file `origin`. The report is the same, without the parts that need
/// a session of Isotare.
pub fn analyse_values(origin: &str, session: &Session, trials: &[Trial]) -> Report {
    let absent = null_test::not_in_file(&session.plan.baseline.to_string());
    Report {
        origin: Some(origin.to_owned()),
        seed: None,
        cpus: None,
        memory: None,
        processes: None,
        ..judged(session, trials, Some(SessionEnd::Complete), &absent)
    }
}

/// Analyzes the trials of a session. `end` is `None` for a session that did not end by itself.
pub fn analyse(session: &Session, trials: &[Trial], end: Option<SessionEnd>) -> Report {
    judged(session, trials, end, null_test::NOT_COMPARED)
}

fn judged(session: &Session, trials: &[Trial], end: Option<SessionEnd>, no_null: &str) -> Report {
    let plan = &session.plan;
    let design = Design::new(session, trials);
    let mut series = series::of_samples(&design);
    series.extend(lifecycle::series(&design));
    let mut compared = compare::compare(&design, &series, plan);
    let ledger = ledger::ledger(&design);
    let notes = plausibility::Notes::new(&design, session, &ledger, plan.margin);
    notes.attach(&mut compared.results);
    shape::mark(&design, &series, &mut compared.results, plan.margin);
    carry_over::mark(&design, &series, &mut compared.results);
    let null_test = null_test::judge(&compared.results, plan.margin, no_null);
    null_test::mark(&mut compared.results);
    let emulated = session.host.facts.get("emulated").is_some_and(|value| value.starts_with("yes"));
    let disturbance = noise::disturbance(&design, plan);
    let drift = drift::drifts(&design, &series, &plan.baseline.to_string());
    let stopping = stopping::stopping(plan, &compared.baseline_values, &compared.results);
    let mut warnings = report_wide(emulated, &null_test, end, &compared.baseline_values);
    warnings.extend(disturbance.as_ref().and_then(|found| noise::warning(found, plan)));
    warnings.extend(drift::warning(&drift));
    warnings.extend(stopping.as_ref().and_then(stopping::warning));

    Report {
        session: session.id.clone(),
        schema_version: SCHEMA_VERSION,
        started: session.started.clone(),
        version: session.version.clone(),
        argv: session.argv.clone(),
        origin: None,
        seed: Some(plan.seed),
        end,
        baseline: plan.baseline.to_string(),
        margin: plan.margin,
        level: plan.level,
        cpus: Some(plan.budget.cpus.to_string()),
        memory: Some(plan.budget.memory),
        processes: plan.budget.processes,
        blocks: blocks(trials),
        host: session.host.clone(),
        emulated,
        warnings,
        environments: environments::statuses(&design, session),
        results: compared.results,
        unpaired: compared.unpaired,
        baseline_values: compared.baseline_values,
        null_test,
        disturbance,
        drift,
        stopping,
        lifecycle: lifecycle::rows(&design),
        cpu_by_role: cpu::by_role(&design),
        ledger,
        outcomes: environments::outcomes(&design),
        cut_output: output::cut(trials, plan),
        trials: trial_rows::rows(&design, trials, plan),
    }
}

fn blocks(trials: &[Trial]) -> u32 {
    let blocks: BTreeSet<u32> = trials.iter().map(|trial| trial.block).collect();
    u32::try_from(blocks.len()).unwrap_or(u32::MAX)
}

fn report_wide(
    emulated: bool,
    null_test: &crate::report::NullTest,
    end: Option<SessionEnd>,
    baselines: &[crate::report::BaselineRow],
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if emulated {
        let message = "EMULATED MACHINE: the processor was emulated in software; the results show what \
                       works, but the times say nothing about real speed";
        warnings.push(Warning { kind: WarningKind::Emulation, message: message.to_owned() });
    }
    if null_test.status.is_warning() {
        warnings.push(Warning { kind: WarningKind::NotCalibrated, message: null_test.sentence.clone() });
    }
    if baselines.iter().all(|row| row.value.is_none()) {
        let message = "no trial of the baseline completed, so no overhead can be calculated".to_owned();
        warnings.push(Warning { kind: WarningKind::NoBaseline, message });
    }
    let message = match end {
        Some(SessionEnd::Complete | SessionEnd::Precise | SessionEnd::TimeLimit) => return warnings,
        Some(SessionEnd::Interrupted) => {
            "the session was interrupted; the report contains the trials that had run before"
        }
        None => "the session has no recorded end: it was killed, or it is still running",
    };
    warnings.push(Warning { kind: WarningKind::EndedEarly, message: message.to_owned() });
    warnings
}
