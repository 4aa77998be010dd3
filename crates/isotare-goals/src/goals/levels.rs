//! G7 and G8: many values in a trial count as one value of the trial.

use super::{Effort, Goal, range, share};
use crate::noise::Source;
use isotare_stats::{quantile, ratio_of_pairs};

/// Deviation of trials, log scale.
const BETWEEN: f64 = 0.015;

/// Mean of 50 correlated values of one trial with this effect.
fn trial(effect: f64, source: &mut Source) -> f64 {
    let level = effect + BETWEEN * source.normal();
    let mut wave = source.normal();
    let sum: f64 = (0..50)
        .map(|_| {
            wave = 0.7 * wave + (1.0_f64 - 0.49).sqrt() * source.normal();
            (level + 0.03 * wave).exp()
        })
        .sum();
    sum / 50.0
}

pub(super) fn g7(effort: Effort) -> Goal {
    let truth = 1.02_f64;
    let cells: Vec<f64> = [6, 10, 20, 30]
        .into_iter()
        .map(|blocks| {
            let mut source = Source::new(7);
            share(effort.repeats, |_| {
                let pairs: Vec<(f64, f64)> = (0..blocks)
                    .map(|_| {
                        let shared = (0.03 * source.normal()).exp();
                        (shared * trial(truth.ln(), &mut source), shared * trial(0.0, &mut source))
                    })
                    .collect();
                ratio_of_pairs(&pairs, 0.95).is_some_and(|e| e.low <= truth && truth <= e.high)
            })
        })
        .collect();
    let (low, high) = range(&cells);
    let slack = 100.0 * effort.slack(0.95);
    Goal {
        id: "G7",
        promise: "coverage 93 to 97 % with 50 correlated values in each of 6 to 30 trials",
        figure: format!("{low:.1} to {high:.1} %"),
        met: low >= 93.0 - slack && high <= 97.0 + slack,
    }
}

/// 99th percentile of 2,000 requests that come in bursts.
fn tail(effect: f64, source: &mut Source) -> f64 {
    let level = (effect + BETWEEN * source.normal()).exp();
    let mut slow = false;
    let mut latencies: Vec<f64> = (0..2000)
        .map(|_| {
            slow = if slow { source.uniform() > 0.1 } else { source.uniform() < 0.005 };
            let burst = if slow { 4.0 } else { 1.0 };
            -level * burst * source.uniform().ln()
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    quantile(&latencies, 0.99).unwrap_or(f64::NAN)
}

pub(super) fn g8(effort: Effort) -> Goal {
    let truth = 1.05_f64;
    let repeats = (effort.repeats / 5).max(100);
    let effort = Effort { repeats };
    let mut source = Source::new(8);
    let covered = share(repeats, |_| {
        let pairs: Vec<(f64, f64)> =
            (0..10).map(|_| (tail(truth.ln(), &mut source), tail(0.0, &mut source))).collect();
        ratio_of_pairs(&pairs, 0.95).is_some_and(|e| e.low <= truth && truth <= e.high)
    });
    let slack = effort.slack(0.95);
    Goal {
        id: "G8",
        promise: "the ratio of 99th percentiles covers in 93 to 97 %: 10 trials of 2,000 bursty requests",
        figure: format!("{:.1} %", 100.0 * covered),
        met: (0.93 - slack..=0.97 + slack).contains(&covered),
    }
}
