//! The report as Markdown, for an issue or a paper's appendix.

use crate::group::{Footnotes, groups, why_missing};
use crate::quantity::{quantity, size};
use crate::report::{Report, workload_label};
use crate::visible::one_line;
use crate::words;

/// The report as Markdown.
pub(crate) fn render(report: &Report) -> String {
    let mut out = format!("# Overhead against {}\n\n", text(&report.baseline));
    for answer in words::answers(report) {
        out.push_str(&format!("- **{}**: {}\n", text(&answer.workload), text(&answer.text)));
    }
    let mut notes = Footnotes::default();
    for group in groups(report) {
        let scale = group.scale();
        let label = workload_label(group.workload, group.parameters);
        out.push_str(&format!(
            "\n## {}: {} ({})\n\n| environment | value | cost [{}] | verdict | blocks | notes |\n|:--|--:|:--|:--|--:|:--|\n",
            text(&label),
            text(&words::metric(group.metric)),
            words::direction(group.better),
            words::percent(report.level),
        ));
        if let Some(value) = group.baseline.value {
            let value = text(&quantity(value, group.unit, scale));
            out.push_str(&format!(
                "| {} | {value} | ×1 | baseline | {} | |\n",
                text(&report.baseline),
                group.baseline.blocks
            ));
        }
        for row in &group.rows {
            let marks: Vec<String> =
                notes.numbers(&row.warnings).into_iter().map(|number| format!("({number})")).collect();
            out.push_str(&format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                text(&row.environment),
                text(&quantity(row.value, group.unit, scale)),
                text(&words::cost(row)),
                words::verdict(row, report.margin),
                row.blocks,
                marks.join(" ")
            ));
        }
        for status in &group.missing {
            let why = text(&why_missing(status));
            out.push_str(&format!("| {} | – | – | {why} | 0 | |\n", text(&status.environment)));
        }
    }
    if !notes.notes().is_empty() {
        out.push_str("\nNotes:\n\n");
    }
    for (at, note) in notes.notes().iter().enumerate() {
        out.push_str(&format!("{}. {}\n", at + 1, text(note)));
    }
    footer(report, &mut out);
    out
}

fn footer(report: &Report, out: &mut String) {
    if let Some(about) = words::about_resolution(report) {
        out.push_str(&format!("\n{}.\n", text(&capital(about))));
    }
    out.push_str(&format!("\n{}.\n", text(&capital(&report.null_test.sentence))));
    for warning in report.warnings.iter().filter(|warning| warning.message != report.null_test.sentence) {
        out.push_str(&format!("\n**Warning:** {}.\n", text(&warning.message)));
    }
    let lost = words::not_completed(report);
    if !lost.is_empty() {
        out.push_str("\nNot completed:\n\n");
    }
    for line in lost {
        out.push_str(&format!("- {}\n", text(&line)));
    }
    out.push_str(&format!(
        "\nSession `{}` of {}, isotare {}, {} blocks, seed {}, CPUs {}, memory {}, margin {}.\nRepeat with:\n\n    {}\n",
        code(&report.session),
        text(&report.started),
        text(&report.version),
        report.blocks,
        report.seed,
        text(&report.cpus),
        size(report.memory),
        words::percent(report.margin),
        one_line(&words::command_line(&report.argv)),
    ));
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text that Markdown shows as it is: one line, no markup, no cell separators.
fn text(raw: &str) -> String {
    let mut out = String::new();
    for c in one_line(raw).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '\\' | '[' | ']' | '#' | '~' => {
                // Brackets of intervals and names with underscores inside a word are harmless and common.
                if !matches!(c, '[' | ']' | '#' | '_') || raw.contains("](") {
                    out.push('\\');
                }
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn code(raw: &str) -> String {
    one_line(raw).replace('`', "'")
}
