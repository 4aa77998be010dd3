//! The change of a ratio from one session to another.
//!
//! Blocks of different sessions cannot be paired: they were not close in time. What is compared is each
//! session's own ratio to its own baseline, in which the state of its machine has cancelled; a machine that
//! is slower today is slower in both arms.

use crate::estimate::{Estimate, Method};
use crate::pairs::usable_log_ratios;
use crate::serial::widening;
use crate::student::{Moments, t_quantile, t_test};
use crate::verdict::equivalence_level;
use crate::{Direction, Margin, Verdict};

/// Change of a typical ratio between two sessions, on the log scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    point: f64,
    error: f64,
    freedom: f64,
    blocks: usize,
}

/// The values of one session.
struct Side {
    point: f64,
    error: f64,
    freedom: f64,
    blocks: usize,
}

impl Side {
    fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let logs = usable_log_ratios(pairs);
        let (point, error, freedom) = trimmed(&logs)?;
        Some(Self { point, error: error * widening(&logs), freedom, blocks: logs.len() })
    }
}

/// One of this many values is cut off on each side.
const TRIMMED: usize = 10;

/// The trimmed mean, its standard error from the winsorised variance (Tukey and McLaughlin 1963; Yuen 1974),
/// and the degrees of freedom. Below 10 values nothing is cut off, and it is the mean.
fn trimmed(logs: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = logs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let cut = n / TRIMMED;
    let kept = n - 2 * cut;
    let inner = Moments::of(&sorted[cut..n - cut])?;
    let winsorised: Vec<f64> = sorted.iter().map(|d| d.clamp(sorted[cut], sorted[n - cut - 1])).collect();
    let (n, h) = (n as f64, kept as f64);
    let variance = Moments::of(&winsorised)?.deviation.powi(2);
    Some((inner.mean, ((n - 1.0) * variance / (h * (h - 1.0))).sqrt(), h - 1.0))
}

impl Change {
    /// From the `(condition, baseline)` pairs of each session: the difference of the means of the log ratios
    /// without the lowest and highest tenth, with the interval of Yuen (1974), "The two-sample trimmed t for
    /// unequal population variances": Welch's, over winsorised standard errors. Noise may so differ between
    /// the sessions. Each standard error is widened for serial correlation as in
    /// [`ratio_of_pairs`](crate::ratio_of_pairs).
    ///
    /// The pseudo-medians of the two sessions are not used. The interval of a pseudo-median does not
    /// correspond to a standard error if the ratios form two groups (noise of period two), and a difference
    /// of two such intervals covers in only 77 to 91 % of simulated sessions. Cutting off a fifth has the
    /// same problem to a smaller degree (89 %). Cutting off a tenth covers in 94 to 97 % under every model
    /// (G17), and a single spike in ten blocks does not determine the result, as it would with the mean.
    ///
    /// It contains only the noise within the sessions. Differences between any two sessions, such as the
    /// memory layout or other virtual machines on the host, come in addition. The change of the null test
    /// shows how large they are.
    ///
    /// `None` if a session has fewer than 2 usable pairs.
    pub fn of(before: &[(f64, f64)], after: &[(f64, f64)]) -> Option<Self> {
        let (before, after) = (Side::of(before)?, Side::of(after)?);
        let squares = [before.error.powi(2), after.error.powi(2)];
        let sum: f64 = squares.iter().sum();
        let fourths = squares[0].powi(2) / before.freedom + squares[1].powi(2) / after.freedom;
        let freedom = if sum > 0.0 { sum.powi(2) / fourths } else { before.freedom.min(after.freedom) };
        Some(Self {
            point: after.point - before.point,
            error: sum.sqrt(),
            freedom: freedom.max(1.0),
            blocks: before.blocks.min(after.blocks),
        })
    }

    /// Ratio of ratios, after over before, with its interval; `None` for a `level` outside `(0, 1)`.
    pub fn estimate(&self, level: f64) -> Option<Estimate> {
        if !(level > 0.0 && level < 1.0) {
            return None;
        }
        let half = self.half(level);
        let (ratio, low, high) = (self.point.exp(), (self.point - half).exp(), (self.point + half).exp());
        let (low, high) = (low.min(ratio), high.max(ratio));
        Some(Estimate { ratio, low, high, level, blocks: self.blocks, method: Method::BetweenSessions })
    }

    /// Two-sided p that nothing changed.
    pub fn p(&self) -> f64 {
        t_test(self.point, self.error, self.freedom)
    }

    /// The smallest change, as a fraction, that sessions of this length and noise show in 80 % of cases.
    pub fn minimum_detectable_effect(&self, level: f64) -> f64 {
        (self.half(level) + self.error * t_quantile(0.80, self.freedom)).exp_m1()
    }

    /// The verdict about the cost, as [`judge`](crate::judge) gives it within a session.
    pub fn judge(&self, better: Direction, margin: Margin, adjusted_p: f64, level: f64) -> Verdict {
        let (Some(narrow), Some(wide)) = (self.estimate(equivalence_level(level)), self.estimate(level))
        else {
            return Verdict::Inconclusive;
        };
        crate::verdict::of(&narrow, &wide, better, margin, adjusted_p)
    }

    fn half(&self, level: f64) -> f64 {
        if self.error == 0.0 {
            return 0.0;
        }
        self.error * t_quantile(f64::midpoint(1.0, level), self.freedom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELCH: [f64; 4] = [0.05, 0.021798917060473225, 0.07820108293952678, 0.0048389424602395615];

    fn pairs(logs: &[f64]) -> Vec<(f64, f64)> {
        logs.iter().map(|d| (3.0 * d.exp(), 3.0)).collect()
    }

    #[test]
    fn few_blocks_use_the_test_of_welch() {
        // scipy.stats.ttest_ind(b, a, equal_var=False), SciPy 1.17.1: confidence_interval(.95) and p.
        let (a, b) = ([0.05, 0.02, 0.04, 0.01], [0.06, 0.09, 0.07, 0.08, 0.10]);
        let change = Change::of(&pairs(&a), &pairs(&b)).expect("enough");
        let estimate = change.estimate(0.95).expect("a level");
        for (got, expect) in [
            (estimate.ratio.ln(), WELCH[0]),
            (estimate.low.ln(), WELCH[1]),
            (estimate.high.ln(), WELCH[2]),
            (change.p(), WELCH[3]),
        ] {
            assert!((got - expect).abs() < 1e-9, "{got} instead of {expect}");
        }
    }

    #[test]
    fn a_slower_machine_is_not_a_change_of_cost() {
        let logs = [0.10, 0.11, 0.09, 0.105, 0.1, 0.095, 0.1, 0.102];
        let slower: Vec<(f64, f64)> = pairs(&logs).iter().map(|(y, base)| (1.7 * y, 1.7 * base)).collect();
        let change = Change::of(&pairs(&logs), &slower).expect("enough");
        let margin = Margin::new(0.02).expect("valid");
        assert!(change.p() > 0.999);
        assert_eq!(change.judge(Direction::Lower, margin, 1.0, 0.95), Verdict::Equivalent);
    }

    #[test]
    fn equal_and_too_small_sessions_are_handled() {
        let same = pairs(&[0.1; 8]);
        assert_eq!(Change::of(&same, &same).expect("enough").p(), 1.0);
        assert_eq!(Change::of(&same, &pairs(&[0.2; 8])).expect("enough").p(), 0.0);
        assert_eq!(Change::of(&same, &pairs(&[0.1])), None);
        assert_eq!(Change::of(&same, &same).expect("enough").estimate(1.0), None);
    }
}
