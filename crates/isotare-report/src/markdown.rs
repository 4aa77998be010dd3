//! The report as Markdown, for an issue or a paper's appendix.

use crate::group::{Footnotes, groups, missing};
use crate::quantity::quantity;
use crate::report::{Report, workload_label};
use crate::words;
use crate::words::one_line;

/// The report as Markdown.
pub(crate) fn render(report: &Report) -> String {
    let mut out = format!("# Overhead against {}\n\n", escaped(&report.baseline));
    for warning in words::warnings(report).0 {
        out.push_str(&format!("**{}.**\n\n", escaped(warning)));
    }
    for answer in words::answers(report) {
        out.push_str(&format!("- **{}**: {}\n", escaped(&answer.workload), escaped(&answer.text)));
    }
    let mut notes = Footnotes::default();
    for group in groups(report) {
        let scale = group.scale();
        let label = workload_label(group.workload, group.parameters);
        out.push_str(&format!(
            "\n## {}: {} ({})\n\n| environment | value | cost [{}] | verdict | blocks | notes |\n|:--|--:|:--|:--|--:|:--|\n",
            escaped(&label),
            escaped(&words::metric(group.metric)),
            words::direction(group.better),
            words::percent(report.level),
        ));
        if let Some(value) = group.baseline.value {
            let value = escaped(&quantity(value, group.unit, scale));
            out.push_str(&format!(
                "| {} | {value} | ×1 | baseline | {} | |\n",
                escaped(&report.baseline),
                group.baseline.blocks
            ));
        }
        for row in &group.rows {
            let marks: Vec<String> =
                notes.numbers(&row.warnings).into_iter().map(|number| format!("({number})")).collect();
            out.push_str(&format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                escaped(&row.environment),
                escaped(&quantity(row.value, group.unit, scale)),
                escaped(&words::cost(row)),
                words::verdict(row, report.margin),
                row.blocks,
                marks.join(" ")
            ));
        }
        for status in &group.missing {
            let (word, note) = missing(status);
            let mark = note.map(|note| format!("({})", notes.number(&note))).unwrap_or_default();
            out.push_str(&format!(
                "| {} | – | – | {} | 0 | {mark} |\n",
                escaped(&status.environment),
                escaped(&word)
            ));
        }
    }
    if !notes.notes().is_empty() {
        out.push_str("\nNotes:\n\n");
    }
    for (at, note) in notes.notes().iter().enumerate() {
        out.push_str(&format!("{}. {}\n", at + 1, escaped(note)));
    }
    footer(report, &mut out);
    out
}

fn footer(report: &Report, out: &mut String) {
    if let Some(about) = words::about_resolution(report) {
        out.push_str(&format!("\n{}.\n", escaped(&capital(about))));
    }
    out.push_str(&format!("\n{}.\n", escaped(&capital(&report.null_test.sentence))));
    for about in words::about_session(report) {
        out.push_str(&format!("\n{}.\n", escaped(&capital(about))));
    }
    for warning in words::warnings(report).1 {
        out.push_str(&format!("\n**Warning:** {}.\n", escaped(warning)));
    }
    let lost = words::not_completed(report);
    if !lost.is_empty() {
        out.push_str("\nNot completed:\n\n");
    }
    for line in lost {
        out.push_str(&format!("- {}\n", escaped(&line)));
    }
    out.push_str(&format!(
        "\n{}{}, isotare {}{}, margin {}.\nRepeat with:\n\n    {}\n",
        escaped(&capital(&words::provenance(report))),
        escaped(&if report.started.is_empty() { String::new() } else { format!(", {}", report.started) }),
        escaped(&report.version),
        escaped(&words::budget(report).map(|budget| format!(", {budget}")).unwrap_or_default()),
        words::percent(report.margin),
        one_line(&isotare_core::shell_line(&report.argv)),
    ));
}

pub(crate) fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text that Markdown shows literally, on one line.
pub(crate) fn escaped(raw: &str) -> String {
    isotare_core::markdown(&one_line(raw))
}
