//! Horizontal bars in parts, one line each, on a linear axis from zero.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Drawn, Type, beside_plot};
use super::palette::{GRID, MUTED, part_color};

pub(super) const WIDTH: f64 = 960.0;
pub(super) const LINE: f64 = 22.0;
/// Room for the legend.
pub(super) const TOP: f64 = 34.0;
/// Room for the scale.
pub(super) const BOTTOM: f64 = 46.0;
const LABELS_END: f64 = 228.0;
const PLOT: (f64, f64) = (242.0, 800.0);

/// An axis that holds values up to `most`.
pub(super) fn axis(most: f64) -> Axis {
    Axis { low: 0.0, high: most * 1.04, from: PLOT.0, to: PLOT.1, log: false }
}

/// The legend of the colours.
pub(super) fn legend(canvas: &Canvas<'_>, words: &[&str]) -> Drawn {
    let step = ((WIDTH - PLOT.0) / words.len() as f64).min(120.0);
    for (at, word) in words.iter().enumerate() {
        let x = PLOT.0 + at as f64 * step;
        canvas.bar((x, 8.0), (x + 12.0, 20.0), part_color(at))?;
        canvas.text(word, (x + 19.0, 14.0), Type::new(Anchor::Start))?;
    }
    Ok(())
}

/// Grid lines behind a group of bars.
pub(super) fn grid(canvas: &Canvas<'_>, axis: &Axis, (top, bottom): (f64, f64)) -> Drawn {
    for (value, _) in axis.ticks(6) {
        let x = axis.pixel(value);
        canvas.line((x, top), (x, bottom), GRID, 1)?;
    }
    Ok(())
}

/// Tick labels and title below all bars.
pub(super) fn scale(canvas: &Canvas<'_>, axis: &Axis, title: &str, bottom: f64) -> Drawn {
    canvas.line((axis.from, bottom), (axis.to, bottom), MUTED, 1)?;
    for (value, label) in axis.ticks(6) {
        let x = axis.pixel(value);
        canvas.text(&label, (x, bottom + 14.0), Type::new(Anchor::Middle).size(12.0))?;
    }
    let kind = Type::new(Anchor::Middle).size(12.0).color(MUTED);
    canvas.text(title, ((axis.from + axis.to) / 2.0, bottom + 32.0), kind)
}

/// One bar below `y`, with a note at its end. A part that is absent or not positive takes no room.
pub(super) fn bar(
    canvas: &Canvas<'_>,
    axis: &Axis,
    label: &str,
    parts: &[Option<f64>],
    note: &str,
    y: f64,
) -> Drawn {
    let middle = y + LINE / 2.0;
    canvas.text(&beside_plot(label), (LABELS_END, middle), Type::new(Anchor::End).size(12.5))?;
    let mut done = 0.0;
    for (at, part) in parts.iter().enumerate() {
        let Some(part) = part.filter(|part| part.is_finite() && *part > 0.0) else { continue };
        let (from, to) = (axis.pixel(done), axis.pixel(done + part));
        canvas.bar((from, y + 4.0), (to, y + LINE - 4.0), part_color(at))?;
        done += part;
    }
    let kind = Type::new(Anchor::Start).size(12.0).color(MUTED);
    canvas.text(note, (axis.pixel(done) + 6.0, middle), kind)
}
