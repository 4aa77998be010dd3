//! Verdicts about the cost in one comparison, given a margin that counts as no difference.

use serde::{Deserialize, Serialize};

use crate::estimate::{Estimate, ratio_of_pairs};

/// Confidence of the interval whose inclusion in the margin is an equivalence test with the error of `level`:
/// 0.90 for 0.95. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach"
/// (1987).
pub(crate) fn equivalence_level(level: f64) -> f64 {
    1.0 - 2.0 * (1.0 - level)
}

/// Equivalence margin as a fraction: 0.02 means that costs within 2 % of each other count as equal.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Margin(f64);

impl Margin {
    /// `None` unless `fraction` is finite and above zero. Without a margin, equivalence cannot be shown.
    pub fn new(fraction: f64) -> Option<Self> {
        (fraction.is_finite() && fraction > 0.0).then_some(Self(fraction))
    }

    /// The fraction, above zero.
    pub fn fraction(self) -> f64 {
        self.0
    }

    /// Whether the interval lies inside `1 / (1 + m) ..= 1 + m`, which is symmetric under exchange of arms.
    pub fn holds(self, estimate: &Estimate) -> bool {
        estimate.low >= 1.0 / (1.0 + self.0) && estimate.high <= 1.0 + self.0
    }
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Larger is better: throughput. Cost is baseline over condition.
    Higher,
    /// Smaller is better: time, memory. Cost is condition over baseline.
    Lower,
}

/// What a comparison shows about cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The condition costs more than the baseline.
    Slower,
    /// The condition costs less.
    Faster,
    /// The cost is shown to lie within the margin of the baseline's.
    Equivalent,
    /// Neither was shown. This is not the same as no difference.
    Inconclusive,
}

/// Judges one comparison from its `(condition, baseline)` pairs in block order.
///
/// 1. Equivalent if the 90 % interval of the ratio lies within the margin (two one-sided tests at 5 %). This
///    comes first: a difference can be real and yet too small to matter.
/// 2. Slower or faster if `adjusted_p` (of [`adjusted_p_values`]) is below `1 - level` and the whole interval
///    at `level` is on that side of 1. The second condition only bites when serial correlation widened the
///    interval, or when `adjusted_p` comes from another test: a report never shows "slower" next to an
///    interval that contains 1.
/// 3. Otherwise inconclusive, also with fewer than 2 usable pairs.
///
/// Below 6 pairs both the interval and the p are those of the paired t test, so the verdicts slower and
/// faster then assume normally distributed noise; the estimate's method says this. Claims of equivalence are
/// pointwise: each is wrong in at most 5 % of sessions, however many conditions there are.
///
/// [`adjusted_p_values`]: crate::adjusted_p_values
pub fn judge(
    pairs: &[(f64, f64)],
    better: Direction,
    margin: Margin,
    adjusted_p: f64,
    level: f64,
) -> Verdict {
    // The margin is symmetric on the log scale, so the ratio serves whether it is the cost or its reciprocal.
    match (ratio_of_pairs(pairs, equivalence_level(level)), ratio_of_pairs(pairs, level)) {
        (Some(narrow), Some(wide)) => of(&narrow, &wide, better, margin, adjusted_p),
        _ => Verdict::Inconclusive,
    }
}

/// The verdict from the interval for equivalence and the one that readers see.
pub(crate) fn of(
    narrow: &Estimate,
    estimate: &Estimate,
    better: Direction,
    margin: Margin,
    adjusted_p: f64,
) -> Verdict {
    if margin.holds(narrow) {
        return Verdict::Equivalent;
    }
    let is_significant = adjusted_p < 1.0 - estimate.level;
    let (above, below) = match better {
        Direction::Lower => (Verdict::Slower, Verdict::Faster),
        Direction::Higher => (Verdict::Faster, Verdict::Slower),
    };
    if is_significant && estimate.low > 1.0 {
        above
    } else if is_significant && estimate.high < 1.0 {
        below
    } else {
        Verdict::Inconclusive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{adjusted_p_values, log_ratios};

    fn pairs(centre: f64, noise: f64, n: usize) -> Vec<(f64, f64)> {
        (0..n).map(|b| (100.0 * (centre + noise * ((b * 7 % 11) as f64 - 4.7)), 100.0)).collect()
    }

    fn check(pairs: &[(f64, f64)], margin: f64, time: Verdict, throughput: Verdict) {
        let p = adjusted_p_values(&[log_ratios(pairs)], 1)[0];
        let margin = Margin::new(margin).expect("valid");
        assert_eq!(judge(pairs, Direction::Lower, margin, p, 0.95), time, "{pairs:?}");
        assert_eq!(judge(pairs, Direction::Higher, margin, p, 0.95), throughput, "{pairs:?}");
    }

    #[test]
    fn each_verdict_is_reached() {
        check(&pairs(1.10, 0.002, 12), 0.02, Verdict::Slower, Verdict::Faster);
        check(&pairs(0.90, 0.002, 12), 0.02, Verdict::Faster, Verdict::Slower);
        check(&pairs(1.005, 0.001, 12), 0.02, Verdict::Equivalent, Verdict::Equivalent);
        check(&pairs(1.01, 0.02, 12), 0.02, Verdict::Inconclusive, Verdict::Inconclusive);
        check(&[], 0.02, Verdict::Inconclusive, Verdict::Inconclusive);
    }

    #[test]
    fn few_pairs_use_the_t_test() {
        check(&pairs(1.10, 0.001, 4), 0.02, Verdict::Slower, Verdict::Faster);
        check(&pairs(1.10, 0.02, 3), 0.02, Verdict::Inconclusive, Verdict::Inconclusive);
    }

    #[test]
    fn equal_pairs_are_judged_by_the_margin() {
        for n in [2, 5, 6, 30] {
            check(&pairs(1.0, 0.0, n), 0.02, Verdict::Equivalent, Verdict::Equivalent);
            check(&pairs(1.019, 0.0, n), 0.02, Verdict::Equivalent, Verdict::Equivalent);
            check(&pairs(1.03, 0.0, n), 0.02, Verdict::Slower, Verdict::Faster);
        }
    }

    #[test]
    fn significance_needs_both_p_and_interval() {
        let margin = Margin::new(0.02).expect("valid");
        let clear = pairs(1.10, 0.002, 12);
        assert_eq!(judge(&clear, Direction::Lower, margin, 0.2, 0.95), Verdict::Inconclusive);
        assert_eq!(judge(&clear, Direction::Lower, margin, f64::NAN, 0.95), Verdict::Inconclusive);
        let unclear = pairs(1.01, 0.02, 12);
        assert_eq!(judge(&unclear, Direction::Lower, margin, 0.001, 0.95), Verdict::Inconclusive);
    }

    #[test]
    fn margins_are_checked_and_verdicts_are_words() {
        assert!([0.0, -0.1, f64::NAN, f64::INFINITY].iter().all(|m| Margin::new(*m).is_none()));
        assert_eq!(serde_json::to_string(&Verdict::Equivalent).expect("valid"), "\"equivalent\"");
        assert_eq!(serde_json::to_string(&Margin::new(0.02)).expect("valid"), "0.02");
    }
}
