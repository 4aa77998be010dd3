//! Intervals drawn with characters, beside the rows of a table in a terminal.

use crate::extent::{ends, span};
use crate::figure::Axis;
use crate::report::ResultRow;

/// With which characters intervals are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// Those of ASCII.
    Ascii,
    /// Lines, dots and shades.
    Unicode,
}

/// Narrowest drawing that shows anything, and the widest that the eye still follows, columns.
pub(crate) const WIDTHS: std::ops::RangeInclusive<usize> = 24..=48;

/// Fewest columns at which the margin is shaded: narrower it would be taken for an interval.
const LEAST_MARGIN: usize = 3;

/// A line of the table.
#[derive(Clone, Copy)]
pub(crate) enum Line<'r> {
    /// The baseline, which is 1.
    Baseline,
    /// A comparison with it.
    Row(&'r ResultRow),
    /// Nothing was measured.
    Empty,
}

/// The scale, then each line, `width` columns wide at most: a dot at the cost, a line over its interval, the margin shaded
/// where it is wide enough, and a stroke at 1. All on one logarithmic axis, on which an arrow shows that an interval goes on.
pub(crate) fn draw(lines: &[Line<'_>], margin: f64, width: usize, glyphs: Glyphs) -> Vec<String> {
    let known = || {
        lines.iter().filter_map(|line| match line {
            Line::Row(row) if row.cost.is_some_and(|cost| cost.is_finite() && cost > 0.0) => Some(*row),
            _ => None,
        })
    };
    if known().next().is_none() {
        return vec![String::new(); lines.len() + 1];
    }
    let (low, high) = span(known().map(ends), margin);
    let axis = Axis { low, high, from: 0.0, to: width.saturating_sub(1) as f64, log: true };
    let drawn = lines.iter().map(|line| match line {
        Line::Empty => String::new(),
        Line::Baseline => text(&ground(&axis, margin, width, glyphs)),
        Line::Row(row) => text(&interval(row, &axis, ground(&axis, margin, width, glyphs), glyphs)),
    });
    std::iter::once(scale(&axis, width)).chain(drawn).collect()
}

fn text(cells: &[char]) -> String {
    cells.iter().collect::<String>().trim_end().to_owned()
}

/// Margin, and the stroke at 1.
fn ground(axis: &Axis, margin: f64, width: usize, glyphs: Glyphs) -> Vec<char> {
    let [shade, stroke] = if glyphs == Glyphs::Unicode { ['░', '│'] } else { [':', '|'] };
    let mut cells = vec![' '; width];
    let (from, to) = (column(axis, 1.0 / (1.0 + margin)), column(axis, 1.0 + margin));
    if to - from + 1 >= LEAST_MARGIN {
        cells[from..=to].fill(shade);
    }
    cells[column(axis, 1.0)] = stroke;
    cells
}

fn interval(row: &ResultRow, axis: &Axis, mut cells: Vec<char>, glyphs: Glyphs) -> Vec<char> {
    let [line, left, right, less, more, dot] = match glyphs {
        Glyphs::Unicode => ['─', '├', '┤', '←', '→', '●'],
        Glyphs::Ascii => ['-', '[', ']', '<', '>', 'o'],
    };
    let Some(cost) = row.cost.filter(|cost| cost.is_finite() && *cost > 0.0) else { return cells };
    if let (Some(low), Some(high)) = (row.cost_low, row.cost_high) {
        let (from, to) = (column(axis, low), column(axis, high));
        // Ends need room beside the dot.
        if to - from >= 2 {
            cells[from..=to].fill(line);
            cells[from] = if axis.holds(low) { left } else { less };
            cells[to] = if axis.holds(high) { right } else { more };
        }
    }
    cells[column(axis, cost)] = dot;
    cells
}

/// The column of a value; those beyond the axis are at its ends.
fn column(axis: &Axis, value: f64) -> usize {
    let place = axis.pixel(value.clamp(axis.low, axis.high)).round().clamp(axis.from, axis.to);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the columns")]
    let column = place as usize;
    column
}

/// Round values over their columns, 1 before all others, as far as there is room.
fn scale(axis: &Axis, width: usize) -> String {
    let mut cells = vec![' '; width];
    let ticks = axis.ticks(width / 6).into_iter().filter(|(value, _)| (value - 1.0).abs() > 1e-9);
    for (value, label) in std::iter::once((1.0, "1".to_owned())).chain(ticks) {
        let label: Vec<char> = format!("×{label}").chars().collect();
        let from = column(axis, value).saturating_sub(label.len() / 2).min(width.saturating_sub(label.len()));
        let around = from.saturating_sub(1)..(from + label.len() + 1).min(width);
        if cells[around].iter().all(|cell| *cell == ' ') {
            cells[from..from + label.len()].copy_from_slice(&label);
        }
    }
    text(&cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Better;
    use isotare_stats::Verdict;
    use std::collections::BTreeMap;

    fn row(cost: f64, ends: Option<(f64, f64)>) -> ResultRow {
        ResultRow {
            workload: "cpu".to_owned(),
            parameters: BTreeMap::new(),
            metric: "events_per_second".to_owned(),
            unit: "1/s".to_owned(),
            better: Better::Lower,
            headline: true,
            source: isotare_core::MeasuredBy::Workload,
            environment: "e".to_owned(),
            baseline: "native".to_owned(),
            null: false,
            value: cost,
            baseline_value: Some(1.0),
            ratio: Some(cost),
            low: ends.map(|ends| ends.0),
            high: ends.map(|ends| ends.1),
            level: 0.95,
            cost: Some(cost),
            cost_low: ends.map(|ends| ends.0),
            cost_high: ends.map(|ends| ends.1),
            verdict: Verdict::Inconclusive,
            p: None,
            p_adjusted: None,
            blocks: 6,
            minimum_detectable_effect: None,
            mean_ratio: None,
            mean_low: None,
            mean_high: None,
            method: None,
            warnings: Vec::new(),
        }
    }

    fn drawn(rows: &[ResultRow], margin: f64, width: usize, glyphs: Glyphs) -> String {
        let rows = rows.iter().map(Line::Row);
        let lines: Vec<Line<'_>> = [Line::Baseline].into_iter().chain(rows).chain([Line::Empty]).collect();
        let lines = draw(&lines, margin, width, glyphs);
        assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:?}");
        lines.iter().map(|line| format!("> {line}").trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn small_costs_are_drawn_with_the_margin() {
        let rows =
            [row(1.0, Some((0.99, 1.008))), row(1.04, Some((1.02, 1.07))), row(0.975, Some((0.96, 0.99)))];
        insta::assert_snapshot!(drawn(&rows, 0.02, 40, Glyphs::Unicode), @r"
> ×0.96 ×0.98   ×1    ×1.02 ×1.04 ×1.06
>         ░░░░░░░│░░░░░░░
>         ░░░░├──●──┤░░░░
>         ░░░░░░░│░░░░░░├─────●─────────┤
>  ├─────●────┤░░│░░░░░░░
>
");
        insta::assert_snapshot!(drawn(&rows, 0.02, 40, Glyphs::Ascii), @r"
> ×0.96 ×0.98   ×1    ×1.02 ×1.04 ×1.06
>         :::::::|:::::::
>         ::::[--o--]::::
>         :::::::|::::::[-----o---------]
>  [-----o----]::|:::::::
>
");
    }

    #[test]
    fn large_costs_share_the_scale_and_the_margin_is_too_narrow_to_be_shaded() {
        let rows =
            [row(1.002, Some((0.99, 1.01))), row(7.1, Some((6.7, 7.5))), row(619.0, Some((598.0, 634.0)))];
        insta::assert_snapshot!(drawn(&rows, 0.02, 48, Glyphs::Unicode), @r"
>  ×1   ×2    ×5  ×10  ×20   ×50 ×100 ×200  ×500
>   │
>   ●
>   │            ●
>   │                                          ●
>
");
    }

    #[test]
    fn an_interval_that_goes_on_ends_in_an_arrow_and_none_is_a_dot() {
        let rows = [row(1.1, Some((0.001, f64::INFINITY))), row(1.05, None), row(f64::NAN, None)];
        insta::assert_snapshot!(drawn(&rows, 0.02, 30, Glyphs::Unicode), @r"
>      ×1        ×1.1      ×1.2
>     ░░│░░░
> ←────────────────●───────────→
>     ░░│░░░  ●
>     ░░│░░░
>
");
        insta::assert_snapshot!(drawn(&rows, 0.02, 30, Glyphs::Ascii), @r"
>      ×1        ×1.1      ×1.2
>     ::|:::
> <----------------o----------->
>     ::|:::  o
>     ::|:::
>
");
        assert_eq!(drawn(&rows[2..], 0.02, 30, Glyphs::Ascii), ">\n>\n>\n>\n", "nothing can be drawn");
    }
}
