//! The results as CSV: one line per result, absent numbers as empty fields.

use crate::RenderError;
use crate::report::{Report, ResultRow};
use isotare_core::{Better, CsvTable};
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    session: &'a str,
    workload: &'a str,
    parameters: String,
    metric: &'a str,
    unit: &'a str,
    better: Better,
    environment: &'a str,
    baseline: &'a str,
    value: f64,
    baseline_value: Option<f64>,
    ratio: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    level: f64,
    cost: Option<f64>,
    cost_low: Option<f64>,
    cost_high: Option<f64>,
    verdict: isotare_stats::Verdict,
    p: Option<f64>,
    p_adjusted: Option<f64>,
    blocks: usize,
    minimum_detectable_effect: Option<f64>,
    mean_ratio: Option<f64>,
    mean_low: Option<f64>,
    mean_high: Option<f64>,
    warnings: String,
    emulated: bool,
}

/// The results of a report as CSV with a header.
pub(crate) fn render(report: &Report) -> Result<String, RenderError> {
    lines(&report.session, report.emulated, report.results.iter().chain(&report.unpaired))
}

/// These results as CSV with a header.
pub(crate) fn lines<'a>(
    session: &'a str,
    emulated: bool,
    rows: impl Iterator<Item = &'a ResultRow>,
) -> Result<String, RenderError> {
    let mut text = Vec::new();
    let mut table = CsvTable::new(&mut text);
    let written = table
        .line(HEADER)
        .and_then(|()| rows.into_iter().try_for_each(|row| table.row(&line(session, emulated, row))))
        .and_then(|()| table.flush());
    written.map_err(RenderError::Csv)?;
    drop(table);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Written by hand so that a report without results has a header too.
const HEADER: [&str; 27] = [
    "session",
    "workload",
    "parameters",
    "metric",
    "unit",
    "better",
    "environment",
    "baseline",
    "value",
    "baseline_value",
    "ratio",
    "low",
    "high",
    "level",
    "cost",
    "cost_low",
    "cost_high",
    "verdict",
    "p",
    "p_adjusted",
    "blocks",
    "minimum_detectable_effect",
    "mean_ratio",
    "mean_low",
    "mean_high",
    "warnings",
    "emulated",
];

fn line<'a>(session: &'a str, emulated: bool, row: &'a ResultRow) -> Line<'a> {
    let parameters: Vec<String> =
        row.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let warnings: Vec<&str> = row.warnings.iter().map(|warning| warning.message.as_str()).collect();
    Line {
        session,
        workload: &row.workload,
        parameters: parameters.join(","),
        metric: &row.metric,
        unit: &row.unit,
        better: row.better,
        environment: &row.environment,
        baseline: &row.baseline,
        value: row.value,
        baseline_value: row.baseline_value,
        ratio: row.ratio,
        low: row.low,
        high: row.high,
        level: row.level,
        cost: row.cost,
        cost_low: row.cost_low,
        cost_high: row.cost_high,
        verdict: row.verdict,
        p: row.p,
        p_adjusted: row.p_adjusted,
        blocks: row.blocks,
        minimum_detectable_effect: row.minimum_detectable_effect,
        mean_ratio: row.mean_ratio,
        mean_low: row.mean_low,
        mean_high: row.mean_high,
        warnings: warnings.join("; "),
        emulated,
    }
}
