//! Values over the session, so that drift and outliers can be seen. Environments whose values are far apart
//! get separate panels, so that a drift of a per cent is visible in each.

use super::Figure;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Drawn, Type, sheet, shortened};
use super::palette::{GRID, INK, MUTED, Marker, look};
use crate::RenderError;
use crate::group::{Group, groups};
use crate::report::{LIFECYCLE, Report, TrialRow, workload_label};
use crate::words;
use isotare_core::Outcome;
use isotare_stats::median;
use plotters::prelude::RGBColor;

const WIDTH: f64 = 960.0;
const PANEL: (f64, f64) = (480.0, 190.0);
/// Space around the plot of a panel: left, top, right, bottom.
const MARGINS: (f64, f64, f64, f64) = (62.0, 34.0, 18.0, 40.0);
const LEGEND_LINE: f64 = 22.0;
/// Medians further apart than this factor do not share a panel.
const APART: f64 = 1.25;
/// The smallest span of the y axis, so that noise of a tenth of a per cent does not look large.
const LEAST_SPAN: f64 = 0.02;

struct Line {
    /// Index of the environment in the report; `None`: of the canary.
    environment: Option<usize>,
    look: (RGBColor, Marker),
    /// Minutes since the session began and value relative to the baseline's median, or the canary's at the
    /// start.
    points: Vec<(f64, f64)>,
    middle: f64,
}

struct Panel {
    title: String,
    lines: Vec<Line>,
}

/// The figure; `None` without completed trials of the baseline and without records of the canary.
pub(crate) fn drift(report: &Report) -> Result<Option<Figure>, RenderError> {
    let panels: Vec<Panel> = groups(report)
        .iter()
        .filter(|group| group.workload != LIFECYCLE)
        .flat_map(|group| panels(report, group))
        .chain(canary(report))
        .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let shown: Vec<usize> = (0..report.environments.len())
        .filter(|at| panels.iter().flat_map(|panel| &panel.lines).any(|line| line.environment == Some(*at)))
        .collect();
    let end =
        panels.iter().flat_map(|p| &p.lines).flat_map(|l| &l.points).map(|(x, _)| *x).fold(0.1, f64::max);
    let legend = legend(report, &shown);
    let top = legend.last().map_or(0.0, |(_, (_, y))| y + LEGEND_LINE);
    let height = top + panels.len().div_ceil(2) as f64 * PANEL.1;
    let description = format!(
        "One panel per workload, metric and group of environments: each trial's value relative to the median \
         of {} over the minutes of the session. If the canary was recorded, another panel shows it before \
         and after each trial.",
        report.baseline
    );
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a height of pixels")]
    let size = (WIDTH as u32, height as u32);
    let svg = sheet(size, ("drift", "Values over the session", &description), |canvas| {
        for (at, (x, y)) in &legend {
            let (color, marker) = look(*at, is_null(report, *at));
            canvas.marker((*x, *y), 4.5, marker, color)?;
            let name = shortened(&report.environments[*at].environment, 40);
            canvas.text(&name, (x + 12.0, *y), Type::new(Anchor::Start))?;
        }
        for (at, panel) in panels.iter().enumerate() {
            let corner = ((at % 2) as f64 * PANEL.0, top + (at / 2) as f64 * PANEL.1);
            draw(canvas, panel, corner, end)?;
        }
        Ok(())
    })?;
    let caption = format!(
        "Each trial's value relative to the median of {} over the session. A slope or a step means that the \
         speed of the machine changed. Comparisons are made within blocks, so a change that all environments \
         share cancels. The panel of the canary, if there is one, shows the speed of the machine before and \
         after each trial, without any environment.",
        report.baseline
    );
    Ok(Some(Figure { svg, caption }))
}

fn is_null(report: &Report, environment: usize) -> bool {
    let name = &report.environments[environment].environment;
    report.results.iter().any(|row| row.null && row.environment == *name)
}

/// Places for the entries of the legend.
fn legend(report: &Report, shown: &[usize]) -> Vec<(usize, (f64, f64))> {
    let (mut x, mut y) = (14.0, 14.0);
    let mut places = Vec::new();
    for at in shown {
        let letters = report.environments[*at].environment.chars().count().min(40);
        let width = 40.0 + 7.6 * letters as f64;
        if x + width > WIDTH && x > 14.0 {
            (x, y) = (14.0, y + LEGEND_LINE);
        }
        places.push((*at, (x, y)));
        x += width;
    }
    places
}

fn panels(report: &Report, group: &Group<'_>) -> Vec<Panel> {
    let Some(reference) = group.baseline.value.filter(|value| *value > 0.0) else { return Vec::new() };
    let mut lines: Vec<Line> = Vec::new();
    for (environment, status) in report.environments.iter().enumerate() {
        let points: Vec<(f64, f64)> = report
            .trials
            .iter()
            .filter(|trial| {
                trial.outcome == Outcome::Completed
                    && trial.environment == status.environment
                    && (trial.workload.as_str(), &trial.parameters) == (group.workload, group.parameters)
            })
            .filter_map(|trial| {
                let sample = trial.samples.iter().find(|s| s.role.is_none() && s.metric == group.metric)?;
                Some((trial.at / 60.0, sample.value / reference))
            })
            .filter(|(x, y)| x.is_finite() && y.is_finite() && *y > 0.0)
            .collect();
        let values: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
        if let Some(middle) = median(&values) {
            let look = look(environment, is_null(report, environment));
            lines.push(Line { environment: Some(environment), look, points, middle });
        }
    }
    lines.sort_by(|a, b| (a.middle - 1.0).abs().total_cmp(&(b.middle - 1.0).abs()));
    let label = shortened(&workload_label(group.workload, group.parameters), 34);
    let title = format!("{label} · {}", words::metric(group.metric));
    let mut panels: Vec<Panel> = Vec::new();
    for line in lines {
        let near = |other: &Line| line.middle.max(other.middle) / line.middle.min(other.middle) < APART;
        match panels.iter_mut().find(|panel| panel.lines.iter().any(near)) {
            Some(panel) => panel.lines.push(line),
            None => panels.push(Panel { title: title.clone(), lines: vec![line] }),
        }
    }
    for panel in &mut panels {
        // The baseline comes last, on top of the others.
        panel.lines.sort_by_key(|line| std::cmp::Reverse(line.environment));
    }
    panels
}

/// The canary over its times when the session began; `None` without records of it.
fn canary(report: &Report) -> Option<Panel> {
    let line = |part: usize, look: (RGBColor, Marker)| {
        let points: Vec<(f64, f64)> = report
            .trials
            .iter()
            .flat_map(|trial| canaries(trial, part))
            .filter(|(_, y)| y.is_finite())
            .collect();
        let middle = median(&points.iter().map(|(_, y)| *y).collect::<Vec<_>>())?;
        Some(Line { environment: None, look, points, middle })
    };
    let lines: Vec<Line> =
        [line(1, (MUTED, Marker::Ring)), line(0, (INK, Marker::Disc))].into_iter().flatten().collect();
    let title = "canary · arithmetic (discs), reads (rings)".to_owned();
    (!lines.is_empty()).then_some(Panel { title, lines })
}

/// Moment in minutes and relative time of one part of the canary, before and after a trial.
fn canaries(trial: &TrialRow, part: usize) -> Vec<(f64, f64)> {
    let Some(noise) = &trial.noise else { return Vec::new() };
    let end = trial.phases.iter().map(|phase| phase.at + phase.took).fold(trial.at, f64::max);
    [(trial.at, noise.before), (end, noise.after)]
        .map(|(at, canary)| (at / 60.0, canary.relative_to(&noise.reference)[part]))
        .to_vec()
}

fn draw(canvas: &Canvas<'_>, panel: &Panel, (left, top): (f64, f64), end: f64) -> Drawn {
    let (l, t, r, b) = MARGINS;
    let values = || panel.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(low, high), y| (low.min(y), high.max(y)));
    let middle = f64::midpoint(low, high);
    let half = ((high - low) * 0.56).max(middle * LEAST_SPAN / 2.0);
    let (bottom, right) = (top + PANEL.1 - b, left + PANEL.0 - r);
    let y = Axis { low: middle - half, high: middle + half, from: bottom, to: top + t, log: false };
    let x = Axis { low: 0.0, high: end * 1.02, from: left + l, to: right, log: false };
    canvas.text(&panel.title, (left + 4.0, top + 16.0), Type::new(Anchor::Start).bold().size(12.5))?;
    for (value, label) in y.ticks(4) {
        let at = y.pixel(value);
        let color = if (value - 1.0).abs() < 1e-9 { INK } else { GRID };
        canvas.line((x.from, at), (x.to, at), color, 1)?;
        canvas.text(&format!("×{label}"), (x.from - 8.0, at), Type::new(Anchor::End).size(12.0))?;
    }
    for (value, label) in x.ticks(5) {
        let at = x.pixel(value);
        canvas.line((at, bottom), (at, bottom + 4.0), MUTED, 1)?;
        canvas.text(&label, (at, bottom + 14.0), Type::new(Anchor::Middle).size(12.0))?;
    }
    canvas.line((x.from, bottom), (x.to, bottom), MUTED, 1)?;
    let kind = Type::new(Anchor::Middle).size(11.5).color(MUTED);
    canvas.text("minutes since the session began", ((x.from + x.to) / 2.0, bottom + 30.0), kind)?;
    for line in &panel.lines {
        let (color, marker) = line.look;
        let points: Vec<_> = line.points.iter().map(|(at, value)| (x.pixel(*at), y.pixel(*value))).collect();
        if points.len() > 1 {
            canvas.path(&points, color, 1)?;
        }
        for point in points {
            canvas.marker(point, 3.2, marker, color)?;
        }
    }
    Ok(())
}
