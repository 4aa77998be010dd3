//! The smallest overhead that a session of this length and noise can find.

use crate::serial::widening;
use crate::signed_rank::critical_count;
use crate::student::{Moments, t_quantile};

/// Asymptotic efficiency of the Hodges-Lehmann estimate against the mean under normal noise, 3 / pi.
const EFFICIENCY: f64 = 3.0 / std::f64::consts::PI;

/// The smallest overhead, as a fraction (0.01 = 1 %), that a two-sided test at `level` finds in 80 % of
/// sessions with as many blocks and as much noise as `log_ratios` shows (NaN entries are left out):
/// `exp[(t_{(1+level)/2, n-1} + t_{0.80, n-1}) s_d / sqrt n] - 1`.
///
/// From 6 blocks on, where the Hodges-Lehmann estimate is used, `n` under the root is multiplied by its
/// efficiency 0.955, and `s_d` is widened for serial correlation as the interval is. Outliers inflate `s_d`
/// more than they disturb that estimate, so the result is rather too large.
///
/// `None` below 2 finite values or for a `level` outside `(0, 1)`.
pub fn minimum_detectable_effect(log_ratios: &[f64], level: f64) -> Option<f64> {
    let finite: Vec<f64> = log_ratios.iter().copied().filter(|d| d.is_finite()).collect();
    let noise = Moments::of(&finite)?;
    // As the interval is widened for serial correlation, so is what it can find.
    let noise = Moments { deviation: noise.deviation * widening(&finite), ..noise };
    effect(&noise, noise.count, level)
}

/// The same for a session of `blocks` blocks, foretold from the noise of its first ones, the `pilot`. The
/// deviation of six blocks is good to about a third.
///
/// `None` below 2 finite values or blocks, or for a `level` outside `(0, 1)`.
pub fn foretold_effect(pilot: &[f64], blocks: usize, level: f64) -> Option<f64> {
    effect(&moments(pilot)?, blocks, level)
}

/// Fewest blocks, up to `most`, with which a session of the noise of its `pilot` will find an overhead of
/// `effect` (a fraction). `None` if `most` do not.
pub fn blocks_to_find(effect: f64, pilot: &[f64], most: usize, level: f64) -> Option<usize> {
    let moments = moments(pilot)?;
    let finds = |blocks: usize| self::effect(&moments, blocks, level).is_some_and(|found| found <= effect);
    // It falls with every block but from the fifth to the sixth, where ranks begin.
    let enough = (crate::estimate::FEWEST_FOR_RANKS..=most).collect::<Vec<_>>();
    enough.get(enough.partition_point(|blocks| !finds(*blocks))).copied()
}

fn moments(log_ratios: &[f64]) -> Option<Moments> {
    let finite: Vec<f64> = log_ratios.iter().copied().filter(|d| d.is_finite()).collect();
    Moments::of(&finite)
}

fn effect(noise: &Moments, blocks: usize, level: f64) -> Option<f64> {
    if blocks < 2 || !(level > 0.0 && level < 1.0) {
        return None;
    }
    let ranks = crate::estimate::FEWEST_FOR_RANKS <= blocks && critical_count(blocks, level).is_some();
    let efficiency: f64 = if ranks { EFFICIENCY } else { 1.0 };
    let freedom = (blocks - 1) as f64;
    let quantiles = t_quantile(f64::midpoint(1.0, level), freedom) + t_quantile(0.80, freedom);
    Some((quantiles * noise.deviation / (efficiency * blocks as f64).sqrt()).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effect_equals_the_formula() {
        // numpy.expm1((t.ppf(.975, 9) + t.ppf(.8, 9)) * d.std(ddof=1) / sqrt(3 / pi * 10)), SciPy 1.17.1
        let d = [0.01, -0.02, 0.03, 0.0, 0.015, -0.005, 0.02, 0.01, 0.005, 0.025];
        let got = minimum_detectable_effect(&d, 0.95).expect("enough values");
        assert!((got / 0.015251362493573313 - 1.0).abs() < 1e-8, "{got}");
    }

    #[test]
    fn the_forecast_of_a_pilot_holds_for_more_blocks() {
        let pilot = [0.01, -0.02, 0.03, 0.0, 0.015, -0.005];
        let of = |blocks| foretold_effect(&pilot, blocks, 0.95).expect("enough values");
        assert_eq!(Some(of(6)), minimum_detectable_effect(&pilot, 0.95));
        assert!(of(10) > of(20) && of(20) > of(80));
        let enough = blocks_to_find(0.01, &pilot, 500, 0.95).expect("enough");
        assert!(of(enough) <= 0.01 && of(enough - 1) > 0.01, "{enough}");
        assert_eq!(blocks_to_find(0.0001, &pilot, 500, 0.95), None);
        assert_eq!(blocks_to_find(0.5, &pilot, 500, 0.95), Some(6));
        assert_eq!(foretold_effect(&pilot, 1, 0.95), None);
    }

    #[test]
    fn correlated_blocks_increase_the_detectable_effect() {
        let rising: Vec<f64> = (0..20).map(|i| 0.001 * f64::from(i)).collect();
        let mixed: Vec<f64> = (0..20).map(|i| 0.001 * f64::from(i * 7 % 20)).collect();
        let of = |d: &[f64]| minimum_detectable_effect(d, 0.95).expect("enough values").ln_1p();
        assert!((of(&rising) / of(&mixed) - widening(&rising)).abs() < 1e-9, "the same values otherwise");
    }

    #[test]
    fn the_effect_falls_with_blocks_and_is_zero_without_noise() {
        let d = [0.01, -0.01];
        let of = |n: usize| minimum_detectable_effect(&d.repeat(n / 2), 0.95).expect("enough values");
        assert!(of(2) > of(4) && of(4) > of(10) && of(10) > of(60));
        assert_eq!(minimum_detectable_effect(&[0.3; 8], 0.95), Some(0.0));
        assert_eq!(minimum_detectable_effect(&[0.3, f64::NAN], 0.95), None);
        assert_eq!(minimum_detectable_effect(&d, 1.0), None);
    }
}
