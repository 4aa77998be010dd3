//! What stands behind the results: values by block, phases, CPU time.

use super::{SCROLLS, name};
use crate::group::groups;
use crate::quantity::quantity;
use crate::report::{LIFECYCLE, Report, workload_label};
use crate::words;
use isotare_core::{Outcome, Phase};
use maud::{Markup, html};
use std::collections::BTreeMap;

const PHASES: [Phase; 6] =
    [Phase::Create, Phase::Start, Phase::Ready, Phase::Exec, Phase::Stop, Phase::Delete];

/// The numbers behind the figure of values over time.
pub(super) fn block_values(report: &Report) -> Markup {
    let groups: Vec<_> = groups(report).into_iter().filter(|group| group.workload != LIFECYCLE).collect();
    html! {
        details {
            summary { "Values of every block as tables" }
            @for group in &groups {
                @let names: Vec<&str> = [report.baseline.as_str()].into_iter()
                    .chain(group.rows.iter().map(|row| row.environment.as_str())).collect();
                @let label = workload_label(group.workload, group.parameters);
                @let cells = cells(report, group);
                h3 { (label) " · " (words::metric(group.metric)) }
                div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
                    table {
                        thead {
                            tr {
                                th scope="col" { "block" }
                                @for environment in &names { th.n scope="col" { (name(environment)) } }
                            }
                        }
                        tbody {
                            @for (block, values) in cells {
                                tr {
                                    th scope="row" {
                                        (block)
                                        @if is_replaced(report, block) { " (repeated, not in the estimates)" }
                                    }
                                    @for name in &names {
                                        td.n {
                                            @match values.get(name) {
                                                Some(value) => (quantity(*value, group.unit, None)),
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

fn is_replaced(report: &Report, block: u32) -> bool {
    report.disturbance.as_ref().is_some_and(|found| found.replaced.contains(&block))
}

fn cells<'a>(report: &'a Report, group: &crate::group::Group<'_>) -> BTreeMap<u32, BTreeMap<&'a str, f64>> {
    let mut cells: BTreeMap<u32, BTreeMap<&str, f64>> = BTreeMap::new();
    for trial in report.trials.iter().filter(|trial| {
        trial.outcome == Outcome::Completed
            && (trial.workload.as_str(), &trial.parameters) == (group.workload, group.parameters)
    }) {
        if let Some(sample) = trial.samples.iter().find(|s| s.role.is_none() && s.metric == group.metric) {
            cells.entry(trial.block).or_default().insert(&trial.environment, sample.value);
        }
    }
    cells
}

/// How long an instance takes to come and go.
pub(super) fn lifecycle(report: &Report, figure: Markup) -> Markup {
    html! {
        @if !report.lifecycle.is_empty() {
            h2 { "Lifecycle" }
            p.quiet {
                "Median length of each phase over completed trials, measured from outside with one clock. Startup is \
                 create, start and ready together. An instance is ready when the agent's first message arrives."
            }
            (figure)
            div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
                table {
                    thead {
                        tr {
                            th scope="col" { "environment" }
                            @for phase in PHASES { th.n scope="col" { (phase.word()) } }
                            th.n scope="col" { "startup" }
                            th.n scope="col" { "trials" }
                        }
                    }
                    tbody {
                        @for row in &report.lifecycle {
                            tr {
                                th scope="row" { (name(&row.environment)) }
                                @for phase in PHASES {
                                    td.n { (row.phases.get(&phase).map_or("–".to_owned(), |s| seconds(*s))) }
                                }
                                td.n { strong { (row.startup.map_or("–".to_owned(), seconds)) } }
                                td.n { (row.trials) }
                            }
                        }
                    }
                }
            }
            (marks(report))
        }
    }
}

fn marks(report: &Report) -> Markup {
    html! {
        @if report.lifecycle.iter().any(|row| !row.marks.is_empty()) {
            details {
                summary { "Steps within the phases" }
                div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
                    table {
                        thead {
                            tr {
                                th scope="col" { "environment" }
                                th scope="col" { "phase" }
                                th scope="col" { "mark" }
                                th.n scope="col" { "after" }
                            }
                        }
                        tbody {
                            @for row in &report.lifecycle {
                                @for mark in &row.marks {
                                    tr {
                                        th scope="row" { (name(&row.environment)) }
                                        td { (mark.phase.word()) }
                                        td { (mark.mark) }
                                        td.n { (seconds(mark.after)) }
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

fn seconds(value: f64) -> String {
    quantity(value, "s", None)
}

fn share(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |share| format!("{share:.3}"))
}

/// Host CPU time by role.
pub(super) fn cpu(report: &Report, figure: Markup) -> Markup {
    let roles = report.roles();
    html! {
        @if !report.cpu_by_role.is_empty() {
            h2 { "CPU time by role" }
            (figure)
            details {
                summary { "The same as a table" }
                div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
                    table {
                        thead {
                            tr {
                                th scope="col" { "workload" }
                                th scope="col" { "environment" }
                                @for role in &roles { th.n scope="col" { (role.word()) } }
                                th.n scope="col" { "host in all" }
                                th.n scope="col" { "not attributed" }
                                th.n scope="col" { "for one event" }
                                th.n scope="col" { "trials" }
                            }
                        }
                        tbody {
                            @for row in &report.cpu_by_role {
                                tr {
                                    th scope="row" { (workload_label(&row.workload, &row.parameters)) }
                                    td { (name(&row.environment)) }
                                    @for role in &roles {
                                        td.n { (share(row.roles.get(role).copied())) }
                                    }
                                    td.n { (share(row.host)) }
                                    td.n { (share(row.unattributed)) }
                                    td.n { (row.seconds_per_event.map_or("–".to_owned(), seconds)) }
                                    td.n { (row.trials) }
                                }
                            }
                        }
                    }
                }
                p.quiet {
                    "CPU seconds of the host for each second of the measured window; – means that there is no such \
                     process. Threads of the kernel serve all processes, so their work for this instance cannot be \
                     separated from their work for others. The part that is not attributed is everything else that \
                     ran on the host, including isotare's own readings. The last column is the CPU time of all roles \
                     for one event, if the workload counts events."
                }
            }
        }
    }
}
