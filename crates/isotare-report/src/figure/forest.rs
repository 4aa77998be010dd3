//! Overhead with intervals: one line per environment and workload. If some environments cost many times as
//! much as others, a second panel shows the values near 1 enlarged.

use super::Figure;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Drawn, Type, beside_plot, sheet, shortened};
use super::palette::{BAND, GRID, INK, MUTED, look};
use crate::RenderError;
use crate::extent::{ends, span};
use crate::group::{Group, groups};
use crate::report::{Report, ResultRow, workload_label};
use crate::words;

const WIDTH: f64 = 960.0;
const LABELS_END: f64 = 228.0;
const PLOT: (f64, f64) = (242.0, 760.0);
const NUMBERS: f64 = 780.0;
const LINE: f64 = 24.0;
const TITLE: f64 = 34.0;
const TOP: f64 = 0.0;
const BOTTOM: f64 = 48.0;

/// Costs within this factor of 1 share the enlarged panel.
const NEAR: f64 = 1.3;

/// The figure; `None` if nothing was compared.
pub(crate) fn forest(report: &Report) -> Result<Option<Figure>, RenderError> {
    let groups: Vec<Group<'_>> =
        groups(report).into_iter().filter(|group| group.rows.iter().any(|row| row.cost.is_some())).collect();
    let rows: Vec<&ResultRow> =
        groups.iter().flat_map(|group| &group.rows).copied().filter(|row| row.cost.is_some()).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let axes = axes(&rows, report.margin);
    let height = TOP + BOTTOM + groups.len() as f64 * TITLE + rows.len() as f64 * LINE;
    let interval = words::percent(report.level);
    let description = format!(
        "Cost of each environment over {}, with {interval} intervals, by workload. The table above has the numbers.",
        report.baseline
    );
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a height of pixels")]
    let size = (WIDTH as u32, height as u32);
    let svg = sheet(size, ("forest", "Overhead by workload and environment", &description), |canvas| {
        let mut y = TOP;
        for group in &groups {
            y += TITLE;
            let lines = group.rows.iter().filter(|row| row.cost.is_some()).count() as f64;
            for axis in &axes {
                frame(canvas, axis, report, (y, y + lines * LINE))?;
            }
            title(canvas, group, y - 12.0)?;
            for row in group.rows.iter().filter(|row| row.cost.is_some()) {
                line(canvas, &axes, row, report, y + LINE / 2.0)?;
                y += LINE;
            }
        }
        for axis in &axes {
            scale(canvas, axis, y)?;
        }
        Ok(())
    })?;
    let panels = match axes.len() {
        1 => "",
        _ => {
            "  Left: the values near 1, enlarged; an arrow means that a value is outside this range. Right: \
             all values."
        }
    };
    let caption = format!(
        "Cost over {} (above 1 is worse) with {interval} intervals, on a logarithmic axis. The band is the margin of \
         ±{}.{panels}",
        report.baseline,
        words::percent(report.margin)
    );
    Ok(Some(Figure { svg, caption }))
}

fn axes(rows: &[&ResultRow], margin: f64) -> Vec<Axis> {
    let all = span(rows.iter().map(|row| ends(row)), margin);
    let is_near = |row: &&&ResultRow| row.cost.is_some_and(|cost| cost.max(cost.recip()) < NEAR);
    let near = rows.iter().filter(is_near);
    let clip = |(low, high): (f64, f64)| (low.max(1.0 / 1.5), high.min(1.5));
    let zoom = span(near.clone().map(|row| clip(ends(row))), margin);
    let axis = |(low, high): (f64, f64), from, to| Axis { low, high, from, to, log: true };
    let (left, right) = PLOT;
    let is_wide = (all.1 / all.0).ln() > 3.0 * (zoom.1 / zoom.0).ln() && near.count() > 0;
    match is_wide {
        true => vec![axis(zoom, left, left + 270.0), axis(all, left + 300.0, right)],
        false => vec![axis(all, left, right)],
    }
}

/// Grid, margin and the line at 1 behind the lines of a group; titles stay clear of it.
fn frame(canvas: &Canvas<'_>, axis: &Axis, report: &Report, (top, bottom): (f64, f64)) -> Drawn {
    let within = |value: f64| axis.pixel(value.clamp(axis.low, axis.high));
    let band = (1.0 / (1.0 + report.margin), 1.0 + report.margin);
    canvas.bar((within(band.0), top), (within(band.1), bottom), BAND)?;
    for (value, _) in axis.ticks(ticks(axis)) {
        let x = axis.pixel(value);
        canvas.line((x, top), (x, bottom), GRID, 1)?;
    }
    let one = axis.pixel(1.0);
    canvas.line((one, top), (one, bottom), INK, 1)
}

fn ticks(axis: &Axis) -> usize {
    if axis.to - axis.from > 350.0 { 7 } else { 4 }
}

/// Tick labels and title of an axis.
fn scale(canvas: &Canvas<'_>, axis: &Axis, bottom: f64) -> Drawn {
    canvas.line((axis.from, bottom), (axis.to, bottom), MUTED, 1)?;
    for (value, label) in axis.ticks(ticks(axis)) {
        let x = axis.pixel(value);
        canvas.line((x, bottom), (x, bottom + 4.0), MUTED, 1)?;
        canvas.text(&format!("×{label}"), (x, bottom + 14.0), Type::new(Anchor::Middle).size(12.0))?;
    }
    let middle = (axis.from + axis.to) / 2.0;
    let kind = Type::new(Anchor::Middle).size(12.0).color(MUTED);
    canvas.text("cost, above 1 is worse", (middle, bottom + 34.0), kind)
}

fn title(canvas: &Canvas<'_>, group: &Group<'_>, y: f64) -> Drawn {
    let label = workload_label(group.workload, group.parameters);
    let text = format!("{} · {}", shortened(&label, 60), words::metric(group.metric));
    canvas.text(&text, (4.0, y), Type::new(Anchor::Start).bold())
}

fn line(canvas: &Canvas<'_>, axes: &[Axis], row: &ResultRow, report: &Report, y: f64) -> Drawn {
    let Some(cost) = row.cost else { return Ok(()) };
    let at = report.environments.iter().position(|status| status.environment == row.environment);
    let (color, marker) = look(at.unwrap_or(1), row.null);
    canvas.text(&beside_plot(&row.environment), (LABELS_END, y), Type::new(Anchor::End).size(12.5))?;
    canvas.text(&words::cost(row), (NUMBERS, y), Type::new(Anchor::Start).size(12.5))?;
    for axis in axes {
        let inside = |value: f64| axis.pixel(value.clamp(axis.low, axis.high));
        if let (Some(low), Some(high)) = (row.cost_low, row.cost_high)
            && high >= axis.low
            && low <= axis.high
        {
            let (from, to) = (inside(low), inside(high));
            canvas.line((from, y), (to, y), color, 2)?;
            for (end, x) in [(low, from), (high, to)] {
                if axis.holds(end) {
                    canvas.line((x, y - 6.0), (x, y + 6.0), color, 2)?;
                }
            }
        }
        match cost {
            cost if axis.holds(cost) => canvas.marker((axis.pixel(cost), y), 3.6, marker, color)?,
            cost if cost > axis.high => {
                let x = axis.to;
                canvas.polygon(&[(x - 9.0, y - 5.0), (x, y), (x - 9.0, y + 5.0)], color)?;
            }
            _ => {
                let x = axis.from;
                canvas.polygon(&[(x + 9.0, y - 5.0), (x, y), (x + 9.0, y + 5.0)], color)?;
            }
        }
    }
    Ok(())
}
