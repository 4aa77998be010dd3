//! Whole sessions in which there is nothing to find.

use super::program::{Isotare, compared, is_difference};
use crate::goals::Goal;
use anyhow::Result;

/// Blocks of a session.
const BLOCKS: &str = "10";

/// Runs the quick suite, native against itself, this often: no more than 5 % of all verdicts may claim a difference.
pub fn null_sessions(isotare: &Isotare, sessions: usize) -> Result<Goal> {
    let (mut rows, mut claims, mut sessions_with) = (0_usize, Vec::new(), 0);
    for session in 1..=sessions {
        let report = isotare.report("compare", &["--env", "native", "--blocks", BLOCKS])?;
        let before = claims.len();
        for row in compared(&report, "native#null") {
            rows += 1;
            if is_difference(row) {
                let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                claims.push(format!("{} {} ({session})", text("workload"), text("metric")));
            }
        }
        sessions_with += usize::from(claims.len() > before);
    }
    let share = claims.len() as f64 / rows as f64;
    Ok(Goal {
        id: "null",
        promise: "native against itself, the whole quick suite: at most 5 % of all verdicts claim a difference",
        figure: format!(
            "{} of {rows} ({:.1} %), in {sessions_with} of {sessions} sessions of {BLOCKS} blocks{}{}",
            claims.len(),
            100.0 * share,
            if claims.is_empty() { "" } else { ": " },
            claims.join(", ")
        ),
        met: rows > 0 && share <= 0.05,
    })
}
