//! The decision rules of other tools, re-implemented from their documentation and source, for the same data.
//!
//! Sources: hyperfine 1.20 `relative_speed.rs` (ratio of means with the propagated standard deviation),
//! benchstat `benchmath` (Mann-Whitney U at 0.05), criterion 0.8 `compare.rs` (t test at 0.05 and a
//! bootstrapped interval of the change beyond its noise threshold of 1 %).

use crate::noise::Source;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// One rule: whether it says that `b` differs from `a`.
pub type Rule = fn(a: &[f64], b: &[f64], source: &mut Source) -> bool;

/// Each by name. None of them knows of blocks.
pub const PEERS: [(&str, Rule); 4] = [
    ("hyperfine (ratio ± sd)", hyperfine),
    ("Welch t", welch),
    ("benchstat (U test)", mann_whitney),
    ("criterion (t and bootstrap)", criterion),
];

/// Resamples of the bootstrap; criterion's default is 100,000, of which the decision needs two quantiles.
const RESAMPLES: usize = 400;
/// Criterion's noise threshold.
const THRESHOLD: f64 = 0.01;

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Variance, divisor n - 1.
fn variance(values: &[f64]) -> f64 {
    let centre = mean(values);
    values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

/// Whether the printed interval, ratio plus or minus its standard deviation, leaves out 1.
fn hyperfine(a: &[f64], b: &[f64], _: &mut Source) -> bool {
    let ratio = mean(b) / mean(a);
    let relative = |values: &[f64]| variance(values) / mean(values).powi(2);
    let deviation = ratio * (relative(a) + relative(b)).sqrt();
    (ratio - 1.0).abs() > deviation
}

/// Two-sided p of Welch's t test.
fn welch_p(a: &[f64], b: &[f64]) -> f64 {
    let (va, vb) = (variance(a) / a.len() as f64, variance(b) / b.len() as f64);
    let freedom =
        (va + vb).powi(2) / (va.powi(2) / (a.len() as f64 - 1.0) + vb.powi(2) / (b.len() as f64 - 1.0));
    let t = (mean(b) - mean(a)) / (va + vb).sqrt();
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |distribution| 2.0 * distribution.sf(t.abs()))
}

fn welch(a: &[f64], b: &[f64], _: &mut Source) -> bool {
    welch_p(a, b) < 0.05
}

/// The U test with the normal approximation and continuity correction; simulated values have no ties.
pub fn mann_whitney(a: &[f64], b: &[f64], _: &mut Source) -> bool {
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|v| (*v, true)).chain(b.iter().map(|v| (*v, false))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let ranks: f64 = all.iter().enumerate().filter(|(_, v)| v.1).map(|(rank, _)| rank as f64 + 1.0).sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    let z = ((u - n * m / 2.0).abs() - 0.5) / (n * m * (n + m + 1.0) / 12.0).sqrt();
    2.0 * Normal::standard().sf(z) < 0.05
}

fn criterion(a: &[f64], b: &[f64], source: &mut Source) -> bool {
    if welch_p(a, b) >= 0.05 {
        return false;
    }
    let mut changes: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut resampled = |values: &[f64]| {
                let n = values.len() as f64;
                // The uniform variate is below 1, so the index is below the length.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..n")]
                let sum: f64 = values.iter().map(|_| values[(source.uniform() * n) as usize]).sum();
                sum / n
            };
            resampled(b) / resampled(a) - 1.0
        })
        .collect();
    changes.sort_by(f64::total_cmp);
    let (low, high) = (changes[RESAMPLES / 40], changes[RESAMPLES - 1 - RESAMPLES / 40]);
    low > THRESHOLD || high < -THRESHOLD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_peers_find_a_clear_difference_and_none_finds_a_false_one() {
        let mut source = Source::new(1);
        let a: Vec<f64> = (0..40).map(|_| 1.0 + 0.01 * source.normal()).collect();
        let same: Vec<f64> = a.iter().rev().copied().collect();
        let far: Vec<f64> = a.iter().map(|v| v * 1.2).collect();
        for (name, rule) in PEERS {
            assert!(rule(&a, &far, &mut source), "{name}");
            assert!(!rule(&a, &same, &mut source), "{name}");
        }
    }
}
