//! The probability of so few successes.

use statrs::distribution::{Binomial, DiscreteCDF};

/// Probability of at most `hits` successes in `tries` independent trials that each succeed with probability
/// `share`: the one-sided p of the hypothesis that the share is as high as that.
///
/// Without trials there is no evidence: 1. NaN for a `share` outside `[0, 1]`.
pub fn at_most_p(hits: u64, tries: u64, share: f64) -> f64 {
    match Binomial::new(share, tries) {
        Ok(count) => count.cdf(hits.min(tries)),
        Err(_) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probability_equals_the_sum_of_terms() {
        // Python: sum(math.comb(n, i) * 0.95**i * 0.05**(n - i) for i in range(k + 1))
        for (hits, tries, expect) in [
            (7, 9, 0.071_211_396_2),
            (6, 9, 0.008_361_039_5),
            (90, 100, 0.028_188_294_2),
            (94, 100, 0.384_000_872_0),
        ] {
            let got = at_most_p(hits, tries, 0.95);
            assert!((got - expect).abs() < 1e-9, "{hits} of {tries}: {got} instead of {expect}");
        }
    }

    #[test]
    fn no_tries_are_no_evidence() {
        assert_eq!((at_most_p(0, 0, 0.95), at_most_p(5, 5, 0.95)), (1.0, 1.0));
        assert!(at_most_p(1, 2, 1.5).is_nan());
    }
}
