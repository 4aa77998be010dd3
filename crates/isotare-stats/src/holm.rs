//! Holm's step-down correction of p values whose dependence is unknown.

/// Holm-adjusted p values in the order of `p`: "A simple sequentially rejective multiple test procedure"
/// (1979).
///
/// A NaN (no test was made) stays NaN and does not count among the hypotheses.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|i| !p[*i].is_nan()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut floor: f64 = 0.0;
    for (rank, index) in order.iter().enumerate() {
        let hypotheses_left = (order.len() - rank) as f64;
        floor = floor.max((p[*index] * hypotheses_left).min(1.0));
        adjusted[*index] = floor;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusted_values_equal_those_of_r() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
        let got = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (got, expect) in got.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((got - expect).abs() < 1e-12, "{got} instead of {expect}");
        }
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn untested_hypotheses_do_not_count() {
        let got = holm(&[0.02, f64::NAN]);
        assert_eq!(got[0], 0.02);
        assert!(got[1].is_nan());
    }
}
