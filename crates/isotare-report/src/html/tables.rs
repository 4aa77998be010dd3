//! The tables of results.

use super::{SCROLLS, name};
use crate::group::{Footnotes, Group, groups, missing, why_missing};
use crate::quantity::quantity;
use crate::report::{EnvironmentStatus, Report, ResultRow, workload_label};
use crate::words;
use isotare_stats::Verdict;
use maud::{Markup, html};

/// Widths of the columns, the same in all tables so that they read as one.
const WIDTHS: [&str; 8] = ["18%", "10%", "19%", "21%", "8.5%", "9.5%", "8%", "6%"];

/// All tables with their footnotes, which stand below them.
pub(super) fn results(report: &Report, notes: &mut Footnotes) -> Markup {
    let groups = groups(report);
    html! {
        h2 { "Results" }
        @if groups.is_empty() {
            p { "Nothing was measured." }
            ul {
                @for status in &report.environments {
                    @if let Some(why) = status.why_not() {
                        li { (status.environment) ": " (why) }
                    }
                }
            }
        }
        @for group in &groups { (table(report, group, notes)) }
        @if let Some(about) = words::about_resolution(report) { p.quiet { (about) "." } }
        @if !notes.notes().is_empty() {
            ol.notes {
                @for (at, note) in notes.notes().iter().enumerate() {
                    li id=(format!("note-{}", at + 1)) { (note) }
                }
            }
        }
    }
}

fn table(report: &Report, group: &Group<'_>, notes: &mut Footnotes) -> Markup {
    let scale = group.scale();
    let workload = workload_label(group.workload, group.parameters);
    html! {
        h3 {
            (workload) " · " (words::metric(group.metric))
            " " span.quiet { "(" (words::direction(group.better)) ")" }
        }
        div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
            table.results {
                colgroup { @for width in WIDTHS { col style=(format!("width:{width}")); } }
                thead {
                    tr {
                        th scope="col" { "environment" }
                        th.n scope="col" { "value" }
                        th scope="col" { "cost [" (words::percent(report.level)) "]" }
                        th scope="col" { "verdict" }
                        th.n scope="col" { "adjusted p" }
                        th.n scope="col" { "detectable" }
                        th.n scope="col" { "mean cost" }
                        th.n scope="col" { "blocks" }
                    }
                }
                tbody {
                    @if let Some(value) = group.baseline.value {
                        tr.base {
                            th scope="row" { (name(&report.baseline)) }
                            td.n { (quantity(value, group.unit, scale)) }
                            td { "×1" }
                            td { "baseline" }
                            td.n {} td.n {} td.n {}
                            td.n { (group.baseline.blocks) }
                        }
                    }
                    @for row in &group.rows {
                        tr {
                            th scope="row" { (name(&row.environment)) }
                            td.n { (quantity(row.value, group.unit, scale)) }
                            td { (cost(row)) }
                            td class=(class(row)) {
                                (words::verdict(row, report.margin).replace(" %", "\u{a0}%"))
                                (marks(&notes.numbers(&row.warnings)))
                            }
                            td.n { (row.p_adjusted.map(p_value).unwrap_or_default()) }
                            td.n { (row.minimum_detectable_effect.map(words::percent).unwrap_or_default()) }
                            td.n { (mean_cost(row)) }
                            td.n { (row.blocks) }
                        }
                    }
                    @for status in &group.missing {
                        tr {
                            th scope="row" { (name(&status.environment)) }
                            td.n { "–" }
                            td { "–" }
                            td.missing { (absent(status, notes)) }
                            td.n {} td.n {} td.n {}
                            td.n { "0" }
                        }
                    }
                }
            }
        }
    }
}

/// Why there is no value: a word, with the mark of the note that says more.
fn absent(status: &EnvironmentStatus, notes: &mut Footnotes) -> Markup {
    let (word, note) = missing(status);
    html! { (word) (marks(&note.iter().map(|note| notes.number(note)).collect::<Vec<_>>())) }
}

/// The same where the notes are already there: what none of them says is said whole.
pub(super) fn absent_as_noted(status: &EnvironmentStatus, notes: &Footnotes) -> Markup {
    let (word, note) = missing(status);
    let known = note.as_deref().and_then(|note| notes.known(note));
    html! {
        @match known {
            Some(number) => { (word) (marks(&[number])) },
            None => (why_missing(status)),
        }
    }
}

fn marks(numbers: &[usize]) -> Markup {
    html! {
        @for number in numbers {
            sup { a href=(format!("#note-{number}")) aria-label=(format!("note {number}")) { (number) } }
        }
    }
}

/// The cost; its interval is not broken.
fn cost(row: &ResultRow) -> Markup {
    let interval = words::interval(row.cost_low, row.cost_high);
    html! {
        @match row.cost {
            Some(cost) => { "×" (words::factor(cost)) " " span.whole { (interval) } },
            None => (words::cost(row)),
        }
    }
}

fn class(row: &ResultRow) -> &'static str {
    match row.verdict {
        Verdict::Slower => "slower",
        Verdict::Faster => "faster",
        Verdict::Equivalent => "equivalent",
        Verdict::Inconclusive => "inconclusive",
    }
}

fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".to_owned(),
        p => format!("{p:.3}"),
    }
}

/// The ratio of means turned as the cost is.
fn mean_cost(row: &ResultRow) -> String {
    let Some(ratio) = row.mean_ratio else { return String::new() };
    let cost = match row.better {
        isotare_core::Better::Lower => ratio,
        isotare_core::Better::Higher => ratio.recip(),
    };
    format!("×{}", words::factor(cost))
}
