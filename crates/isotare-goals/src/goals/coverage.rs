//! G1: intervals cover.

use super::{Effort, Goal, range, share};
use crate::noise::{ALL, Model, Source, pairs};
use isotare_stats::ratio_of_pairs;

/// True ratio of the sessions.
const TRUTH: f64 = 1.02;

/// Share of sessions whose 95 % interval holds the true ratio.
pub fn coverage(model: Model, blocks: usize, repeats: usize) -> f64 {
    let mut source = Source::new(blocks as u64);
    share(repeats, |_| {
        let session = source.session(model, blocks, &[TRUTH.ln()]);
        ratio_of_pairs(&pairs(&session, 0), 0.95).is_some_and(|e| e.low <= TRUTH && TRUTH <= e.high)
    })
}

pub(super) fn g1(effort: Effort) -> Goal {
    let cells: Vec<f64> = [10, 20, 30, 60]
        .into_iter()
        .flat_map(|blocks| ALL.map(|model| coverage(model, blocks, effort.repeats)))
        .collect();
    let (low, high) = range(&cells);
    let slack = 100.0 * effort.slack(0.95);
    Goal {
        id: "G1",
        promise: "95 % intervals cover in 94 to 96 % of sessions: 10, 20, 30, 60 blocks, all noise models",
        figure: format!("{low:.1} to {high:.1} % over {} cells", cells.len()),
        met: low >= 94.0 - slack && high <= 96.0 + slack,
    }
}
