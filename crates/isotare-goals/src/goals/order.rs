//! G9: what ran before a trial has no influence, and a warning appears if it has.

use super::{Effort, Goal, share};
use crate::noise::Source;
use isotare_stats::{Placed, carry_over_p, ratio_of_pairs};

const ARMS: usize = 3;
const BLOCKS: usize = 30;

/// A session in which the trial after arm 2 is `carried` longer, unless it warms up first.
fn session(carried: f64, warm_up: bool, source: &mut Source) -> Vec<Placed> {
    let mut trials: Vec<Placed> = Vec::new();
    for block in 0..BLOCKS {
        let shared = 0.03 * source.normal();
        for arm in source.order(ARMS) {
            let disturbed = !warm_up && trials.last().is_some_and(|last| last.arm == 2);
            let effect = if arm == 1 { 0.02_f64.ln_1p() } else { 0.0 };
            let log = shared + 0.01 * source.normal() + effect + if disturbed { carried } else { 0.0 };
            trials.push(Placed { block, arm, log });
        }
    }
    trials
}

/// A session of one workload.
fn alone(trials: Vec<Placed>) -> Vec<Placed> {
    trials
}

/// One with a second workload, whose trials come between the blocks of this one.
fn beside_another(trials: Vec<Placed>) -> Vec<Placed> {
    let other = |trial: &Placed| Placed { arm: usize::MAX, log: f64::NAN, ..*trial };
    let blocks = trials.chunks(ARMS);
    blocks.flat_map(|block| block.first().map(other).into_iter().chain(block.iter().copied())).collect()
}

/// The estimate of arm 1 over arm 0.
fn ratio(trials: &[Placed]) -> f64 {
    let value = |block, arm| {
        trials.iter().find(|t| t.block == block && t.arm == arm).map_or(f64::NAN, |t| t.log.exp())
    };
    let pairs: Vec<(f64, f64)> = (0..BLOCKS).map(|b| (value(b, 1), value(b, 0))).collect();
    ratio_of_pairs(&pairs, 0.95).map_or(f64::NAN, |e| e.ratio)
}

pub(super) fn g9(effort: Effort) -> Goal {
    let mut source = Source::new(9);
    let ratios: f64 = (0..effort.repeats).map(|_| ratio(&session(0.02, true, &mut source)).ln()).sum::<f64>();
    let bias = ratios / effort.repeats as f64 - 0.02_f64.ln_1p();
    let flagged = |carried: f64, arrange: fn(Vec<Placed>) -> Vec<Placed>, source: &mut Source| {
        share(effort.repeats, |_| {
            let trials = arrange(session(carried, false, source));
            carry_over_p(&trials, ARMS).is_some_and(|p| p < 0.01)
        })
    };
    let arrangements: [fn(Vec<Placed>) -> Vec<Placed>; 2] = [alone, beside_another];
    let [found, beside] = arrangements.map(|arrange| flagged(0.02, arrange, &mut source));
    let alarms = arrangements.map(|arrange| flagged(0.0, arrange, &mut source));
    let alarms = alarms[0].max(alarms[1]);
    Goal {
        id: "G9",
        promise: "carry-over biases a 2 % effect by less than 0.1 %; a carry-over of 2 % without a warm-up \
                  gives a warning in 90 %",
        figure: format!(
            "bias {:+.3} %; flagged {:.1} %, beside another workload {:.1} %, {:.1} % without cause",
            100.0 * bias,
            100.0 * found,
            100.0 * beside,
            100.0 * alarms
        ),
        met: bias.abs() < 0.001 && found >= 0.9 - effort.slack(0.9) && alarms <= 0.02,
    }
}
