//! From paired values to log ratios: which blocks count, and on what scale they are compared.

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

/// One log ratio per pair `(condition, baseline)`, in block order, NaN where the pair is unusable (a value
/// missing, not finite, or not above zero). This is one column of [`adjusted_p_values`].
///
/// [`adjusted_p_values`]: crate::adjusted_p_values
pub fn log_ratios(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().map(|pair| log_ratio(*pair).unwrap_or(f64::NAN)).collect()
}

/// The log ratios of the usable pairs only, in block order.
pub(crate) fn usable_log_ratios(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().filter_map(|pair| log_ratio(*pair)).collect()
}

/// The usable pairs, in block order.
pub(crate) fn usable_pairs(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    pairs.iter().copied().filter(|pair| is_usable(*pair)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_values_above_zero_count() {
        let pairs = [
            (2.0, 1.0),
            (0.0, 1.0),
            (1.0, -1.0),
            (f64::NAN, 1.0),
            (1.0, f64::INFINITY),
            (f64::MAX, f64::MIN_POSITIVE),
        ];
        assert_eq!(usable_pairs(&pairs).len(), 2);
        assert_eq!(usable_log_ratios(&pairs)[0], 2.0_f64.ln());
        let all = log_ratios(&pairs);
        assert_eq!(all.len(), 6);
        assert!(all[0].is_finite() && all[1..5].iter().all(|d| d.is_nan()) && all[5].is_finite());
    }
}
