//! Host CPU time by role as stacked bars.

use super::Figure;
use super::canvas::{Anchor, Type, sheet, shortened};
use super::stacked::{BOTTOM, LINE, TOP, WIDTH, axis, bar, grid, legend, scale};
use crate::RenderError;
use crate::report::{CpuRow, Report, workload_label};
use isotare_core::Role;

const TITLE: f64 = 30.0;

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
    let axis = axis(most);
    let roles = report.roles();
    let description = "Host CPU seconds per second of the measured window, stacked by role, for each environment and \
                       workload. The table below has the numbers.";
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a height of pixels")]
    let size = (WIDTH as u32, height as u32);
    let svg = sheet(size, ("cpu", "CPU time by role", description), |canvas| {
        legend(canvas, &roles.iter().map(|role| role.word()).collect::<Vec<_>>())?;
        let mut y = TOP;
        for (label, members) in &groups {
            y += TITLE;
            let kind = Type::new(Anchor::Start).bold();
            canvas.text(&shortened(label, 80), (4.0, y - 10.0), kind)?;
            grid(canvas, &axis, (y, y + members.len() as f64 * LINE))?;
            for row in members {
                let parts: Vec<_> = roles.iter().map(|role| row.roles.get(role).copied()).collect();
                bar(canvas, &axis, &row.environment, &parts, &format!("{:.2}", total(row)), y)?;
                y += LINE;
            }
        }
        scale(canvas, &axis, "CPU seconds per second", y)
    })?;
    let words: Vec<_> = roles.iter().map(|role| format!("{}: {}", role.word(), meaning(*role))).collect();
    let caption = format!(
        "Host CPU seconds per second while the workload was measured, by role. {}.",
        words.join("; ")
    );
    Ok(Some(Figure { svg, caption }))
}

fn meaning(role: Role) -> &'static str {
    match role {
        Role::Workload => "the workload's own processes",
        Role::Vcpu => "threads that execute a guest's virtual CPUs",
        Role::Vmm => "the other threads of the virtual machine monitor",
        Role::Io => "threads that move a guest's data",
        Role::Vhost => "kernel threads that move a guest's data",
        Role::Shim => "helper processes of each instance",
        Role::Daemon => "daemons that serve all instances",
        Role::Kernel => "all other threads of the host's kernel, which can work for any process",
    }
}

fn total(row: &CpuRow) -> f64 {
    row.roles.values().filter(|share| share.is_finite()).sum()
}
