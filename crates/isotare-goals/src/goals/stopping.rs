//! G4 and G5: stopping on precision.

use super::{Effort, Goal, range};
use crate::noise::{ALL, Model, Source, pairs};
use isotare_stats::{Precision, ratio_of_pairs};

/// The precision of the goals, up to 100 blocks.
const TARGET: f64 = 0.0075;

/// Blocks at which one simulated session stops, and its pairs then.
fn session(rule: &Precision, model: Model, effect: f64, source: &mut Source) -> Vec<(f64, f64)> {
    let all = pairs(&source.session(model, rule.cap, &[effect]), 0);
    let enough = |n: &usize| rule.is_reached(*n, &[all[..*n].to_vec()], 0.95);
    let stop = (rule.pilot..=rule.cap).find(enough).unwrap_or(rule.cap);
    all[..stop].to_vec()
}

pub(super) fn g4(effort: Effort) -> Goal {
    let mut source = Source::new(4);
    let rule = Precision::new(TARGET, 100);
    let mut stops: Vec<usize> =
        (0..effort.repeats).map(|_| session(&rule, Model::Mix, 0.0, &mut source).len()).collect();
    stops.sort_unstable();
    let median = stops[stops.len() / 2];
    Goal {
        id: "G4",
        promise: "half-width 0.75 % within 40 blocks under mixed noise",
        figure: format!("median {median} blocks"),
        met: median <= 40,
    }
}

pub(super) fn g5(effort: Effort) -> Goal {
    let (mut covered, mut wrong) = (Vec::new(), Vec::new());
    // With --precision, and what `compare` does by default.
    let rules = [(TARGET, 100), (0.01, 20), (0.015, 20)].map(|(target, cap)| Precision::new(target, cap));
    for (rule, model) in rules.iter().flat_map(|rule| ALL.map(|model| (rule, model))) {
        let mut source = Source::new(5);
        let mut hits = [0_usize; 2];
        for _ in 0..effort.repeats {
            let estimate = ratio_of_pairs(&session(rule, model, 0.0, &mut source), Precision::guarded(0.95));
            let holds = estimate.is_some_and(|e| e.low <= 1.0 && 1.0 <= e.high);
            hits[usize::from(holds)] += 1;
        }
        covered.push(hits[1] as f64 / effort.repeats as f64);
        wrong.push(hits[0] as f64 / effort.repeats as f64);
    }
    let ((low, _), (_, high)) = (range(&covered), range(&wrong));
    let slack = 100.0 * effort.slack(0.95);
    Goal {
        id: "G5",
        promise: "stopping on precision keeps coverage >= 95 % and false positives <= 5 %",
        figure: format!("coverage {low:.1} % at least, false positives {high:.1} % at most"),
        met: low >= 95.0 - slack && high <= 5.0 + slack,
    }
}
