//! The table in the terminal.

use crate::Options;
use crate::group::{Footnotes, Group, groups, superscript, why_missing};
use crate::quantity::quantity;
use crate::report::{Report, ResultRow, workload_label};
use crate::words;
use crate::words::one_line;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
};
use isotare_stats::Verdict;

const COLUMNS: usize = 5;

/// The report as text.
pub(crate) fn render(report: &Report, options: &Options) -> String {
    let mut out = String::new();
    for warning in words::warnings(report).0 {
        out.push_str(&wrap(&one_line(&format!("{warning}.")), "", options.width));
        out.push('\n');
    }
    let mut notes = Footnotes::default();
    let groups = groups(report);
    let tables: Vec<Vec<[Cell; COLUMNS]>> =
        groups.iter().map(|group| rows(group, report, &mut notes)).collect();
    let widths = widths(&tables);
    for (group, rows) in groups.iter().zip(tables) {
        out.push_str(&format!("{}\n", title(group)));
        out.push_str(&table(rows, &widths, report, options));
        out.push('\n');
    }
    if groups.is_empty() {
        out.push_str("Nothing was measured.\n\n");
        for status in &report.environments {
            let why = status.why_not().unwrap_or_else(|| "measured, but it gave no value".to_owned());
            out.push_str(&wrap(&one_line(&format!("{}: {why}", status.environment)), "  ", options.width));
        }
        out.push('\n');
    }
    for (at, note) in notes.notes().iter().enumerate() {
        let mark = superscript(&[at + 1]);
        out.push_str(&wrap(&format!("{mark} {}", one_line(note)), "", options.width));
    }
    if !notes.notes().is_empty() {
        out.push('\n');
    }
    footer(report, options, &mut out);
    out
}

fn title(group: &Group<'_>) -> String {
    one_line(&format!(
        "{} · {} ({})",
        workload_label(group.workload, group.parameters),
        words::metric(group.metric),
        words::direction(group.better)
    ))
}

fn rows(group: &Group<'_>, report: &Report, notes: &mut Footnotes) -> Vec<[Cell; COLUMNS]> {
    let scale = group.scale();
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut rows = Vec::new();
    if let Some(value) = group.baseline.value {
        rows.push([
            Cell::new(one_line(&report.baseline)),
            right(one_line(&quantity(value, group.unit, scale))),
            Cell::new("×1"),
            Cell::new("baseline"),
            right(group.baseline.blocks.to_string()),
        ]);
    }
    for row in &group.rows {
        let marks = superscript(&notes.numbers(&row.warnings));
        rows.push([
            Cell::new(one_line(&row.environment)),
            right(one_line(&quantity(row.value, group.unit, scale))),
            Cell::new(words::cost(row)),
            verdict(row, report.margin, &marks),
            right(row.blocks.to_string()),
        ]);
    }
    for status in &group.missing {
        let why = why_missing(status);
        let number = notes.number(&format!("{}: {why}", status.environment));
        let word = why.split([':', ';']).next().unwrap_or_default();
        let text = format!("{word} {}", superscript(&[number]));
        rows.push([
            Cell::new(one_line(&status.environment)),
            right("–".to_owned()),
            Cell::new("–"),
            Cell::new(text).fg(Color::DarkGrey),
            right("0".to_owned()),
        ]);
    }
    rows
}

fn verdict(row: &ResultRow, margin: f64, marks: &str) -> Cell {
    let text = format!("{} {marks}", words::verdict(row, margin));
    let cell = Cell::new(text.trim_end());
    match row.verdict {
        Verdict::Slower => cell.fg(Color::Red),
        Verdict::Faster => cell.fg(Color::Cyan),
        Verdict::Equivalent => cell.fg(Color::Green),
        Verdict::Inconclusive => cell.fg(Color::Yellow),
    }
}

/// One width per column for all tables, so that they look like one table.
fn widths(tables: &[Vec<[Cell; COLUMNS]>]) -> Vec<u16> {
    let mut all = Table::new();
    all.set_header(header("[99.9 %]"));
    for row in tables.iter().flatten() {
        all.add_row(row.to_vec());
    }
    all.column_max_content_widths()
}

fn header(interval: &str) -> Vec<Cell> {
    let bold = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
    vec![
        bold("environment"),
        bold("value").set_alignment(CellAlignment::Right),
        bold(&format!("cost {interval}")),
        bold("verdict"),
        bold("blocks").set_alignment(CellAlignment::Right),
    ]
}

fn table(rows: Vec<[Cell; COLUMNS]>, widths: &[u16], report: &Report, options: &Options) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(options.width);
    match options.color {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    table.set_header(header(&format!("[{}]", words::percent(report.level))));
    for row in rows {
        table.add_row(row.to_vec());
    }
    let fits =
        widths.iter().map(|width| usize::from(*width) + 2).sum::<usize>() <= usize::from(options.width);
    if fits {
        for (column, width) in table.column_iter_mut().zip(widths) {
            // The width includes the padding of one on each side.
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width + 2)));
        }
    }
    let lines: Vec<String> = table.lines().map(|line| format!(" {}\n", line.trim_end())).collect();
    lines.concat()
}

fn footer(report: &Report, options: &Options, out: &mut String) {
    let mut say = |text: String| out.push_str(&wrap(&one_line(&text), "", options.width));
    if !groups(report).is_empty() {
        say(format!(
            "cost: typical ratio to {} within blocks, turned so that above 1 is worse; margin {}, intervals pointwise.",
            report.baseline,
            words::percent(report.margin)
        ));
    }
    if let Some(about) = words::about_resolution(report) {
        say(format!("{about}."));
    }
    let sentence = &report.null_test.sentence;
    let prefix = if report.null_test.status.is_warning() { "warning: " } else { "" };
    say(format!("{prefix}{sentence}."));
    for about in words::about_session(report) {
        say(format!("{about}."));
    }
    for warning in words::warnings(report).1 {
        say(format!("warning: {warning}."));
    }
    for lost in words::not_completed(report) {
        say(format!("not completed: {lost}"));
    }
    say(words::provenance(report));
    if report.origin.is_none() {
        say(format!("page with figures: isotare report {} --format html --out report.html", report.session));
    }
}

/// Breaks a line at spaces; continued lines are indented by two more.
pub(crate) fn wrap(text: &str, indent: &str, width: u16) -> String {
    let width = usize::from(width).max(20);
    let mut out = String::new();
    let mut line = indent.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            out.push_str(&line);
            out.push('\n');
            line = format!("{indent}  ");
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(&line);
    out.push('\n');
    out
}
