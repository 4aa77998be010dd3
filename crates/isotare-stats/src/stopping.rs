//! Decides when a session has enough blocks: by precision, never by significance.

use crate::ratio_of_pairs;

/// Checks after fixed numbers of blocks, and stops once every interval is narrow enough.
///
/// The rule uses the width of intervals and not their position, so that stopping does not favour any result.
/// With checks from the 10th block on, the coverage of the last interval is kept (`cargo xtask goals`, G5).
/// If a session stopped as soon as a p value is small, the coverage would not be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// Half the width of the interval of the log ratio that is wanted, such as 0.01.
    pub target: f64,
    /// Number of blocks before the first check.
    pub pilot: usize,
    /// Number of blocks between checks.
    pub every: usize,
    /// Maximum number of blocks.
    pub cap: usize,
}

impl Precision {
    /// First check after half of at most `cap` blocks, but not before the 10th and not later than after the
    /// 20th; then after every half of that. With 20 blocks: after 10 and 15; with 100: after 20, 30, 40, …
    pub fn new(target: f64, cap: usize) -> Self {
        let pilot = (cap / 2).clamp(10, 20);
        Self { target, pilot, every: pilot / 2, cap }
    }

    /// The level for the calculation of intervals, so that they keep the nominal `level` although they decide
    /// when to stop. The error is a fifth smaller: 0.96 for 0.95. A session stops more often when its
    /// intervals are narrow by chance, which costs up to half a per cent of coverage.
    pub fn guarded(level: f64) -> f64 {
        1.0 - 0.8 * (1.0 - level)
    }

    /// Whether there is a check after `blocks` blocks.
    pub fn looks_at(&self, blocks: usize) -> bool {
        blocks >= self.cap
            || (blocks >= self.pilot && (blocks - self.pilot).is_multiple_of(self.every.max(1)))
    }

    /// Whether the session may stop after `blocks` blocks: `columns` hold the `(condition, baseline)` pairs
    /// of every comparison that has to be this precise, at the [guarded](Self::guarded) `level`.
    pub fn is_reached(&self, blocks: usize, columns: &[Vec<(f64, f64)>], level: f64) -> bool {
        let narrow = |pairs: &Vec<(f64, f64)>| {
            let estimate = ratio_of_pairs(pairs, Self::guarded(level));
            estimate.is_some_and(|e| (e.high.ln() - e.low.ln()) / 2.0 <= self.target)
        };
        self.looks_at(blocks) && (blocks >= self.cap || columns.iter().all(narrow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_at_fixed_blocks_and_stops_when_all_are_narrow() {
        let looks =
            |rule: Precision| -> Vec<usize> { (0..=rule.cap).filter(|&n| rule.looks_at(n)).collect() };
        let rule = Precision::new(0.01, 100);
        assert_eq!(looks(rule)[..4], [20, 30, 40, 50]);
        assert_eq!(looks(Precision::new(0.01, 20)), [10, 15, 20]);
        assert_eq!(looks(Precision::new(0.01, 8)), [8], "only the end");
        let column = |noise: f64| -> Vec<(f64, f64)> {
            (0..20).map(|b| (1.5 + noise * f64::from(b * 7 % 11), 1.0)).collect()
        };
        assert!(rule.is_reached(20, &[column(0.001)], 0.95));
        assert!(!rule.is_reached(20, &[column(0.001), column(0.1)], 0.95), "one is wide");
        assert!(!rule.is_reached(21, &[column(0.001)], 0.95), "no look there");
        assert!(rule.is_reached(100, &[column(0.1)], 0.95), "the cap");
    }
}
