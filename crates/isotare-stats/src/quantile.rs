//! Order statistics of one sample: median and quantiles.
//!
//! If a value is NaN, there is no result. The caller has to remove absent values.

/// The `q` quantile of `values` (any order), by linear interpolation between order statistics at `(n - 1) q`:
/// type 7 of Hyndman and Fan, "Sample quantiles in statistical packages" (1996), the default of R and NumPy.
///
/// `None` when `values` is empty or holds a NaN, or when `q` is outside `0..=1`.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    if values.is_empty() || !(0.0..=1.0).contains(&q) || values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(quantile_of_sorted(&sorted, q))
}

/// The median of `values` (any order); the mean of the middle two when their count is even.
///
/// `None` when `values` is empty or holds a NaN.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// [`quantile`] of ascending, non-empty values without NaN, with `q` in `0..=1`.
pub(crate) fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    let last = sorted.len() - 1;
    let position = last as f64 * q;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position, from 0 to `last`"
    )]
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let (low, high) = (sorted[below], sorted[above]);
    let share = position - below as f64;
    // Equal neighbours are returned as they are, so that two infinities do not make a NaN. The weighted sum
    // is symmetric in its ends: reversing the sign of every value reverses the sign of the median exactly.
    if low == high || share == 0.0 { low } else { low * (1.0 - share) + high * share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_equal_those_of_numpy() {
        // numpy.quantile([3,1,4,1,5,9,2,6], [.1,.25,.5,.9]), NumPy default method.
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        for (q, expect) in [(0.0, 1.0), (0.1, 1.0), (0.25, 1.75), (0.5, 3.5), (0.9, 6.9), (1.0, 9.0)] {
            let got = quantile(&values, q).expect("values");
            assert!((got - expect).abs() < 1e-12, "q={q}: {got}");
        }
        assert_eq!(median(&[2.0, 1.0, 7.0]), Some(2.0));
        assert_eq!(median(&[5.0]), Some(5.0));
    }

    #[test]
    fn empty_and_invalid_input_gives_no_quantile() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN]), None);
        assert_eq!(quantile(&[1.0], 1.5), None);
        assert_eq!(quantile(&[1.0], f64::NAN), None);
        assert_eq!(median(&[f64::INFINITY, f64::INFINITY]), Some(f64::INFINITY));
    }
}
