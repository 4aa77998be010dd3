//! The comparison of two sessions as text and Markdown.

use crate::Options;
use crate::diff::{Diff, DiffRow, Overhead};
use crate::group::Footnotes;
use crate::report::{WarningKind, workload_label};
use crate::words;
use crate::words::one_line;
use isotare_stats::Verdict;

/// One table: a metric of a workload.
pub(crate) struct Block {
    pub title: String,
    /// Cells as in [`HEADER`].
    pub rows: Vec<[String; 6]>,
}

/// Headers of the columns.
pub(crate) const HEADER: [&str; 6] =
    ["environment", "cost before", "cost after", "change", "verdict", "blocks"];

/// Tables and notes. `mark` formats the number of a note.
pub(crate) fn blocks(diff: &Diff, mark: impl Fn(&[usize]) -> String) -> (Vec<Block>, Vec<String>) {
    let mut notes = Footnotes::default();
    let mut blocks: Vec<Block> = Vec::new();
    for row in diff.shown() {
        let r = &row.row;
        let title = format!(
            "{} · {} ({})",
            workload_label(&r.workload, &r.parameters),
            words::metric(&r.metric),
            words::direction(r.better)
        );
        if blocks.last().is_none_or(|block| block.title != title) {
            blocks.push(Block { title, rows: Vec::new() });
        }
        let marks = mark(&notes.numbers(&r.warnings));
        let cells = [
            r.environment.clone(),
            overhead(row.before.as_ref()),
            overhead(row.after.as_ref()),
            words::cost(r),
            format!("{} {marks}", verdict(row, diff.margin)).trim_end().to_owned(),
            r.blocks.to_string(),
        ];
        if let Some(block) = blocks.last_mut() {
            block.rows.push(cells);
        }
    }
    (blocks, notes.notes().to_vec())
}

fn overhead(overhead: Option<&Overhead>) -> String {
    overhead.map_or_else(|| "–".to_owned(), |cost| format!("×{}", words::factor(cost.cost)))
}

fn verdict(row: &DiffRow, margin: f64) -> String {
    match row.row.verdict {
        _ if row.before.is_none() => "baseline".to_owned(),
        Verdict::Equivalent => format!("unchanged within {}", words::percent(margin)),
        _ => words::verdict(&row.row, margin),
    }
}

/// One sentence with the answer.
pub(crate) fn answer(diff: &Diff) -> String {
    let worse: Vec<String> = diff
        .regressions()
        .map(|row| {
            let workload = workload_label(&row.row.workload, &row.row.parameters);
            format!("{} in {workload}, {}", row.row.environment, words::metric(&row.row.metric))
        })
        .collect();
    match worse.as_slice() {
        [] => "no overhead was shown to have increased".to_owned(),
        worse => format!("overhead increased: {}", worse.join("; ")),
    }
}

/// The notes below the tables.
pub(crate) fn footer(diff: &Diff) -> Vec<String> {
    let mut lines = vec![format!(
        "cost: typical ratio to {} within each session (above 1 is worse); change: cost after divided by \
         cost before [{}]; margin {}",
        diff.baseline,
        words::percent(diff.level),
        words::percent(diff.margin)
    )];
    let runtimes = diff.differences.iter().filter(|difference| difference.what == crate::What::Runtime);
    lines.extend(runtimes.map(|difference| format!("changed: {difference}")));
    lines.extend(diff.unmatched.iter().cloned());
    let side =
        |side: &crate::DiffSide| format!("{} ({}, {} blocks)", side.session, side.started, side.blocks);
    lines.push(format!("before: {}; after: {}", side(&diff.before), side(&diff.after)));
    lines
}

/// As text.
pub(crate) fn text(diff: &Diff, options: &Options) -> String {
    let mut out = String::new();
    let (blocks, notes) = blocks(diff, crate::group::superscript);
    let width = |column: usize| {
        let cells =
            blocks.iter().flat_map(|block| &block.rows).map(|row| one_line(&row[column]).chars().count());
        cells.chain([HEADER[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let line = |cells: [&str; 6]| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("  {}\n", padded.join("  ").trim_end())
    };
    for block in &blocks {
        out.push_str(&format!("{}\n", one_line(&block.title)));
        out.push_str(&line(HEADER));
        for row in &block.rows {
            let cells = row.clone().map(|cell| one_line(&cell));
            out.push_str(&line(cells.each_ref().map(String::as_str)));
        }
        out.push('\n');
    }
    let mut say = |text: &str| out.push_str(&crate::text::wrap(&one_line(text), "", options.width));
    for (at, note) in notes.iter().enumerate() {
        say(&format!("{} {note}", crate::group::superscript(&[at + 1])));
    }
    for warning in &diff.warnings {
        say(&format!("warning: {}.", warning.message));
    }
    footer(diff).iter().for_each(|text| say(text));
    say(&format!("{}.", answer(diff)));
    out
}

/// As Markdown.
pub(crate) fn markdown(diff: &Diff) -> String {
    use crate::markdown::{capital, escaped};
    let mut out = format!(
        "# Change of overheads against {}\n\n{}.\n",
        escaped(&diff.baseline),
        escaped(&capital(&answer(diff)))
    );
    let mark = |numbers: &[usize]| numbers.iter().map(|n| format!("({n})")).collect::<Vec<_>>().join(" ");
    let (blocks, notes) = blocks(diff, mark);
    for block in &blocks {
        out.push_str(&format!(
            "\n## {}\n\n| {} |\n|:--|:--|:--|:--|:--|--:|\n",
            escaped(&block.title),
            HEADER.join(" | ")
        ));
        for row in &block.rows {
            out.push_str(&format!("| {} |\n", row.clone().map(|cell| escaped(&cell)).join(" | ")));
        }
    }
    out.push('\n');
    for (at, note) in notes.iter().enumerate() {
        out.push_str(&format!("{}. {}\n", at + 1, escaped(note)));
    }
    for warning in &diff.warnings {
        let strong = if warning.kind == WarningKind::Emulation { "" } else { "Warning: " };
        out.push_str(&format!("\n**{strong}{}.**\n", escaped(&warning.message)));
    }
    for line in footer(diff) {
        out.push_str(&format!("\n{}.\n", escaped(&capital(&line))));
    }
    out
}
