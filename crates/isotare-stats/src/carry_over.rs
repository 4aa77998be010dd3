//! Whether the result of a trial depends on the condition that ran before it.

use statrs::distribution::{ContinuousCDF, FisherSnedecor};

/// One trial of a session, in the order in which they ran.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Its block.
    pub block: usize,
    /// Its condition, from 0; a number from the number of arms on means another condition, which is ignored,
    /// and so is the trial after it.
    pub arm: usize,
    /// Logarithm of its value; NaN if it has none.
    pub log: f64,
}

/// The p value for the hypothesis that the arm before a trial has no influence on it, against any effect that
/// depends on that arm.
///
/// Residuals `y - block mean - arm mean + mean` of complete blocks are grouped by the arm of the trial before
/// (the first trial of the session has none); the F test of equal group means follows (one-way analysis of
/// variance, with the degrees of freedom that block and arm means took). Random order makes the arm before
/// nearly orthogonal to block and arm, so that the p is close to exact; `cargo xtask goals`, G9, simulates
/// its rate of false alarms.
///
/// `None` for fewer than three arms (with two, what the block mean takes out is the effect itself), fewer
/// than four complete blocks, or no spread.
pub fn carry_over_p(trials: &[Placed], arms: usize) -> Option<f64> {
    let blocks = trials.iter().map(|trial| trial.block).max()? + 1;
    let mut cells = vec![f64::NAN; blocks * arms];
    for trial in trials.iter().filter(|trial| trial.arm < arms) {
        cells[trial.block * arms + trial.arm] = trial.log;
    }
    let complete: Vec<usize> =
        (0..blocks).filter(|b| cells[b * arms..(b + 1) * arms].iter().all(|v| v.is_finite())).collect();
    if arms < 3 || complete.len() < 4 {
        return None;
    }
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / count
    };
    let block_mean = |b: usize| mean(&mut (0..arms).map(|a| cells[b * arms + a]));
    let arm_means: Vec<f64> =
        (0..arms).map(|a| mean(&mut complete.iter().map(|b| cells[b * arms + a]))).collect();
    let grand = mean(&mut arm_means.iter().copied());
    let residual = |trial: &Placed| trial.log - block_mean(trial.block) - arm_means[trial.arm] + grand;
    let mut groups = vec![(0.0, 0.0); arms];
    let (mut squares, mut count) = (0.0, 0.0);
    let is_known = |pair: &&[Placed]| pair.iter().all(|trial| trial.arm < arms);
    for pair in trials.windows(2).filter(is_known).filter(|pair| complete.contains(&pair[1].block)) {
        let r = residual(&pair[1]);
        let group = &mut groups[pair[0].arm];
        *group = (group.0 + r, group.1 + 1.0);
        squares += r * r;
        count += 1.0;
    }
    let between: f64 = groups.iter().filter(|g| g.1 > 0.0).map(|(sum, n)| sum * sum / n).sum();
    // Each residual has lost its share of the freedom that block and arm means took.
    let used = (complete.len() + arms - 1) as f64 / (complete.len() * arms) as f64;
    let freedom = (arms - 1) as f64;
    let rest = count * (1.0 - used) - freedom;
    let within = squares - between;
    if rest < 1.0 || within <= 0.0 {
        return None;
    }
    let f = (between / freedom) / (within / rest);
    FisherSnedecor::new(freedom, rest).ok().map(|distribution| distribution.sf(f))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of three arms in rotating order. `effect` is added to the value after arm 2.
    fn session(effect: f64) -> Vec<Placed> {
        let orders = [[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 2, 1], [2, 1, 0], [1, 0, 2]];
        let mut trials: Vec<Placed> = Vec::new();
        for block in 0..24 {
            for (place, arm) in orders[block * 5 % 6].into_iter().enumerate() {
                let noise = 0.01 * ((block * 7 + place * 3 + arm * 5) % 11) as f64;
                let after = trials.last().is_some_and(|last| last.arm == 2);
                let log = noise + 0.1 * arm as f64 + if after { effect } else { 0.0 };
                trials.push(Placed { block, arm, log });
            }
        }
        trials
    }

    #[test]
    fn an_effect_of_the_arm_before_is_found_only_if_it_exists() {
        assert!(carry_over_p(&session(0.1), 3).expect("enough") < 1e-6);
        assert!(carry_over_p(&session(0.0), 3).expect("enough") > 0.05);
    }

    #[test]
    fn other_trials_between_two_arms_are_skipped() {
        let mut mixed = Vec::new();
        for trial in session(0.1) {
            if trial.block.is_multiple_of(2) {
                mixed.push(Placed { arm: usize::MAX, log: f64::NAN, ..trial });
            }
            mixed.push(trial);
        }
        assert!(carry_over_p(&mixed, 3).expect("enough") < 1e-3, "half of the pairs are left");
    }

    #[test]
    fn too_few_trials_give_no_result() {
        assert_eq!(carry_over_p(&session(0.1)[..9], 3), None);
        assert_eq!(carry_over_p(&[], 3), None);
        assert_eq!(carry_over_p(&session(0.1), 2), None);
    }
}
