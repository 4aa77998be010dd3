//! G18: warnings about the shape of data are rare if there is no problem, and appear if there is one.

use super::{Effort, Goal};
use crate::noise::{ALL, Model, Source, pairs};
use isotare_stats::{is_too_steady, log_ratios, trend_p, two_modes, warm_up};

/// As the report asks.
const TREND: f64 = 0.001;

/// Shares of comparisons in which two modes, a trend, too little spread and a beginning of its own are seen:
/// `change` acts on the condition.
fn seen(model: Model, blocks: usize, repeats: usize, change: impl Fn(usize, f64) -> f64) -> [f64; 4] {
    let mut source = Source::new(18 + blocks as u64);
    let mut found = [0.0; 4];
    for _ in 0..repeats {
        let mut session = source.session(model, blocks, &[0.05, 0.1]);
        for (block, value) in session[1].iter_mut().enumerate() {
            *value = change(block, *value);
        }
        let logs = log_ratios(&pairs(&session, 0));
        let doubts = [
            two_modes(&logs).is_some(),
            trend_p(&logs).is_some_and(|p| p < TREND),
            is_too_steady(&session[1], &[&session[0], &session[2]]),
            warm_up(&logs).is_some(),
        ];
        for (found, doubt) in found.iter_mut().zip(doubts) {
            *found += f64::from(u8::from(doubt)) / repeats as f64;
        }
    }
    found
}

/// Noise of period two has two groups of ratios by its nature, and bursts can fall on the first block alone,
/// which a session knows from its canary; so seeing them is no error.
fn honest(model: Model, blocks: usize, repeats: usize) -> [f64; 4] {
    let [modes, trend, steady, cold] = seen(model, blocks, repeats, |_, value| value);
    let except = |is_excepted, share| if is_excepted { 0.0 } else { share };
    [except(model == Model::PeriodTwo, modes), trend, steady, except(model == Model::Mix, cold)]
}

pub(super) fn g18(effort: Effort) -> Goal {
    let worst = [8, 12, 20, 40]
        .into_iter()
        .flat_map(|blocks| ALL.map(|model| honest(model, blocks, effort.repeats)))
        .flatten()
        .fold(0.0_f64, f64::max);
    let repeats = (effort.repeats / 10).max(100);
    let modes =
        seen(Model::Normal, 20, repeats, |block, value| if block % 3 == 0 { 1.4 * value } else { value });
    let trend = seen(Model::Mix, 20, repeats, |block, value| value * (1.0 + 0.01 * block as f64));
    let sleep = seen(Model::Normal, 20, repeats, |_, value| 5.0 + 0.1 * value);
    let cold = seen(Model::Normal, 20, repeats, |block, value| if block < 2 { 1.4 * value } else { value });
    let least = modes[0].min(trend[1]).min(sleep[2]).min(cold[3]);
    Goal {
        id: "G18",
        promise: "each warning about the shape of data appears in at most 1 % of comparisons without a \
                  problem; two speeds 40 % apart, a trend of 1 % per block, a hidden wait, and two first \
                  blocks that are 40 % slower are found in 90 %",
        figure: format!("{:.2} % at most; seen in {:.0} % at least", 100.0 * worst, 100.0 * least),
        met: worst <= 0.01 + effort.slack(0.01) && least >= 0.9,
    }
}
