//! The table in the terminal.

use crate::Options;
use crate::group::{Footnotes, Group, groups, missing, superscript};
use crate::plot::{self, Line};
use crate::quantity::quantity;
use crate::report::{Report, ResultRow, workload_label};
use crate::words;
use crate::words::one_line;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
};
use isotare_stats::Verdict;
use textwrap::{WordSeparator, WordSplitter, WrapAlgorithm};

const COLUMNS: usize = 5;
/// The column of values.
const VALUE: usize = 1;
/// What each column takes beside its content: one on each side.
const PADDING: u16 = 2;

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
        let drawn = drawn(group, &widths, report.margin, options);
        out.push_str(&table(rows, &drawn, &widths, report, options));
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
        let (word, note) = missing(status);
        let number: Vec<usize> = note.iter().map(|note| notes.number(note)).collect();
        let text = format!("{word} {}", superscript(&number));
        rows.push([
            Cell::new(one_line(&status.environment)),
            right("–".to_owned()),
            Cell::new("–"),
            Cell::new(text.trim_end()).fg(Color::DarkGrey),
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

/// The intervals of a group, the scale first; nothing where nobody asked for them or there is no room beside the table.
fn drawn(group: &Group<'_>, widths: &[u16], margin: f64, options: &Options) -> Vec<String> {
    let left = usize::from(options.width).saturating_sub(needed(widths) + usize::from(PADDING));
    match options.plot.filter(|_| left >= *plot::WIDTHS.start()) {
        Some(glyphs) => {
            let baseline = group.baseline.value.map(|_| Line::Baseline);
            let rows = group.rows.iter().map(|row| Line::Row(row));
            let lines: Vec<Line<'_>> =
                baseline.into_iter().chain(rows).chain(group.missing.iter().map(|_| Line::Empty)).collect();
            plot::draw(&lines, margin, left.min(*plot::WIDTHS.end()), glyphs)
        }
        None => Vec::new(),
    }
}

/// Columns that a table of these widths takes.
fn needed(widths: &[u16]) -> usize {
    widths.iter().map(|width| usize::from(*width) + usize::from(PADDING)).sum()
}

fn table(
    rows: Vec<[Cell; COLUMNS]>,
    drawn: &[String],
    widths: &[u16],
    report: &Report,
    options: &Options,
) -> String {
    let mut drawn = drawn.iter();
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(options.width);
    match options.color {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    let header = header(&format!("[{}]", words::percent(report.level)));
    table.set_header(header.into_iter().chain(drawn.next().map(Cell::new)));
    for row in rows {
        table.add_row(row.into_iter().chain(drawn.next().map(Cell::new)));
    }
    // Where there is too little room cells are broken at spaces; a table with long words is wider than the terminal.
    let least: Vec<u16> = match needed(widths) <= usize::from(options.width) {
        true => widths.to_vec(),
        false => longest_words(&table),
    };
    for (column, width) in table.column_iter_mut().zip(least) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width.saturating_add(PADDING))));
    }
    let lines: Vec<String> = table.lines().map(|line| format!(" {}\n", line.trim_end())).collect();
    lines.concat()
}

/// The longest word of each column. A value stays on a line with its unit.
fn longest_words(table: &Table) -> Vec<u16> {
    let longest = |at: usize| {
        let cells =
            table.header().into_iter().chain(table.row_iter()).filter_map(|row| row.cell_iter().nth(at));
        let width = |cell: &Cell| match at {
            VALUE => textwrap::core::display_width(&cell.content()),
            _ => longest_word(&cell.content()),
        };
        u16::try_from(cells.map(width).max().unwrap_or_default()).unwrap_or(u16::MAX)
    };
    (0..COLUMNS).map(longest).collect()
}

fn footer(report: &Report, options: &Options, out: &mut String) {
    let mut say = |text: String| out.push_str(&wrap(&one_line(&text), "", options.width));
    if !groups(report).is_empty() {
        say(format!(
            "cost: typical ratio to {} within blocks; above 1 is worse; margin {}, intervals pointwise.",
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

/// Breaks a line at spaces, never within a word; continued lines are indented by two more.
pub fn wrap(text: &str, indent: &str, width: u16) -> String {
    let continued = format!("{indent}  ");
    let options = textwrap::Options::new(usize::from(width).max(20))
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .initial_indent(indent)
        .subsequent_indent(&continued);
    textwrap::fill(text, options) + "\n"
}

/// Columns of the longest word.
pub fn longest_word(text: &str) -> usize {
    text.split([' ', '\n']).map(textwrap::core::display_width).max().unwrap_or_default()
}
