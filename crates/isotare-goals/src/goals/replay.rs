//! G2: false positives on recorded noise.

use super::{Effort, Goal, range, share};
use crate::noise::Source;
use crate::traces::{Trace, traces};
use isotare_stats::{log_ratios, pointwise_p};

/// Blocks of a window.
const BLOCKS: usize = 30;

/// Pairs of consecutive runs from a random place of a series, in random order; the second arm multiplied by
/// `effect`.
pub fn window(trace: &Trace, effect: f64, source: &mut Source) -> Vec<(f64, f64)> {
    let last = trace.seconds.len() - 2 * BLOCKS;
    // The uniform variate is below 1, so the place is below `last`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..last")]
    let start = (source.uniform() * last as f64) as usize;
    trace.seconds[start..start + 2 * BLOCKS]
        .chunks(2)
        .map(
            |pair| {
                if source.uniform() < 0.5 { (pair[0] * effect, pair[1]) } else { (pair[1] * effect, pair[0]) }
            },
        )
        .collect()
}

pub(super) fn g2(effort: Effort) -> Goal {
    let mut source = Source::new(2);
    let traces = traces();
    let shares: Vec<f64> = traces
        .iter()
        .map(|trace| {
            share(effort.repeats, |_| pointwise_p(&log_ratios(&window(trace, 1.0, &mut source))) < 0.05)
        })
        .collect();
    let (low, high) = range(&shares);
    let each: Vec<String> = traces
        .iter()
        .zip(&shares)
        .map(|(trace, share)| format!("{} {:.1} %", trace.name, 100.0 * share))
        .collect();
    let slack = 100.0 * effort.slack(0.05);
    Goal {
        id: "G2",
        promise: "false positives 4 to 6 % on five recorded traces",
        figure: each.join("; "),
        met: low >= 4.0 - slack && high <= 6.0 + slack,
    }
}
