//! G6: a whole table of five environments, stopped on precision.

use super::{Effort, Goal, share};
use crate::noise::{Model, Source, pairs};
use isotare_stats::{Precision, adjusted_p_values, log_ratios};

const ENVIRONMENTS: usize = 5;
/// Narrower than G4's, since the adjusted p of one in five asks for more than its interval does.
const RULE: Precision = Precision { target: 0.0065, pilot: 20, every: 10, cap: 80 };

/// The adjusted p of each environment of one session, and its blocks.
fn table(effects: &[f64], seed: u64, source: &mut Source) -> (Vec<f64>, usize) {
    let values = source.session(Model::Mix, RULE.cap, effects);
    let columns = |n: usize| -> Vec<Vec<(f64, f64)>> {
        (0..effects.len()).map(|k| pairs(&values, k)[..n].to_vec()).collect()
    };
    let enough = |n: &usize| RULE.looks_at(*n) && RULE.is_reached(*n, &columns(*n), 0.95);
    let stop = (RULE.pilot..=RULE.cap).find(enough).unwrap_or(RULE.cap);
    let ratios: Vec<Vec<f64>> = columns(stop).iter().map(|column| log_ratios(column)).collect();
    (adjusted_p_values(&ratios, seed), stop)
}

pub(super) fn g6(effort: Effort) -> Goal {
    // Each session draws 9,999 sign flips.
    let repeats = (effort.repeats / 10).max(100);
    let effort = Effort { repeats };
    let mut source = Source::new(6);
    let wrong = share(repeats, |seed| {
        table(&[0.0; ENVIRONMENTS], seed as u64, &mut source).0.iter().any(|p| *p < 0.05)
    });
    let mut blocks = Vec::new();
    let found = share(repeats, |seed| {
        let (p, stop) = table(&[0.01_f64.ln_1p(), 0.0, 0.0, 0.0, 0.0], seed as u64, &mut source);
        blocks.push(stop);
        p[0] < 0.05
    });
    blocks.sort_unstable();
    Goal {
        id: "G6",
        promise: "any false verdict in a table of five <= 5.5 %; +1 % found in 80 % within 80 blocks, mixed noise",
        figure: format!(
            "{:.1} % false, {:.1} % found, median {} blocks",
            100.0 * wrong,
            100.0 * found,
            blocks[blocks.len() / 2]
        ),
        met: wrong <= 0.055 + effort.slack(0.055) && found >= 0.8 - effort.slack(0.8),
    }
}
