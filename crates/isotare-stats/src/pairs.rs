//! From paired values to log ratios: which blocks count, and on what scale they are compared.
//!
//! A pair counts if both of its values are finite. If a value of such a pair is not above zero, there are no
//! ratios at all. Using only the other blocks would cause selection bias: they are the blocks in which a
//! difference happened to have its usual sign, or in which a rare count happened to be more than zero.

/// `ln(condition / baseline)` of one block, or `None` unless both values are finite and above zero.
///
/// The difference of logarithms is exactly antisymmetric: swapping the two arms reverses its sign and nothing
/// else.
fn log_ratio((condition, baseline): (f64, f64)) -> Option<f64> {
    is_usable((condition, baseline)).then(|| condition.ln() - baseline.ln())
}

fn is_usable((condition, baseline): (f64, f64)) -> bool {
    condition.is_finite() && baseline.is_finite() && condition > 0.0 && baseline > 0.0
}

/// Whether every pair that counts has a ratio.
fn have_ratios(pairs: &[(f64, f64)]) -> bool {
    let counts = |(condition, baseline): (f64, f64)| condition.is_finite() && baseline.is_finite();
    pairs.iter().all(|pair| !counts(*pair) || is_usable(*pair))
}

/// One log ratio per pair `(condition, baseline)`, in block order, NaN where the pair does not count (a value
/// missing or not finite), and everywhere where there are no ratios (a value not above zero). This is one
/// column of [`adjusted_p_values`].
///
/// [`adjusted_p_values`]: crate::adjusted_p_values
pub fn log_ratios(pairs: &[(f64, f64)]) -> Vec<f64> {
    let is_any = have_ratios(pairs);
    pairs.iter().map(|pair| log_ratio(*pair).filter(|_| is_any).unwrap_or(f64::NAN)).collect()
}

/// The log ratios of the pairs that count, in block order; empty where there are no ratios.
pub(crate) fn usable_log_ratios(pairs: &[(f64, f64)]) -> Vec<f64> {
    usable_pairs(pairs).into_iter().filter_map(log_ratio).collect()
}

/// The pairs that count, in block order; empty where there are no ratios.
pub(crate) fn usable_pairs(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if have_ratios(pairs) {
        pairs.iter().copied().filter(|pair| is_usable(*pair)).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_values_count() {
        let pairs = [(2.0, 1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY), (f64::MAX, f64::MIN_POSITIVE)];
        assert_eq!(usable_pairs(&pairs).len(), 2);
        assert_eq!(usable_log_ratios(&pairs)[0], 2.0_f64.ln());
        let all = log_ratios(&pairs);
        assert_eq!(all.len(), 4);
        assert!(all[0].is_finite() && all[1..3].iter().all(|d| d.is_nan()) && all[3].is_finite());
    }

    #[test]
    fn a_value_that_is_not_above_zero_leaves_no_ratios() {
        for bad in [(0.0, 1.0), (1.0, -1.0)] {
            let pairs = [(2.0, 1.0), bad, (2.0, 1.0)];
            assert!(usable_pairs(&pairs).is_empty() && usable_log_ratios(&pairs).is_empty());
            assert!(log_ratios(&pairs).iter().all(|d| d.is_nan()));
        }
    }
}
