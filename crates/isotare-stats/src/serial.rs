//! Serial correlation left between the blocks of one comparison.

/// Lag-1 autocorrelation of `d` in its order of measurement: `sum (d_t - m)(d_{t+1} - m) / sum (d_t - m)^2`
/// (Box and Jenkins, the biased form, which stays within -1..1).
///
/// `None` below 3 values, without any spread, or when a value is not finite. Its standard error for
/// independent values is close to `1 / sqrt n`, its mean `-1 / n`.
pub fn lag1_autocorrelation(d: &[f64]) -> Option<f64> {
    if d.len() < 3 || d.iter().any(|v| !v.is_finite()) || d.iter().all(|v| *v == d[0]) {
        return None;
    }
    let mean = d.iter().sum::<f64>() / d.len() as f64;
    let squares: f64 = d.iter().map(|v| (v - mean).powi(2)).sum();
    let products: f64 = d.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
    let r = products / squares;
    r.is_finite().then_some(r)
}

/// Factor by which an interval for independent blocks is widened: `sqrt((1 + r1) / (1 - r1))`, the ratio of
/// standard errors of the mean of an AR(1) series and of independent values.
///
/// It is 1 below 10 values, and unless `r1 > 2 / sqrt n`. Never below 1: a negative correlation would
/// narrow the interval, and its estimate is the noisier the more it would matter.
pub(crate) fn widening(d: &[f64]) -> f64 {
    if d.len() < SHORTEST_SERIES {
        return 1.0;
    }
    match lag1_autocorrelation(d) {
        Some(r) if r > 2.0 / (d.len() as f64).sqrt() => {
            let r = r.min(LARGEST_CORRELATION);
            ((1.0 + r) / (1.0 - r)).sqrt()
        }
        _ => 1.0,
    }
}

/// With fewer values, the estimate of r1 is almost useless.
const SHORTEST_SERIES: usize = 10;

/// Keeps the factor below 4.4: a series with a higher correlation is a trend, which a factor cannot correct.
const LARGEST_CORRELATION: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_autocorrelation_equals_that_of_numpy() {
        // numpy: x = d - d.mean(); (x[1:] * x[:-1]).sum() / (x * x).sum()
        let d = [0.01, -0.02, 0.03, 0.0, 0.015, -0.005, 0.02, 0.01, 0.005, 0.025];
        let got = lag1_autocorrelation(&d).expect("enough values");
        assert!((got - -0.5909547738693468).abs() < 1e-12, "{got}");
        assert!((lag1_autocorrelation(&[-1.0, 1.0, -1.0, 1.0]).expect("enough values") + 0.75).abs() < 1e-12);
    }

    #[test]
    fn too_few_and_constant_values_have_no_autocorrelation() {
        assert_eq!(lag1_autocorrelation(&[1.0, 2.0]), None);
        assert_eq!(lag1_autocorrelation(&[0.1; 20]), None);
        assert_eq!(lag1_autocorrelation(&[1.0, f64::NAN, 2.0]), None);
    }

    #[test]
    fn only_a_clear_positive_correlation_widens_the_interval() {
        let rising: Vec<f64> = (0..20).map(f64::from).collect();
        assert!(widening(&rising) > 2.0 && widening(&rising) < 4.4);
        assert_eq!(widening(&rising[..9]), 1.0);
        let alternating: Vec<f64> = (0..20).map(|i| f64::from(i % 2)).collect();
        assert_eq!(widening(&alternating), 1.0);
    }
}
