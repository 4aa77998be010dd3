//! Whole sessions without a difference.

use super::program::{Isotare, compared, is_difference};
use crate::goals::Goal;
use anyhow::Result;
use serde_json::Value;

/// Blocks of a session.
const BLOCKS: &str = "10";

/// Verdicts, and which of them claim a difference.
#[derive(Default)]
struct Claims {
    verdicts: usize,
    claims: Vec<String>,
}

impl Claims {
    fn judge(&mut self, row: &Value, session: usize) {
        self.verdicts += 1;
        if is_difference(row) {
            let text = |key: &str| row[key].as_str().unwrap_or_default();
            self.claims.push(format!("{} {} ({session})", text("workload"), text("metric")));
        }
    }

    fn share(&self) -> f64 {
        self.claims.len() as f64 / self.verdicts as f64
    }

    fn words(&self) -> String {
        format!("{} of {} ({:.1} %)", self.claims.len(), self.verdicts, 100.0 * self.share())
    }
}

/// Runs the quick suite, native against itself, this often: no more than 5 % of all verdicts may claim a
/// difference, nor of those that tables show.
pub fn null_sessions(isotare: &Isotare, sessions: usize) -> Result<Goal> {
    let (mut all, mut shown) = (Claims::default(), Claims::default());
    for session in 1..=sessions {
        let report = isotare.report("compare", &["--env", "native", "--blocks", BLOCKS])?;
        for row in compared(&report, "native#null") {
            all.judge(row, session);
            if row["headline"] == true {
                shown.judge(row, session);
            }
        }
    }
    Ok(Goal {
        id: "null",
        promise: "native against itself, the whole quick suite: at most 5 % of verdicts claim a difference, of all and of the headlines",
        figure: format!(
            "{} of all, {} of the headlines, in {sessions} sessions of {BLOCKS} blocks: {}",
            all.words(),
            shown.words(),
            shown.claims.join(", ")
        ),
        met: all.share() <= 0.05 && shown.share() <= 0.05,
    })
}
