//! The life of an instance as stacked bars, in the order of the environments: where those are rungs of a
//! ladder, its steps.

use super::Figure;
use super::canvas::sheet;
use super::stacked::{BOTTOM, LINE, TOP, WIDTH, axis, bar, grid, legend, scale};
use crate::RenderError;
use crate::quantity::quantity;
use crate::report::{LifecycleRow, Report};
use isotare_core::Phase;

const PHASES: [Phase; 5] = [Phase::Create, Phase::Start, Phase::Ready, Phase::Stop, Phase::Delete];

/// The figure; `None` without completed trials.
pub(crate) fn life(report: &Report) -> Result<Option<Figure>, RenderError> {
    let rows = &report.lifecycle;
    let most = rows.iter().map(total).fold(0.0, f64::max);
    if rows.is_empty() || most <= 0.0 {
        return Ok(None);
    }
    // Milliseconds, unless something takes long.
    let (factor, unit) = if most < 2.0 { (1e3, "milliseconds") } else { (1.0, "seconds") };
    let axis = axis(most * factor);
    let height = TOP + BOTTOM + rows.len() as f64 * LINE;
    let description = "Median length of each phase in which an instance is created and removed, stacked, for \
                       each environment. The table below has the numbers.";
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a height of pixels")]
    let size = (WIDTH as u32, height as u32);
    let svg = sheet(size, ("life", "Life of an instance", description), |canvas| {
        legend(canvas, &PHASES.map(Phase::word))?;
        let mut y = TOP;
        grid(canvas, &axis, (y, y + rows.len() as f64 * LINE))?;
        let mut above = None;
        for row in rows {
            let parts = PHASES.map(|phase| row.phases.get(&phase).map(|seconds| seconds * factor));
            bar(canvas, &axis, &row.environment, &parts, &note(row, above), y)?;
            above = Some(row);
            y += LINE;
        }
        scale(canvas, &axis, unit, y)
    })?;
    let caption = "Medians of the phases in which an instance is created and removed, without the workload \
                   in between. If the line above is of the same driver, the difference to it is in \
                   parentheses. On a ladder, this is the cost of one more mechanism.";
    Ok(Some(Figure { svg, caption: caption.to_owned() }))
}

fn total(row: &LifecycleRow) -> f64 {
    PHASES.iter().filter_map(|phase| row.phases.get(phase)).filter(|seconds| seconds.is_finite()).sum()
}

fn note(row: &LifecycleRow, above: Option<&LifecycleRow>) -> String {
    let text = |seconds| quantity(seconds, "s", None);
    let driver = |row: &LifecycleRow| row.environment.split([':', '#']).next().map(str::to_owned);
    match above.filter(|above| driver(above) == driver(row)) {
        Some(above) => {
            let step = total(row) - total(above);
            let sign = if step < 0.0 { "−" } else { "+" };
            format!("{} ({sign}{})", text(total(row)), text(step.abs()))
        }
        None => text(total(row)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_environments_of_one_driver_are_shown_as_steps() {
        let row = |environment: &str, create, delete| LifecycleRow {
            environment: environment.to_owned(),
            phases: [(Phase::Create, create), (Phase::Exec, 9.0), (Phase::Delete, delete)].into(),
            startup: None,
            marks: Vec::new(),
            trials: 1,
        };
        let (none, net) = (row("ladder:upto=none#null", 0.001, 0.001), row("ladder:upto=net", 0.004, 0.0015));
        assert_eq!(note(&none, None), "2.000 ms");
        assert_eq!(note(&net, Some(&none)), "5.500 ms (+3.500 ms)");
        assert_eq!(note(&none, Some(&net)), "2.000 ms (−3.500 ms)");
        assert_eq!(note(&row("native", 0.001, 0.0), Some(&net)), "1.000 ms");
    }
}
