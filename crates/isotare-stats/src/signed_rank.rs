//! Wilcoxon's signed-rank test: the null distribution, its p and its critical value.
//!
//! Wilcoxon, "Individual comparisons by ranking methods" (1945). The null distribution is that of the sum of
//! those ranks whose sign is positive when each sign is a fair coin, given the ranks as they are. So ties
//! need no approximation: mid-ranks enter the same recursion and the p stays exact, conditionally on the
//! ties.

use statrs::distribution::{ContinuousCDF, Normal};

/// Above this many differences the normal approximation replaces the exact distribution.
///
/// The recursion costs n^3 steps; at 200 the approximation is right to three digits at p = 0.05.
const EXACT_UP_TO: usize = 200;

/// Differences this close, as a share of the largest, are tied. The logarithms of coarse measurements (whole
/// clock ticks, pages) tie up to rounding only, and a change of unit must not decide which of them do.
const TIE: f64 = 1e-10;

/// Two-sided signed-rank p of the hypothesis that `d` is symmetric about zero.
///
/// Exact up to 200 non-zero differences, ties included (mid-ranks, distribution conditional on the ties);
/// beyond, the normal approximation with tie and continuity correction. Zeros are dropped first, as Wilcoxon
/// did: they contain no information about the sign. Non-finite values are ignored. If no value is left, the p
/// is 1.
pub fn signed_rank_p(d: &[f64]) -> f64 {
    let ranked = SignedRanks::of(d);
    let n = ranked.doubled.len();
    if n == 0 {
        return 1.0;
    }
    let total: usize = ranked.doubled.iter().sum();
    let smaller = ranked.positive.min(total - ranked.positive);
    if n <= EXACT_UP_TO {
        let at_most: f64 = null_distribution(&ranked.doubled, smaller).iter().sum();
        return (2.0 * at_most).min(1.0);
    }
    // Both the sum and its deviation are in doubled ranks; half a rank of continuity is 1 in these units.
    let variance: f64 = ranked.doubled.iter().map(|r| (*r as f64).powi(2)).sum::<f64>() / 4.0;
    let distance = (total as f64 / 2.0 - smaller as f64 - 1.0).max(0.0);
    (2.0 * Normal::standard().sf(distance / variance.sqrt())).min(1.0)
}

/// How many of the smallest and of the largest Walsh averages of `n` differences lie outside the two-sided
/// interval: the largest `c` with `2 P(W <= c) <= 1 - level`.
///
/// `None` when even `c = 0` is too likely, which is below 6 differences at level 0.95 and 8 at 0.99.
pub(crate) fn critical_count(n: usize, level: f64) -> Option<usize> {
    let tail = (1.0 - level) / 2.0;
    if n <= EXACT_UP_TO {
        let ranks: Vec<usize> = (1..=n).collect();
        let mut sum = 0.0;
        let within = null_distribution(&ranks, n * (n + 1) / 4)
            .iter()
            // A small tolerance, because 1 - 0.95 is not exactly 0.05 in binary.
            .take_while(|p| {
                sum += **p;
                sum <= tail * (1.0 + 1e-12)
            })
            .count();
        return within.checked_sub(1);
    }
    let n = n as f64;
    let mean = n * (n + 1.0) / 4.0;
    let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
    let critical = mean + deviation * Normal::standard().inverse_cdf(tail) - 0.5;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count below the mean, and a negative one is filtered out"
    )]
    (critical >= 0.0).then_some(critical.floor() as usize)
}

/// Probabilities of the sums `0..=up_to` of the ranks with a positive sign.
fn null_distribution(ranks: &[usize], up_to: usize) -> Vec<f64> {
    let mut probability = vec![0.0; up_to + 1];
    probability[0] = 1.0;
    let mut reached = 0;
    for rank in ranks {
        reached = (reached + rank).min(up_to);
        for sum in (0..=reached).rev() {
            let with = if sum >= *rank { probability[sum - rank] } else { 0.0 };
            probability[sum] = f64::midpoint(probability[sum], with);
        }
    }
    probability
}

/// Mid-ranks of the absolute values of the non-zero differences.
struct SignedRanks {
    /// Twice the mid-ranks, which are whole numbers.
    doubled: Vec<usize>,
    /// Sum of `doubled` over the positive differences.
    positive: usize,
}

impl SignedRanks {
    fn of(d: &[f64]) -> Self {
        let mut values: Vec<f64> = d.iter().copied().filter(|v| v.is_finite() && *v != 0.0).collect();
        values.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
        let mut doubled = Vec::with_capacity(values.len());
        let mut positive = 0;
        let rounding = values.last().map_or(0.0, |largest| largest.abs() * TIE);
        for tied in values.chunk_by(|a, b| b.abs() - a.abs() <= rounding) {
            let before = doubled.len();
            // Ranks before+1 ..= before+len have mean before + (len + 1)/2.
            let rank = 2 * before + tied.len() + 1;
            positive += rank * tied.iter().filter(|v| **v > 0.0).count();
            doubled.resize(before + tied.len(), rank);
        }
        Self { doubled, positive }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(d: &[f64], expect: f64) {
        let got = signed_rank_p(d);
        assert!((got - expect).abs() < 1e-12, "{got} instead of {expect} for {d:?}");
    }

    // The expected numbers are from SciPy 1.17.1: `wilcoxon(d, method="exact")` without ties, and
    // `wilcoxon(d, zero_method="wilcox", method=PermutationMethod(n_resamples=10**9))` with ties.

    #[test]
    fn exact_p_values_equal_those_of_scipy() {
        check(&[0.01, 0.02, 0.03, 0.04, 0.05, 0.06], 0.03125);
        check(&[0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01], 0.0390625);
        let twelve = [0.31, -0.12, 0.45, 0.22, -0.05, 0.61, 0.17, -0.29, 0.38, 0.09, 0.53, -0.02];
        check(&twelve, 0.05224609375);
        let fifty = [
            0.646, 1.122, 0.63, -1.003, 1.205, 0.746, -0.237, 0.881, 0.665, 0.594, 0.328, 0.847, -0.436,
            0.137, -0.182, 0.899, 0.34, 0.008, -0.482, 0.043, 0.308, 0.024, 1.594, 1.307, -2.411, -1.589,
            0.125, -0.122, 0.514, 0.517, 2.418, -0.812, -0.078, 2.343, 0.947, 0.963, -0.214, -1.348, 0.467,
            0.409, -0.927, -0.383, 0.228, -0.645, 0.202, 0.395, 0.336, -0.206, 0.894, 1.191,
        ];
        check(&fifty, 0.016185270214664982);
    }

    #[test]
    fn p_values_with_ties_and_zeros_equal_those_of_scipy() {
        check(&[1.0, 1.0, 2.0, -1.0, 3.0, 3.0, -2.0, 4.0, 2.0, 5.0], 0.0390625);
        check(&[0.0, 0.0, 1.0, -2.0, 3.0, 4.0, 5.0, -6.0, 7.0], 0.375);
        check(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0], 0.125);
        check(&[0.0; 5], 1.0);
        check(&[], 1.0);
        check(&[f64::NAN, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.03125);
    }

    #[test]
    fn approximate_p_values_equal_those_of_scipy() {
        // wilcoxon([((i*37) % 251 - 100)/100 for i in range(251)], method="asymptotic", correction=True)
        let d: Vec<f64> = (0..251).map(|i| f64::from((i * 37) % 251 - 100) / 100.0).collect();
        let got = signed_rank_p(&d);
        assert!((got / 8.424416081439427e-07 - 1.0).abs() < 1e-6, "{got}");
    }

    #[test]
    fn critical_counts_equal_published_tables() {
        // The usual tables of two-sided critical values, W <= c rejects (Wilcoxon and Wilcox 1964).
        let at = |level: f64| [5, 6, 7, 8, 10, 20, 30].map(|n| critical_count(n, level));
        assert_eq!(at(0.95), [None, Some(0), Some(2), Some(3), Some(8), Some(52), Some(137)]);
        assert_eq!(at(0.99), [None, None, None, Some(0), Some(3), Some(37), Some(109)]);
    }

    #[test]
    fn the_approximation_continues_the_exact_counts() {
        let (exact, normal) =
            (critical_count(200, 0.95).expect("large n"), critical_count(201, 0.95).expect("large n"));
        // Compared with 200, 201 adds about n/2 to the mean, and less to the deviation.
        assert!((60..110).contains(&(normal - exact)), "{exact} then {normal}");
    }
}
