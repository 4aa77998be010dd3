//! G10 and G16: exchanging arms or units changes nothing, and equivalence is not claimed at the margin.

use super::{Effort, Goal, share};
use crate::noise::{Model, Source, pairs};
use isotare_stats::{Direction, Margin, Verdict, judge, mean_ratio_of_pairs, ratio_of_pairs};

pub(super) fn g10(effort: Effort) -> Goal {
    let mut source = Source::new(10);
    let mut worst = 0.0_f64;
    for i in 0..effort.repeats.min(2000) {
        let session = source.session(Model::Mix, 6 + i % 40, &[0.03]);
        let forward = pairs(&session, 0);
        let back: Vec<(f64, f64)> = forward.iter().map(|(a, b)| (*b, *a)).collect();
        let scaled: Vec<(f64, f64)> = forward.iter().map(|(a, b)| (a * 1e9, b * 1e9)).collect();
        for of in [ratio_of_pairs, mean_ratio_of_pairs] {
            let (Some(f), Some(b), Some(s)) = (of(&forward, 0.95), of(&back, 0.95), of(&scaled, 0.95)) else {
                continue;
            };
            let off = [f.ratio * b.ratio, f.low * b.high, f.high * b.low, f.ratio / s.ratio, f.low / s.low];
            worst = off.iter().fold(worst, |worst, product| worst.max((product - 1.0).abs()));
        }
    }
    Goal {
        id: "G10",
        promise: "exchanging arms or units changes no estimate by more than 1e-9",
        figure: format!("at most {worst:.1e}"),
        met: worst <= 1e-9,
    }
}

pub(super) fn g16(effort: Effort) -> Goal {
    let Some(margin) = Margin::new(0.02) else { unreachable!("0.02 is above zero") };
    let claims: Vec<f64> = [10, 20, 30]
        .into_iter()
        .map(|blocks| {
            let mut source = Source::new(16);
            share(effort.repeats, |_| {
                let session = source.session(Model::Autoregressive, blocks, &[0.02_f64.ln_1p()]);
                judge(&pairs(&session, 0), Direction::Lower, margin, 1.0, 0.95) == Verdict::Equivalent
            })
        })
        .collect();
    let worst = claims.iter().fold(0.0_f64, |worst, claim| worst.max(*claim));
    Goal {
        id: "G16",
        promise: "equivalence is claimed in at most 5 % of sessions when the overhead is the margin itself",
        figure: format!("{:.1} % at most, 10 to 30 blocks", 100.0 * worst),
        met: worst <= 0.05 + effort.slack(0.05),
    }
}
