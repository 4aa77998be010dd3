//! The rows of a session.

use super::ExportScope;
use crate::Record;
use isotare_core::{Better, Outcome, Role, Trial};
use serde::Serialize;
use std::collections::BTreeMap;

/// One value of one trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row<'a> {
    /// Id of the session.
    pub session: &'a str,
    /// Position of the trial in the session, from 0.
    pub trial: u32,
    /// Its block, from 0.
    pub block: u32,
    /// Where it ran.
    pub environment: String,
    /// Whether that is what the others are compared with.
    pub is_baseline: bool,
    /// Name of the workload.
    pub workload: &'a str,
    /// Its settings, as KEY=VALUE,….
    pub parameters: String,
    /// How the trial ended.
    pub outcome: Outcome,
    /// Why it did not complete.
    pub reason: Option<&'a str>,
    /// Bytes that its workload wrote on standard output; none: it did not run.
    pub stdout_bytes: Option<u64>,
    /// SHA-256 of them, as `sha256sum` prints it.
    pub stdout_sha256: Option<&'a str>,
    /// Bytes that it wrote on standard error.
    pub stderr_bytes: Option<u64>,
    /// SHA-256 of them.
    pub stderr_sha256: Option<&'a str>,
    /// `sample`: of the whole trial; `phase`: the length of one; `reading`: of a counter at a moment; `none`:
    /// a trial without values.
    pub kind: &'static str,
    /// When, since the session began: a reading's moment, a phase's start, else the trial's start; s.
    pub at_s: f64,
    /// The role that it belongs to.
    pub role: Option<Role>,
    /// Of what.
    pub metric: String,
    /// In which unit.
    pub unit: &'a str,
    /// Whether higher or lower is better.
    pub better: Option<Better>,
    /// The value, if there is one.
    pub value: Option<f64>,
}

/// Each value of each trial, and a row without one for each trial that has none.
pub(super) fn rows(record: &Record, scope: ExportScope) -> impl Iterator<Item = Row<'_>> {
    record.trials.iter().flat_map(move |trial| of_trial(record, trial, scope))
}

fn of_trial<'a>(record: &'a Record, trial: &'a Trial, scope: ExportScope) -> Vec<Row<'a>> {
    let plan = &record.session.plan;
    let Some(condition) = plan.conditions.get(trial.condition) else { return Vec::new() };
    let given = condition.workload.given.iter().map(|(key, value)| format!("{key}={value}"));
    let streams = trial.output.as_ref();
    let none = Row {
        session: &record.session.id,
        trial: trial.index,
        block: trial.block,
        environment: condition.environment.to_string(),
        is_baseline: condition.environment == plan.baseline,
        workload: &condition.workload.name,
        parameters: given.collect::<Vec<_>>().join(","),
        outcome: trial.outcome,
        reason: trial.failure.as_ref().map(|failure| failure.reason.as_str()),
        stdout_bytes: streams.map(|streams| streams.stdout.bytes),
        stdout_sha256: streams.map(|streams| streams.stdout.sha256.as_str()),
        stderr_bytes: streams.map(|streams| streams.stderr.bytes),
        stderr_sha256: streams.map(|streams| streams.stderr.sha256.as_str()),
        kind: "none",
        at_s: seconds(trial.at_ns),
        role: None,
        metric: String::new(),
        unit: "",
        better: None,
        value: None,
    };
    let mut rows: Vec<Row<'a>> = trial
        .samples
        .iter()
        .map(|sample| Row {
            kind: "sample",
            role: sample.role,
            metric: sample.metric.name.to_string(),
            unit: &sample.metric.unit,
            better: Some(sample.metric.better),
            value: Some(sample.value),
            ..none.clone()
        })
        .collect();
    rows.extend(trial.phases.iter().map(|phase| {
        let mark = phase.mark.as_ref().map(|mark| format!(".{mark}")).unwrap_or_default();
        Row {
            kind: "phase",
            at_s: seconds(phase.at_ns),
            metric: format!("{}{mark}", phase.phase.word()),
            unit: "s",
            better: Some(Better::Lower),
            value: Some(seconds(phase.took_ns)),
            ..none.clone()
        }
    }));
    if scope.readings {
        let units: BTreeMap<&str, &str> =
            trial.samples.iter().map(|sample| (&*sample.metric.name, &*sample.metric.unit)).collect();
        rows.extend(trial.readings.iter().map(|reading| Row {
            kind: "reading",
            at_s: seconds(reading.at.0),
            role: reading.role,
            metric: reading.metric.to_string(),
            unit: units.get(&*reading.metric).copied().unwrap_or_default(),
            value: Some(reading.value),
            ..none.clone()
        }));
    }
    if rows.is_empty() {
        rows.push(none);
    }
    rows
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
