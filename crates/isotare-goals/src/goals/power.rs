//! G3: power, and whether the minimum detectable effect is foretold.

use super::{Effort, Goal, share};
use crate::noise::Source;
use isotare_stats::{log_ratios, minimum_detectable_effect, ratio_of_pairs};

const BLOCKS: usize = 30;

/// Share of sessions that find `effect` when the log ratios have this deviation.
fn power(deviation: f64, effect: f64, repeats: usize) -> f64 {
    let mut source = Source::new(3);
    share(repeats, |_| {
        let pairs: Vec<(f64, f64)> =
            (0..BLOCKS).map(|_| ((effect + deviation * source.normal()).exp(), 1.0)).collect();
        ratio_of_pairs(&pairs, 0.95).is_some_and(|e| e.low > 1.0)
    })
}

/// The effect that is found in 80 % of sessions, by bisection.
fn realised(deviation: f64, repeats: usize) -> f64 {
    let (mut low, mut high) = (0.0, 4.0 * deviation);
    for _ in 0..12 {
        let middle = f64::midpoint(low, high);
        if power(deviation, middle, repeats) < 0.8 { low = middle } else { high = middle }
    }
    high
}

/// The mean prediction of sessions with this deviation.
fn predicted(deviation: f64, repeats: usize) -> f64 {
    let mut source = Source::new(4);
    let sum: f64 = (0..repeats)
        .filter_map(|_| {
            let pairs: Vec<(f64, f64)> =
                (0..BLOCKS).map(|_| ((deviation * source.normal()).exp(), 1.0)).collect();
            minimum_detectable_effect(&log_ratios(&pairs), 0.95)
        })
        .sum();
    sum / repeats as f64
}

pub(super) fn g3(effort: Effort) -> Goal {
    let few = effort.repeats.min(2000);
    let found = power(0.018, 0.01, effort.repeats);
    let off: Vec<f64> = [0.005, 0.01, 0.02, 0.04]
        .into_iter()
        .map(|deviation| predicted(deviation, few).ln_1p() / realised(deviation, few) - 1.0)
        .collect();
    let worst = off.iter().fold(0.0_f64, |worst, off| worst.max(off.abs()));
    Goal {
        id: "G3",
        promise: "+1 % is found in 80 % of sessions of 30 blocks while s_d <= 1.8 %; the MDE is predicted \
                  within 15 %",
        figure: format!(
            "{:.1} % found; the error of the MDE is at most {:.1} %",
            100.0 * found,
            100.0 * worst
        ),
        met: found >= 0.8 - effort.slack(0.8) && worst <= 0.15,
    }
}
