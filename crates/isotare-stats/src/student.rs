//! The parametric side: moments of a sample and the one-sample t interval and test.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean and standard error of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moments {
    pub count: usize,
    pub mean: f64,
    /// Sample standard deviation, divisor n - 1.
    pub deviation: f64,
}

impl Moments {
    /// `None` for fewer than two values, which have no spread to estimate.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count < 2 {
            return None;
        }
        let n = count as f64;
        // Equal values have deviation zero, not the rounding error of their mean.
        if values.iter().all(|v| *v == values[0]) {
            return Some(Self { count, mean: values[0], deviation: 0.0 });
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Some(Self { count, mean, deviation: (squares / (n - 1.0)).sqrt() })
    }

    pub(crate) fn standard_error(&self) -> f64 {
        self.deviation / (self.count as f64).sqrt()
    }

    /// Half the width of the two-sided t interval of the mean at `level` in `(0, 1)`.
    pub(crate) fn half_width(&self, level: f64) -> f64 {
        let error = self.standard_error();
        if error == 0.0 { 0.0 } else { error * t_quantile(f64::midpoint(1.0, level), self.freedom()) }
    }

    /// Two-sided p of the t test that the mean is zero.
    pub(crate) fn t_test(&self) -> f64 {
        t_test(self.mean, self.standard_error(), self.freedom())
    }

    pub(crate) fn freedom(&self) -> f64 {
        (self.count - 1) as f64
    }
}

/// Two-sided p of the t test that what `point` estimates is zero.
///
/// Without any spread there is nothing to divide by: the p is 1 for a mean of zero and 0 otherwise, as for
/// a metric that does not vary (a count of pages, the size of an image).
pub(crate) fn t_test(point: f64, error: f64, freedom: f64) -> f64 {
    if point == 0.0 {
        return 1.0;
    }
    if error == 0.0 {
        return 0.0;
    }
    let tail = t_distribution(freedom).sf((point / error).abs());
    (2.0 * tail).clamp(0.0, 1.0)
}

/// The `p` quantile of Student's t with `freedom` degrees of freedom (at least 1).
pub(crate) fn t_quantile(p: f64, freedom: f64) -> f64 {
    t_distribution(freedom).inverse_cdf(p)
}

fn t_distribution(freedom: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).expect("scale and freedom are above zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_equal_those_of_scipy() {
        // scipy.stats.t.ppf, SciPy 1.17.1.
        for (p, freedom, expect) in [
            (0.975, 1.0, 12.706204736174694),
            (0.975, 2.0, 4.302652729749462),
            (0.975, 9.0, 2.262157162798205),
            (0.95, 4.0, 2.1318467863266495),
            (0.8, 9.0, 0.8834038596855346),
            (0.975, 29.0, 2.045229642132703),
            (0.975, 99.0, 1.9842169515864174),
            (0.995, 3.0, 5.840909309733355),
        ] {
            let got = t_quantile(p, freedom);
            assert!((got / expect - 1.0).abs() < 1e-8, "t({p}, {freedom}) = {got}");
        }
    }

    #[test]
    fn p_values_equal_those_of_scipy() {
        // scipy.stats.ttest_1samp([.05, .02, .04, .01], 0).pvalue, SciPy 1.17.1.
        let p = Moments::of(&[0.05, 0.02, 0.04, 0.01]).expect("two values").t_test();
        assert!((p - 0.046205091353363266).abs() < 1e-9, "{p}");
    }

    #[test]
    fn equal_values_give_no_width() {
        let same = Moments::of(&[0.1; 7]).expect("two values");
        assert_eq!((same.mean, same.deviation, same.half_width(0.95), same.t_test()), (0.1, 0.0, 0.0, 0.0));
        assert_eq!(Moments::of(&[0.0, 0.0]).expect("two values").t_test(), 1.0);
        assert_eq!(Moments::of(&[1.0]), None);
    }
}
