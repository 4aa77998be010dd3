//! Whether the clock inside an instance runs as fast as the host's.

use super::design::{Design, Place};

/// If a clock is wrong by more than this, it cannot measure overheads of a tenth of a per cent.
const TOLERANCE: f64 = 100e-6;

/// A sentence about the clock of one environment under one workload; `None` if the clock was right, or was
/// not checked.
pub(super) fn complaint(design: &Design<'_>, here: Place) -> Option<String> {
    let strayed: Vec<f64> = design
        .completed()
        .filter(|(place, _)| *place == here)
        .filter_map(|(_, trial)| trial.clock.as_ref()?.strayed())
        .collect();
    let off: Vec<f64> = strayed.iter().copied().filter(|share| share.abs() > TOLERANCE).collect();
    let worst = off.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    let by = match worst.abs() {
        small if small < 0.001 => format!("{:.0} ppm", small * 1e6),
        large => crate::words::percent(large),
    };
    let way = if worst > 0.0 { "fast" } else { "slow" };
    Some(format!(
        "the clock inside the instance ran up to {by} {way}, compared with the host's ({} of {} trials); the \
         times that it measured are wrong by the same amount",
        off.len(),
        strayed.len()
    ))
}
