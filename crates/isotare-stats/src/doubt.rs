//! Shapes of data that noise alone does not explain: two groups, a trend, too little spread, or a beginning
//! that is different from the rest.
//!
//! None of them changes an estimate. Each is a reason to check the data before using the estimate. Their
//! thresholds are set by the simulation of `isotare-goals` (G18): on honest sessions each fires in well under
//! 1 % of comparisons.

use crate::quantile::median;
use statrs::distribution::{ContinuousCDF, Normal};

/// With fewer values, the shapes cannot be distinguished from noise.
const FEWEST: usize = 8;

/// Two groups of values with nothing between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Modes {
    /// Mean of the lower group.
    pub low: f64,
    /// Mean of the upper group.
    pub high: f64,
    /// Values in the lower group.
    pub lower: usize,
    /// Values in the upper group.
    pub upper: usize,
}

/// Ashman's D of two groups of one normal sample split at its middle is 2.7, of a uniform one 3.5; two normal
/// modes are clearly apart from 2 on (Ashman, Bird and Zepf, "Detecting bimodality in astronomical datasets",
/// 1994). Here the data choose the split, so the threshold is higher.
const APART: f64 = 8.0;
/// Fraction of the distance between the groups that has to be empty.
const EMPTY: f64 = 0.5;
/// A group with less than one of this many values is a tail, not a mode.
const SMALLEST_GROUP: usize = 5;

/// Whether `values` (log ratios, say) fall into two groups: they are split at their widest gap that leaves a
/// fifth of them, and at least 3, on both sides; the gap has to be half the distance between the groups'
/// means, and that distance 8 times the groups' spread (root mean square of both standard deviations).
///
/// `None` below 8 values, or if they do not.
pub fn two_modes(values: &[f64]) -> Option<Modes> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let least = n.div_ceil(SMALLEST_GROUP).max(3);
    if n < FEWEST {
        return None;
    }
    let gap = |at: &usize| sorted[*at] - sorted[*at - 1];
    let split = (least..=n - least).max_by(|a, b| gap(a).total_cmp(&gap(b)))?;
    let (lower, upper) = sorted.split_at(split);
    let [(low, low_variance), (high, high_variance)] = [lower, upper].map(mean_and_variance);
    let spread = f64::midpoint(low_variance, high_variance).sqrt();
    let distance = high - low;
    let are_apart = distance > APART * spread && gap(&split) > EMPTY * distance;
    are_apart.then_some(Modes { low, high, lower: lower.len(), upper: upper.len() })
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

/// Two-sided p that `values`, in their order, neither rise nor fall: Mann (1945) and Kendall, by the normal
/// approximation with continuity correction, ties counted as neither.
///
/// `None` below 8 values.
pub fn trend_p(values: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let n = finite.len();
    if n < FEWEST {
        return None;
    }
    let later = |i: usize| finite[i + 1..].iter().map(move |value| (i, value));
    let balance: f64 = (0..n)
        .flat_map(later)
        .map(|(i, value)| match value.total_cmp(&finite[i]) {
            _ if *value == finite[i] => 0.0,
            std::cmp::Ordering::Greater => 1.0,
            _ => -1.0,
        })
        .sum();
    let n = n as f64;
    let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let z = (balance.abs() - 1.0).max(0.0) / deviation;
    Some((2.0 * Normal::standard().sf(z)).clamp(0.0, 1.0))
}

/// How many times farther away than the farthest later value the first ones have to be.
const COLD: f64 = 3.0;
/// If more than one of this many values are different, they are not only the beginning.
const BEGINNING: usize = 4;
/// With fewer values the first one is too often the farthest by chance.
const FEWEST_WITH_BEGINNING: usize = 12;

/// How many of the first `values`, in their order, still warmed up: they lie on one side of the later ones'
/// median, each at least three times as far from it as the farthest of the later ones. The most that do, up
/// to a quarter of all.
///
/// A burst of noise in the first values that never comes again looks the same.
///
/// `None` below 12 values, or if there are none. Values must be finite.
pub fn warm_up(values: &[f64]) -> Option<usize> {
    if values.len() < FEWEST_WITH_BEGINNING {
        return None;
    }
    let is_apart = |count: &usize| {
        let (first, later) = values.split_at(*count);
        let Some(centre) = median(later) else { return false };
        let farthest = later.iter().map(|value| (value - centre).abs()).fold(0.0, f64::max);
        let is_beyond = |side: f64| first.iter().all(|value| side * (value - centre) > COLD * farthest);
        is_beyond(1.0) || is_beyond(-1.0)
    };
    (1..=values.len() / BEGINNING).rev().find(is_apart)
}

/// How many times steadier than others something has to be.
const STEADIER: f64 = 5.0;

/// Whether the times `own` vary less than a machine that gives `others` can have them vary: a fixed wait
/// hidden in them, or a result that was not measured anew.
///
/// Their standard deviation is less than a fifth of what others vary by, both in absolute terms, against
/// others that take no longer, and relative to the typical time, against all others. The others' spread is
/// the median absolute deviation times
/// 1.4826, which their outliers do not raise, and of several others the median counts.
///
/// A longer time can be disturbed more. A condition with almost no spread probably does not run at all.
pub fn is_too_steady(own: &[f64], others: &[&[f64]]) -> bool {
    let Some(typical) = median(own).filter(|typical| *typical > 0.0 && own.len() >= FEWEST) else {
        return false;
    };
    let others: Vec<(f64, f64)> = others
        .iter()
        .filter(|other| other.len() >= FEWEST)
        .filter_map(|other| Some((median(other)?, robust_spread(other)?)))
        .filter(|(centre, _)| *centre > 0.0)
        .collect();
    let spreads: Vec<f64> =
        others.iter().filter(|(centre, _)| *centre <= typical).map(|(_, spread)| *spread).collect();
    let relative: Vec<f64> = others.iter().map(|(centre, spread)| spread / centre).collect();
    let deviation = mean_and_variance(own).1.sqrt();
    let far_below = |own: f64, others: &[f64]| median(others).is_some_and(|other| own * STEADIER < other);
    far_below(deviation, &spreads) && far_below(deviation / typical, &relative)
}

fn robust_spread(values: &[f64]) -> Option<f64> {
    let centre = median(values)?;
    let away: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    median(&away).map(|away| 1.4826 * away)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_speeds_of_a_processor_are_two_modes() {
        // Events per second of one thread that computes primes under gVisor: 337 or 500, as in the studies.
        let rates = [337.1, 499.8, 336.9, 501.2, 500.7, 337.4, 500.1, 499.9, 338.0, 500.4];
        let modes = two_modes(&rates).expect("two");
        assert_eq!((modes.lower, modes.upper, modes.low.round(), modes.high.round()), (4, 6, 337.0, 500.0));
        let metal = [502.6, 502.5, 502.7, 502.6, 502.4, 336.0, 502.6, 502.5, 502.6, 502.7];
        assert_eq!(two_modes(&metal), None, "one outlier is no mode");
        assert_eq!(two_modes(&rates[..7]), None);
        assert_eq!(two_modes(&[1.0; 20]), None);
    }

    #[test]
    fn a_rising_series_has_a_trend_and_a_level_one_has_none() {
        let rising: Vec<f64> = (0..12).map(f64::from).collect();
        assert!(trend_p(&rising).expect("enough") < 1e-5);
        // scipy.stats.kendalltau gives tau 0.066. By the normal approximation, S = 3 and n = 10 give a z of 2
        // / sqrt 125.
        let level = [3.0, 7.0, 1.0, 9.0, 4.0, 6.0, 2.0, 8.0, 5.0, 6.5];
        assert!(trend_p(&level).expect("enough") > 0.5);
        assert_eq!((trend_p(&[1.0; 9]), trend_p(&rising[..7])), (Some(1.0), None));
    }

    #[test]
    fn slow_first_values_are_found() {
        let later = [0.02, 0.01, 0.015, 0.022, 0.018, 0.012, 0.021, 0.017, 0.016, 0.019, 0.013];
        let with = |first: &[f64]| warm_up(&[first, &later].concat());
        assert_eq!(with(&[0.3]), Some(1));
        assert_eq!(with(&[0.3, 0.08]), Some(2));
        assert_eq!(with(&[-0.3, -0.2, -0.1]), Some(3));
        assert_eq!(with(&[0.3, -0.3]), None, "on both sides: noise");
        assert_eq!(with(&[0.02]), None);
        assert_eq!(with(&[0.3, 0.01, 0.3]), None, "it comes again");
        assert_eq!(warm_up(&[&[0.3], &later[..10]].concat()), None, "too few");
        assert_eq!(warm_up(&[1.0; 12]), None);
    }

    #[test]
    fn a_hidden_sleep_makes_values_too_steady() {
        // Seconds to boot: a launcher that sleeps and polls, and two systems that really start.
        let firecracker = [5.13, 5.12, 5.13, 5.14, 5.13, 5.12, 5.13, 5.14, 5.13, 5.13];
        let docker = [0.69, 0.75, 0.61, 0.70, 0.66, 0.83, 0.72, 0.64, 0.69, 0.78];
        let kvm = [14.9, 15.3, 14.4, 14.9, 15.1, 14.2, 16.0, 14.8, 15.2, 14.7];
        assert!(is_too_steady(&firecracker, &[&docker, &kvm]));
        assert!(!is_too_steady(&docker, &[&firecracker, &kvm]));
        assert!(!is_too_steady(&kvm, &[&firecracker, &docker]));
        assert!(!is_too_steady(&[1.0; 10], &[&[1.0; 10], &[2.0; 10]]), "counts that never vary");
    }
}
