//! What a sceptic asks for: what differed, what failed, how to repeat it, on which machine, by which method.

use super::tables::absent_as_noted;
use super::{SCROLLS, name};
use crate::figure::shortened;
use crate::group::Footnotes;
use crate::report::{Report, TrialRow, workload_label};
use crate::words;
use isotare_core::Outcome;
use maud::{Markup, html};

/// Longest value of a fact that a table of environments shows whole, and how much it shows of one that is longer, characters.
const LONGEST_FACT: usize = 120;
const SHOWN_OF_FACT: usize = 40;

/// Failures of one kind shown with what they wrote.
const DIAGNOSTICS_SHOWN: usize = 20;

/// What the environments got.
pub(super) fn ledger(report: &Report) -> Markup {
    let differs = &report.ledger.differs;
    let names: Vec<&str> = report
        .environments
        .iter()
        .map(|status| status.environment.as_str())
        .filter(|name| differs.iter().any(|row| row.values.contains_key(*name)))
        .collect();
    html! {
        @if !differs.is_empty() || !report.ledger.same.is_empty() {
            h2 { "Fairness ledger" }
            p {
                @if let Some(budget) = words::budget(report) { "Every instance was given " (budget) ". " }
                @if differs.is_empty() { "No fact differs between the environments." }
                @else { "These facts differ between the environments:" }
            }
            @if !differs.is_empty() {
                div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
                    table.ledger style=(format!("min-width:{}rem", 13 + 9 * names.len())) {
                        thead {
                            tr {
                                th scope="col" { "fact" }
                                @for environment in &names { th scope="col" { (name(environment)) } }
                            }
                        }
                        tbody {
                            @for row in differs {
                                tr {
                                    th scope="row" {
                                        @if row.warning.is_some() { span.slower { "⚠ " } }
                                        (row.fact)
                                    }
                                    @for name in &names {
                                        td.wrap { (value(row.values.get(*name).map_or("–", String::as_str))) }
                                    }
                                }
                            }
                        }
                    }
                }
                @for row in differs {
                    @if let Some(warning) = &row.warning {
                        p.warning role="note" { strong { (row.fact) } ": " (warning) "." }
                    }
                }
            }
            @if !report.ledger.same.is_empty() {
                details {
                    summary { "Facts that are the same everywhere (" (report.ledger.same.len()) ")" }
                    (facts(report.ledger.same.iter()))
                }
            }
        }
    }
}

/// A value of a fact; one that would fill the table can be unfolded.
fn value(text: &str) -> Markup {
    html! {
        @if text.chars().count() <= LONGEST_FACT { (text) }
        @else { details { summary { (shortened(text, SHOWN_OF_FACT)) } (text) } }
    }
}

fn facts<'a>(facts: impl Iterator<Item = (&'a String, &'a String)>) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
            table {
                thead { tr { th scope="col" { "fact" } th scope="col" { "value" } } }
                tbody {
                    @for (fact, value) in facts {
                        tr { th scope="row" { (fact) } td.wrap { (value) } }
                    }
                }
            }
        }
    }
}

/// How trials ended, and why some did not complete.
pub(super) fn outcomes(report: &Report, notes: &Footnotes) -> Markup {
    let occurred: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|outcome| report.outcomes.iter().any(|row| row.counts.contains_key(outcome.word())))
        .collect();
    html! {
        h2 { "Outcomes" }
        div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
            table {
                thead {
                    tr {
                        th scope="col" { "environment" }
                        th scope="col" { "runtime" }
                        @for outcome in &occurred { th.n scope="col" { (outcome.word()) } }
                    }
                }
                tbody {
                    @for status in &report.environments {
                        @let counts = report.outcomes.iter().find(|row| row.environment == status.environment);
                        tr {
                            th scope="row" { (name(&status.environment)) }
                            td {
                                @if status.why_not().is_some() { span.missing { (absent_as_noted(status, notes)) } }
                                @else { (status.version.as_deref().unwrap_or("–")) }
                            }
                            @for outcome in &occurred {
                                td.n { (counts.and_then(|row| row.counts.get(outcome.word())).copied().unwrap_or(0)) }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(cut) = &report.cut_output { p { (cut.sentence) "." } }
        @for (reason, trials) in failures(report) { (failure(&reason, &trials)) }
    }
}

fn failures(report: &Report) -> Vec<(String, Vec<&TrialRow>)> {
    let mut kinds: Vec<(String, Vec<&TrialRow>)> = Vec::new();
    for trial in report.trials.iter().filter(|trial| trial.outcome != Outcome::Completed) {
        let reason = trial.failure.as_ref().map_or("no reason recorded", |failure| &failure.reason);
        let key = format!("{}, {}: {reason}", trial.environment, trial.outcome.word());
        match kinds.iter_mut().find(|(other, _)| *other == key) {
            Some((_, trials)) => trials.push(trial),
            None => kinds.push((key, vec![trial])),
        }
    }
    kinds
}

fn failure(reason: &str, trials: &[&TrialRow]) -> Markup {
    let written =
        |trial: &&&TrialRow| trial.failure.as_ref().is_some_and(|f| !f.diagnostics.trim().is_empty());
    let telling: Vec<&&TrialRow> = trials.iter().filter(written).take(DIAGNOSTICS_SHOWN).collect();
    html! {
        details {
            summary { (reason) " " span.quiet { "(" (trials.len()) " trials)" } }
            p.quiet {
                "Trials "
                @for (at, trial) in trials.iter().enumerate() {
                    @if at > 0 { ", " }
                    (trial.index) " (block " (trial.block) ", "
                    (workload_label(&trial.workload, &trial.parameters)) ")"
                }
                "."
            }
            @for trial in telling {
                @if let Some(failure) = &trial.failure {
                    p.quiet { "Written in trial " (trial.index) ":" }
                    pre { (failure.diagnostics) }
                }
            }
        }
    }
}

/// How to run it again.
pub(super) fn repeat(report: &Report) -> Markup {
    html! {
        h2 { "How to repeat" }
        pre { (isotare_core::shell_line(&report.argv)) }
        p {
            "isotare " (report.version) ", " (words::provenance(report))
            @if let Some(budget) = words::budget(report) { ", " (budget) }
            "."
            @if report.origin.is_none() {
                " The same seed gives the same order of trials. All raw values: "
                code { "isotare report " (report.session) " --format json" } "."
            }
        }
    }
}

/// The machine and what disturbed it.
pub(super) fn host(report: &Report) -> Markup {
    html! {
        h2 { "Host" }
        @for warning in &report.host.warnings {
            p.warning role="note" { (warning) }
        }
        @if report.host.facts.is_empty() { p.quiet { "Nothing was recorded about the host." } }
        @else { (facts(report.host.facts.iter())) }
    }
}

/// How the numbers were made.
pub(super) fn method(report: &Report) -> Markup {
    html! {
        h2 { "Method" }
        p {
            "Every trial ran in a fresh instance. A block holds one trial of each condition, in random order. A \
             disturbance of the machine therefore affects all conditions alike. Each environment is compared with "
            (report.baseline) " within blocks."
        }
        p {
            "Cost is the pseudo-median (Hodges-Lehmann) of the ratios of the blocks. Above 1 is worse: for metrics of \
             which more is better, the ratio is inverted. The interval is the exact signed-rank interval at "
            (words::percent(report.level)) ". With fewer than 6 blocks, the cost is the geometric mean with a t \
             interval. Intervals are pointwise. Mean cost is the ratio of arithmetic means. Rare long trials have a \
             large influence on it."
        }
        p {
            "An environment is equivalent if its 90 % interval lies within ±" (words::percent(report.margin))
            ". It is slower or faster if the p value, adjusted for all environments that are compared in that metric, \
             is below " (format!("{:.3}", 1.0 - report.level).trim_end_matches('0')) " and the interval excludes 1. \
             Otherwise it is inconclusive, which does not mean that there is no overhead. Detectable is the smallest \
             overhead that a session of this length and noise finds in four of five cases."
        }
        p {
            "Only completed and verified trials count. No trial is excluded because of its value. The results are \
             valid for this machine in this session."
            @if let Some(stopping) = &report.stopping {
                " The session was to end when every first figure was known within ±" (words::percent(stopping.target))
                ". This was checked after fixed numbers of blocks, and the check used only the width of intervals. \
                 Intervals are made with a fifth less error, so that they keep " (words::percent(report.level)) "."
            }
        }
    }
}
