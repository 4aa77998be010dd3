//! What the work took, as the samplers saw it.

use super::{SCROLLS, name};
use crate::quantity::quantity;
use crate::report::{BaselineRow, Report, workload_label};
use crate::words;
use isotare_core::MeasuredBy;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// A workload with the metrics that samplers show of it.
type Sampled<'a> = (&'a str, &'a BTreeMap<String, String>, Vec<&'a BaselineRow>);

/// The headline metrics of the samplers: one table per workload, one column per metric.
pub(super) fn resources(report: &Report) -> Markup {
    let workloads = sampled(report);
    html! {
        @if !workloads.is_empty() {
            h2 { "Resources" }
            p.quiet {
                "Values of all roles together in the measured window, read on the host, with the cost over "
                (report.baseline) ". If a workload runs for a fixed time, CPU seconds show how busy it was. They do not \
                 show the cost of a piece of work."
            }
        }
        @for (workload, parameters, metrics) in &workloads {
            h3 { (workload_label(workload, parameters)) }
            div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
                table.resources {
                    thead {
                        tr {
                            th scope="col" { "environment" }
                            @for metric in metrics { th.n scope="col" { (words::metric(&metric.metric)) } }
                        }
                    }
                    tbody {
                        @for status in &report.environments {
                            @let cells: Vec<Option<Cell>> =
                                metrics.iter().map(|metric| cell(report, metric, &status.environment)).collect();
                            @if cells.iter().any(Option::is_some) {
                                tr {
                                    th scope="row" { (name(&status.environment)) }
                                    @for cell in &cells {
                                        td.n {
                                            @match cell {
                                                Some((value, cost)) => {
                                                    span.whole { (value) }
                                                    @if let Some(cost) = cost { " " span.whole { "(×" (cost) ")" } }
                                                },
                                                None => "–",
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn sampled(report: &Report) -> Vec<Sampled<'_>> {
    let mut workloads: Vec<Sampled<'_>> = Vec::new();
    for row in report.baseline_values.iter().filter(|row| row.headline && row.source == MeasuredBy::Sampler) {
        match workloads.last_mut() {
            Some((name, parameters, metrics))
                if (*name, *parameters) == (row.workload.as_str(), &row.parameters) =>
            {
                metrics.push(row);
            }
            _ => workloads.push((&row.workload, &row.parameters, vec![row])),
        }
    }
    workloads
}

/// A value, with its cost unless it is the baseline's.
type Cell = (String, Option<String>);

fn cell(report: &Report, metric: &BaselineRow, environment: &str) -> Option<Cell> {
    if environment == report.baseline {
        return Some((quantity(metric.value?, &metric.unit, None), None));
    }
    let row = report.results.iter().find(|row| {
        row.environment == environment
            && (&row.workload, &row.parameters, &row.metric)
                == (&metric.workload, &metric.parameters, &metric.metric)
    })?;
    Some((quantity(row.value, &metric.unit, None), row.cost.map(words::factor)))
}
