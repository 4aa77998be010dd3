//! Host CPU time by role as stacked bars.

use super::Figure;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Drawn, Type, sheet, shortened};
use super::palette::{GRID, MUTED, role_color};
use crate::RenderError;
use crate::report::{CpuRow, Report, workload_label};
use isotare_core::Role;

const WIDTH: f64 = 960.0;
const LABELS_END: f64 = 228.0;
const PLOT: (f64, f64) = (242.0, 860.0);
const LINE: f64 = 22.0;
const TITLE: f64 = 30.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
const ROLES: [Role; 4] = [Role::Workload, Role::Vmm, Role::Shim, Role::Daemon];

/// The figure; `None` without readings.
pub(crate) fn cpu_by_role(report: &Report) -> Result<Option<Figure>, RenderError> {
    let rows = &report.cpu_by_role;
    let most = rows.iter().map(total).fold(0.0, f64::max);
    if rows.is_empty() || most <= 0.0 {
        return Ok(None);
    }
    let mut groups: Vec<(String, Vec<&CpuRow>)> = Vec::new();
    for row in rows {
        let label = workload_label(&row.workload, &row.parameters);
        match groups.last_mut() {
            Some((last, members)) if *last == label => members.push(row),
            _ => groups.push((label, vec![row])),
        }
    }
    let height = TOP + BOTTOM + groups.len() as f64 * TITLE + rows.len() as f64 * LINE;
    let axis = Axis { low: 0.0, high: most * 1.04, from: PLOT.0, to: PLOT.1, log: false };
    let description = "Host CPU seconds per second of the measured window, stacked by role, for each environment and \
                       workload. The table below has the numbers.";
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a height of pixels")]
    let size = (WIDTH as u32, height as u32);
    let svg = sheet(size, ("cpu", "CPU time by role", description), |canvas| {
        legend(canvas)?;
        let mut y = TOP;
        for (label, members) in &groups {
            y += TITLE;
            let kind = Type::new(Anchor::Start).bold();
            canvas.text(&shortened(label, 80), (4.0, y - 10.0), kind)?;
            grid(canvas, &axis, (y, y + members.len() as f64 * LINE))?;
            for row in members {
                bar(canvas, &axis, row, y)?;
                y += LINE;
            }
        }
        scale(canvas, &axis, y)
    })?;
    let caption = "Host CPU seconds per second while the workload was measured, by role: the workload itself (of a \
                   virtual machine: its vCPU threads), the virtual machine monitor beside them, the shim of each \
                   instance, and a daemon's share.";
    Ok(Some(Figure { svg, caption: caption.to_owned() }))
}

fn total(row: &CpuRow) -> f64 {
    row.roles.values().filter(|share| share.is_finite()).sum()
}

fn legend(canvas: &Canvas<'_>) -> Drawn {
    for (at, role) in ROLES.into_iter().enumerate() {
        let x = PLOT.0 + at as f64 * 120.0;
        canvas.bar((x, 8.0), (x + 12.0, 20.0), role_color(at))?;
        canvas.text(role.word(), (x + 19.0, 14.0), Type::new(Anchor::Start))?;
    }
    Ok(())
}

fn grid(canvas: &Canvas<'_>, axis: &Axis, (top, bottom): (f64, f64)) -> Drawn {
    for (value, _) in axis.ticks(6) {
        let x = axis.pixel(value);
        canvas.line((x, top), (x, bottom), GRID, 1)?;
    }
    Ok(())
}

fn scale(canvas: &Canvas<'_>, axis: &Axis, bottom: f64) -> Drawn {
    canvas.line((axis.from, bottom), (axis.to, bottom), MUTED, 1)?;
    for (value, label) in axis.ticks(6) {
        let x = axis.pixel(value);
        canvas.text(&label, (x, bottom + 14.0), Type::new(Anchor::Middle).size(12.0))?;
    }
    let kind = Type::new(Anchor::Middle).size(12.0).color(MUTED);
    canvas.text("CPU seconds per second", ((axis.from + axis.to) / 2.0, bottom + 32.0), kind)
}

fn bar(canvas: &Canvas<'_>, axis: &Axis, row: &CpuRow, y: f64) -> Drawn {
    let middle = y + LINE / 2.0;
    let label = shortened(&row.environment, 28);
    canvas.text(&label, (LABELS_END, middle), Type::new(Anchor::End).size(12.5))?;
    let mut done = 0.0;
    for (at, role) in ROLES.into_iter().enumerate() {
        let share = row.roles.get(&role).copied().filter(|share| share.is_finite() && *share > 0.0);
        let Some(share) = share else { continue };
        let (from, to) = (axis.pixel(done), axis.pixel(done + share));
        canvas.bar((from, y + 4.0), (to, y + LINE - 4.0), role_color(at))?;
        done += share;
    }
    let text = format!("{done:.2}");
    canvas.text(&text, (axis.pixel(done) + 6.0, middle), Type::new(Anchor::Start).size(12.0).color(MUTED))
}
