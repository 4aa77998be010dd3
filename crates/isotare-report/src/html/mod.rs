//! The page: one file without scripts or anything to load, for light and dark screens and for print.

mod background;
mod evidence;
mod noise;
mod resources;
mod tables;

use crate::RenderError;
use crate::diff::Diff;
use crate::diff_forms;
use crate::figure::{Figure, cpu_by_role, drift, forest, life};
use crate::group::Footnotes;
use crate::report::{NullStatus, Report};
use crate::words;
use isotare_core::visible;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// What a table says that scrolls by itself where the window is too narrow, so that the page never does.
const SCROLLS: &str = "table, may scroll sideways";

/// What a browser may load for the page: nothing but its own styles. A script would not run, whoever put it there.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The report as a page.
pub(crate) fn render(report: &Report) -> Result<String, RenderError> {
    let forest = forest(report)?;
    let drift = drift(report)?;
    let life = life(report)?;
    let cpu = cpu_by_role(report)?;
    let source = report.origin.as_deref().unwrap_or(&report.session);
    let title = format!("Overhead against {} · {source}", report.baseline);
    let mut notes = Footnotes::default();
    let main = html! {
        (answers(report))
        (tables::results(report, &mut notes))
        @if forest.is_some() || drift.is_some() {
            h2 { "Figures" }
            (figure(forest.as_ref()))
            (figure(drift.as_ref()))
            (evidence::block_values(report))
        }
        (evidence::lifecycle(report, figure(life.as_ref())))
        (evidence::cpu(report, figure(cpu.as_ref())))
        (resources::resources(report))
        (noise::noise(report))
        (background::ledger(report))
        (background::outcomes(report, &notes))
        (background::repeat(report))
        (background::host(report))
        (background::method(report))
    };
    Ok(page(&title, &report.version, &main))
}

/// The comparison of two sessions as a page.
pub(crate) fn diff(diff: &Diff) -> String {
    let mark = |numbers: &[usize]| numbers.iter().map(|n| format!("({n})")).collect::<Vec<_>>().join(" ");
    let (blocks, notes) = diff_forms::blocks(diff, mark);
    let main = html! {
        h1 { "How overheads changed, against " (diff.baseline) }
        p { (sentence(&diff_forms::answer(diff))) }
        @for warning in &diff.warnings {
            p.warning role="note" { (sentence(&warning.message)) }
        }
        @for block in &blocks {
            h2 { (block.title) }
            div.scroll tabindex="0" role="group" aria-label=(SCROLLS) {
                table {
                    thead { tr { @for name in diff_forms::HEADER { th scope="col" { (name) } } } }
                    tbody { @for row in &block.rows { tr { @for cell in row { td { (cell) } } } } }
                }
            }
        }
        @if !notes.is_empty() { ol { @for note in &notes { li { (note) } } } }
        @for line in diff_forms::footer(diff) { p.quiet { (sentence(&line)) } }
    };
    let title = format!("Change from {} to {}", diff.before.session, diff.after.session);
    page(&title, &diff.after.version, &main)
}

fn page(title: &str, version: &str, main: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                // First, so that it holds for all that follows (CSP level 3, section 3.3).
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(format!("isotare {version}"));
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (main) } }
        }
    };
    // Here, for every text that the page has.
    visible(&page.into_string()).into_owned()
}

fn answers(report: &Report) -> Markup {
    html! {
        h1 { "What isolation costs, against " (report.baseline) }
        p.quiet {
            @if report.origin.is_none() { (report.started) " · " }
            (words::provenance(report))
            @if let Some(cpu) = report.host.facts.get("cpu-model") { " · " (cpu) }
            @if let Some(kernel) = report.host.facts.get("kernel") { " · Linux " (kernel) }
        }
        dl.answers {
            @for answer in words::answers(report) {
                dt { (answer.workload) }
                dd { (answer.text) }
            }
        }
        @if !report.null_test.status.is_warning() {
            p class=(if report.null_test.status == NullStatus::Passed { "calibrated" } else { "open" }) { (sentence(&report.null_test.sentence)) }
        }
        @for warning in &report.warnings {
            p.warning role="note" { (sentence(&warning.message)) }
        }
        @if let Some(stopping) = report.stopping.as_ref().filter(|stopping| stopping.reached) {
            p { (sentence(&stopping.sentence)) }
        }
    }
}

/// A sentence from a phrase.
fn sentence(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let stop = if phrase.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// Longest name of an environment that no table breaks.
const UNBROKEN: usize = 24;

/// The name of an environment. A long one may be broken between its settings.
fn name(environment: &str) -> Markup {
    let is_long = environment.chars().count() > UNBROKEN;
    html! {
        @if is_long {
            @for (at, part) in environment.split_inclusive([':', ',']).enumerate() {
                @if at > 0 { wbr; }
                (part)
            }
        } @else { (environment) }
    }
}

fn figure(figure: Option<&Figure>) -> Markup {
    html! {
        @if let Some(figure) = figure {
            figure {
                div.scroll tabindex="0" role="group" aria-label="figure, may scroll sideways" {
                    (PreEscaped(&figure.svg))
                }
                figcaption { (figure.caption) }
            }
        }
    }
}
