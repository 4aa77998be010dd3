//! Properties that hold for any data. For example, swapping the arms or changing the unit or the order has no
//! effect on the verdict.

use isotare_stats::{
    Direction, Margin, Verdict, adjusted_p_values, holm, judge, log_ratios, mean_ratio_of_pairs, pointwise_p,
    ratio_of_pairs, signed_rank_p,
};
use proptest::prelude::*;

fn some_pairs(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<(f64, f64)>> {
    // Some values are whole numbers, so that ties and equal pairs occur.
    let value = prop_oneof![3 => 0.5..2.0_f64, 1 => (1..5_u8).prop_map(f64::from)];
    prop::collection::vec((value.clone(), value), count)
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a / b - 1.0).abs() < 1e-9
}

/// In column `k`, the entry of block `b` exists if the mask says so; otherwise it is NaN.
fn family() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let entry = prop_oneof![8 => -0.2..0.3_f64, 1 => Just(f64::NAN), 1 => Just(0.0)];
    (2..13_usize).prop_flat_map(move |blocks| {
        prop::collection::vec(prop::collection::vec(entry.clone(), blocks), 1..5)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn swapped_arms_give_the_reciprocal_ratio(pairs in some_pairs(2..40)) {
        let swapped: Vec<_> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
        for f in [ratio_of_pairs, mean_ratio_of_pairs] {
            let (a, b) = (f(&pairs, 0.95).expect("usable"), f(&swapped, 0.95).expect("usable"));
            prop_assert!(near(a.ratio, 1.0 / b.ratio));
            prop_assert!(near(a.low, 1.0 / b.high) && near(a.high, 1.0 / b.low));
        }
    }

    #[test]
    fn units_do_not_matter(pairs in some_pairs(2..40), unit in 1e-9..1e9_f64) {
        let scaled: Vec<_> = pairs.iter().map(|(a, b)| (a * unit, b * unit)).collect();
        for f in [ratio_of_pairs, mean_ratio_of_pairs] {
            let (a, b) = (f(&pairs, 0.95).expect("usable"), f(&scaled, 0.95).expect("usable"));
            prop_assert!(near(a.ratio, b.ratio) && near(a.low, b.low) && near(a.high, b.high));
        }
        let (p, q) = (signed_rank_p(&log_ratios(&pairs)), signed_rank_p(&log_ratios(&scaled)));
        prop_assert!(near(p, q), "{} and {}", p, q);
    }

    #[test]
    fn a_known_factor_is_found_in_the_ratio(pairs in some_pairs(2..40), factor in 0.5..2.0_f64) {
        let slowed: Vec<_> = pairs.iter().map(|(a, b)| (a * factor, *b)).collect();
        for f in [ratio_of_pairs, mean_ratio_of_pairs] {
            let (a, b) = (f(&pairs, 0.95).expect("usable"), f(&slowed, 0.95).expect("usable"));
            prop_assert!(near(factor * a.ratio, b.ratio));
            prop_assert!(near(factor * a.low, b.low) && near(factor * a.high, b.high));
        }
    }

    #[test]
    fn order_does_not_change_the_point_nor_short_intervals(
        (pairs, shuffled) in some_pairs(2..40).prop_flat_map(|p| (Just(p.clone()), Just(p).prop_shuffle()))
    ) {
        let [a, b] = [&pairs, &shuffled].map(|pairs| ratio_of_pairs(pairs, 0.95).expect("usable"));
        prop_assert!(near(a.ratio, b.ratio));
        if pairs.len() < 10 {
            prop_assert!(near(a.low, b.low) && near(a.high, b.high));
        }
        let [a, b] = [&pairs, &shuffled].map(|pairs| mean_ratio_of_pairs(pairs, 0.95).expect("usable"));
        prop_assert!(near(a.ratio, b.ratio) && near(a.low, b.low) && near(a.high, b.high));
    }

    #[test]
    fn intervals_hold_their_point_and_grow_with_level(pairs in some_pairs(2..40)) {
        for f in [ratio_of_pairs, mean_ratio_of_pairs] {
            let (narrow, wide) = (f(&pairs, 0.90).expect("usable"), f(&pairs, 0.95).expect("usable"));
            prop_assert!(narrow.low <= narrow.ratio && narrow.ratio <= narrow.high);
            prop_assert!(wide.low <= narrow.low && narrow.high <= wide.high);
        }
    }

    #[test]
    fn adjusted_p_values_are_never_smaller(columns in family(), seed: u64) {
        let adjusted = adjusted_p_values(&columns, seed);
        for (column, p) in columns.iter().zip(&adjusted) {
            prop_assert!(*p >= pointwise_p(column) && *p <= 1.0 && *p >= 0.0);
        }
        let raw: Vec<f64> = columns.iter().map(|c| pointwise_p(c)).collect();
        prop_assert!(holm(&raw).iter().zip(&raw).all(|(a, p)| a >= p && *a <= 1.0));
    }

    #[test]
    fn mirrored_and_reordered_columns_give_the_same_p_values(columns in family(), seed: u64) {
        let mirrored: Vec<Vec<f64>> = columns.iter().map(|c| c.iter().map(|d| -d).collect()).collect();
        let backwards: Vec<Vec<f64>> = columns.iter().rev().cloned().collect();
        let p = adjusted_p_values(&columns, seed);
        let mut turned = adjusted_p_values(&backwards, seed);
        turned.reverse();
        for ((a, b), c) in p.iter().zip(adjusted_p_values(&mirrored, seed)).zip(turned) {
            prop_assert!(near(*a, b) && near(*a, c), "{} {} {}", a, b, c);
        }
    }

    #[test]
    fn swapped_pairs_give_the_opposite_verdict(pairs in some_pairs(0..30), margin in 0.001..0.5_f64) {
        let swapped: Vec<_> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
        let margin = Margin::new(margin).expect("usable");
        let p = adjusted_p_values(&[log_ratios(&pairs)], 1)[0];
        let time = judge(&pairs, Direction::Lower, margin, p, 0.95);
        prop_assert_eq!(time, judge(&swapped, Direction::Higher, margin, p, 0.95));
        let mirror = match time {
            Verdict::Slower => Verdict::Faster,
            Verdict::Faster => Verdict::Slower,
            same => same,
        };
        prop_assert_eq!(judge(&pairs, Direction::Higher, margin, p, 0.95), mirror);
    }
}
