//! What a session of this length and noise could have seen.

use crate::signed_rank::critical_count;
use crate::student::{Moments, t_quantile};

/// Asymptotic efficiency of the Hodges-Lehmann estimate against the mean under normal noise, 3 / pi.
const EFFICIENCY: f64 = 3.0 / std::f64::consts::PI;

/// The smallest overhead, as a fraction (0.01 = 1 %), that a two-sided test at `level` finds in 80 % of
/// sessions with as many blocks and as much noise as `log_ratios` shows (NaN entries are left out):
/// `exp[(t_{(1+level)/2, n-1} + t_{0.80, n-1}) s_d / sqrt n] - 1`.
///
/// From 6 blocks on, where the Hodges-Lehmann estimate is used, `n` under the root is multiplied by its
/// efficiency 0.955. Outliers inflate `s_d` more than they disturb that estimate, so the figure errs upwards.
///
/// `None` below 2 finite values or for a `level` outside `(0, 1)`.
pub fn minimum_detectable_effect(log_ratios: &[f64], level: f64) -> Option<f64> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let finite: Vec<f64> = log_ratios.iter().copied().filter(|d| d.is_finite()).collect();
    let moments = Moments::of(&finite)?;
    let ranks =
        crate::estimate::FEWEST_FOR_RANKS <= moments.count && critical_count(moments.count, level).is_some();
    let efficiency: f64 = if ranks { EFFICIENCY } else { 1.0 };
    let freedom = (moments.count - 1) as f64;
    let quantiles = t_quantile(f64::midpoint(1.0, level), freedom) + t_quantile(0.80, freedom);
    Some((quantiles * moments.standard_error() / efficiency.sqrt()).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula() {
        // numpy.expm1((t.ppf(.975, 9) + t.ppf(.8, 9)) * d.std(ddof=1) / sqrt(3 / pi * 10)), SciPy 1.17.1
        let d = [0.01, -0.02, 0.03, 0.0, 0.015, -0.005, 0.02, 0.01, 0.005, 0.025];
        let got = minimum_detectable_effect(&d, 0.95).expect("enough values");
        assert!((got / 0.015251362493573313 - 1.0).abs() < 1e-8, "{got}");
    }

    #[test]
    fn falls_with_blocks_and_is_zero_without_noise() {
        let d = [0.01, -0.01];
        let of = |n: usize| minimum_detectable_effect(&d.repeat(n / 2), 0.95).expect("enough values");
        assert!(of(2) > of(4) && of(4) > of(10) && of(10) > of(60));
        assert_eq!(minimum_detectable_effect(&[0.3; 8], 0.95), Some(0.0));
        assert_eq!(minimum_detectable_effect(&[0.3, f64::NAN], 0.95), None);
        assert_eq!(minimum_detectable_effect(&d, 1.0), None);
    }
}
