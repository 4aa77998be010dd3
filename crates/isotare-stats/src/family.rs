//! P values of a family of comparisons: for each one alone, and adjusted for all of them.
//!
//! A family is every condition of one report compared with the baseline on one metric. Its comparisons share
//! the baseline and the blocks, so they are dependent, and the joint test of [`crate::sign_flips`] uses that.

use crate::estimate::FEWEST_FOR_RANKS;
use crate::holm::holm;
use crate::sign_flips::step_down;
use crate::signed_rank::signed_rank_p;
use crate::student::Moments;

/// Two-sided p that the log ratios `d` of one comparison centre on zero, without regard to any other.
///
/// The signed-rank p from 6 finite values on, the paired t test's below; 1 (no evidence) below 2. It matches
/// the interval of [`ratio_of_pairs`] at levels where that is not widened. Values not finite are ignored.
///
/// [`ratio_of_pairs`]: crate::ratio_of_pairs
pub fn pointwise_p(d: &[f64]) -> f64 {
    let finite = finite(d);
    if finite.len() >= FEWEST_FOR_RANKS {
        return signed_rank_p(&finite);
    }
    Moments::of(&finite).map_or(1.0, |moments| moments.t_test())
}

/// Adjusted p of each column, in order: the probability, if no comparison differed, of evidence as strong
/// somewhere in the family. `columns[k][b]` is the log ratio of comparison `k` in block `b`, NaN where that
/// block has no pair; a short column counts as ending in NaN.
///
/// Columns of 6 pairs or more are judged by the step-down maximum over joint sign flips of whole blocks
/// (Westfall and Young, "Resampling-based multiple testing", 1993), each with the studentised Huber score
/// statistic described in `sign_flips`. Flips are enumerated up to 14 blocks, where `seed` does not matter;
/// beyond, 9999 are drawn from it. With 6 blocks every clearly separated column reaches 2/64 at once, where
/// Holm over five of them gives 10/64.
///
/// Flips of fewer pairs cannot reach 0.05, so columns of 2 to 5 pairs take the paired t test and Holm among
/// themselves. If both kinds occur, each kind gets its share of the error: its p values times
/// `columns tested / columns of this kind` (Bonferroni between two groups). A column of less than 2 pairs is
/// no test: it gets 1 and does not count.
///
/// No adjusted p is below its [`pointwise_p`].
pub fn adjusted_p_values(columns: &[Vec<f64>], seed: u64) -> Vec<f64> {
    let counts: Vec<usize> = columns.iter().map(|column| finite(column).len()).collect();
    let of_size = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..columns.len()).filter(|k| wanted(counts[*k])).collect()
    };
    let flipped = of_size(&|n| n >= FEWEST_FOR_RANKS);
    let small = of_size(&|n| (2..FEWEST_FOR_RANKS).contains(&n));
    let tested = (flipped.len() + small.len()) as f64;

    let pointwise: Vec<f64> = columns.iter().map(|column| pointwise_p(column)).collect();
    let large_columns: Vec<&[f64]> = flipped.iter().map(|k| columns[*k].as_slice()).collect();
    let small_p: Vec<f64> = small.iter().map(|k| pointwise[*k]).collect();

    let mut adjusted = vec![1.0; columns.len()];
    for (group, p) in [(&flipped, step_down(&large_columns, seed)), (&small, holm(&small_p))] {
        let share = tested / group.len() as f64;
        for (k, p) in group.iter().zip(p) {
            adjusted[*k] = (p * share).max(pointwise[*k]).min(1.0);
        }
    }
    adjusted
}

fn finite(d: &[f64]) -> Vec<f64> {
    d.iter().copied().filter(|v| v.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` log ratios near `centre`. They are clearly different from zero, unless `centre` is zero.
    fn column(centre: f64, n: usize) -> Vec<f64> {
        (0..n).map(|b| centre + 0.001 * ((b * 7 % 11) as f64 - 4.7)).collect()
    }

    #[test]
    fn six_blocks_separate_every_column_at_once() {
        let columns: Vec<_> = [0.05, -0.04, 0.1, 0.3, 0.05].iter().map(|c| column(*c, 6)).collect();
        assert_eq!(adjusted_p_values(&columns, 1), [0.03125; 5]);
    }

    #[test]
    fn a_noise_column_does_not_hide_the_others() {
        let columns = [column(0.05, 6), vec![0.01, -0.02, 0.005, -0.001, 0.03, -0.02], column(0.1, 6)];
        let got = adjusted_p_values(&columns, 1);
        assert_eq!((got[0], got[2]), (0.03125, 0.03125));
        assert!(got[1] > 0.5);
    }

    #[test]
    fn a_single_column_with_equal_signs_agrees_with_the_pointwise_test() {
        for n in 6..=14 {
            let d = column(0.05, n);
            assert_eq!(adjusted_p_values(std::slice::from_ref(&d), 1), [pointwise_p(&d)]);
        }
    }

    #[test]
    fn few_pairs_use_the_t_test() {
        let columns = [vec![0.05, 0.051, 0.049, 0.05], vec![0.01, -0.01, 0.02, -0.02]];
        let got = adjusted_p_values(&columns, 1);
        assert!((got[0] - 2.0 * pointwise_p(&columns[0])).abs() < 1e-15 && got[0] < 0.001);
        assert!(got[1] > 0.5);
    }

    #[test]
    fn both_kinds_of_columns_share_the_error_rate() {
        let columns = [column(0.05, 12), vec![0.05, 0.051, 0.049], column(0.07, 12), vec![f64::NAN; 12]];
        let got = adjusted_p_values(&columns, 1);
        let flips = 1.0 / 2048.0;
        assert_eq!((got[0], got[2]), (1.5 * flips, 1.5 * flips));
        assert!((got[1] - 3.0 * pointwise_p(&columns[1])).abs() < 1e-15);
        assert_eq!(got[3], 1.0);
    }

    #[test]
    fn empty_and_constant_columns_are_handled() {
        assert!(adjusted_p_values(&[], 1).is_empty());
        assert_eq!(adjusted_p_values(&[vec![], vec![0.1], vec![0.0; 9]], 1), [1.0; 3]);
        assert_eq!(pointwise_p(&[0.1]), 1.0);
        assert_eq!(pointwise_p(&[0.1, 0.1]), 0.0);
    }
}
