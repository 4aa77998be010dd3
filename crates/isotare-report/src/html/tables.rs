//! The tables of results.

use crate::group::{Footnotes, Group, groups, why_missing};
use crate::quantity::quantity;
use crate::report::{Report, ResultRow, workload_label};
use crate::words;
use isotare_stats::Verdict;
use maud::{Markup, html};

/// All tables with their footnotes.
pub(super) fn results(report: &Report) -> Markup {
    let mut notes = Footnotes::default();
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
        @for group in &groups { (table(report, group, &mut notes)) }
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
    let name = workload_label(group.workload, group.parameters);
    html! {
        h3 {
            (name) " · " (words::metric(group.metric))
            " " span.quiet { "(" (words::direction(group.better)) ")" }
        }
        div.scroll {
            table.results {
                colgroup { @for width in ["21%", "11%", "21%", "20%", "8%", "8%", "7%", "4%"] { col style=(format!("width:{width}")); } }
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
                            th scope="row" { (report.baseline) }
                            td.n { (quantity(value, group.unit, scale)) }
                            td { "×1" }
                            td { "baseline" }
                            td.n {} td.n {} td.n {}
                            td.n { (group.baseline.blocks) }
                        }
                    }
                    @for row in &group.rows {
                        tr {
                            th scope="row" { (row.environment) }
                            td.n { (quantity(row.value, group.unit, scale)) }
                            td.w { (words::cost(row)) }
                            td class=(format!("w {}", class(row))) {
                                (words::verdict(row, report.margin))
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
                            th scope="row" { (status.environment) }
                            td.n { "–" }
                            td.missing colspan="5" { (why_missing(status)) }
                            td.n { "0" }
                        }
                    }
                }
            }
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
