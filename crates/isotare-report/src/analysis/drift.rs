//! Whether the machine itself changed its speed during the session. Pairing within blocks cancels what all
//! environments share, so this is only reported and does not change the results.

use super::design::Design;
use super::series::Series;
use crate::disturbance::Drift;
use crate::report::{Warning, WarningKind, workload_label};
use crate::words;
use isotare_core::{Better, MeasuredBy};
use isotare_stats::{median, trend_p};
use std::collections::BTreeMap;

/// Smaller changes are not reported.
const LEAST: f64 = 0.03;
/// p value below which a trend is not regarded as chance. A step in the middle of 20 blocks has a p of
/// 0.0013.
const TREND: f64 = 0.01;

/// The series that drifted: the canary, and the baseline's first metric under each workload.
pub(super) fn drifts(design: &Design<'_>, series: &[Series], baseline: &str) -> Vec<Drift> {
    let mut found = Vec::new();
    for (part, name) in [(0, "the canary's arithmetic"), (1, "the canary's reads")] {
        found.extend(change(&canaries(design, part)).map(|change| Drift { what: name.to_owned(), change }));
    }
    let mut seen: Vec<(&str, &BTreeMap<String, String>)> = Vec::new();
    let at = design.environments.iter().position(|arm| arm.is_baseline);
    for series in
        series.iter().filter(|s| s.source == MeasuredBy::Workload && s.metric.headline && s.role.is_none())
    {
        let workload = (series.workload.as_str(), &series.parameters);
        if seen.contains(&workload) {
            continue;
        }
        seen.push(workload);
        let Some(baseline_blocks) = at.and_then(|at| series.blocks.get(at)) else { continue };
        let blocks = design.blocks.ran.iter().filter_map(|block| baseline_blocks.get(block));
        let times: Vec<f64> = match series.metric.better {
            Better::Higher => blocks.map(|value| value.recip()).collect(),
            Better::Lower => blocks.copied().collect(),
        };
        let label = workload_label(workload.0, workload.1);
        found.extend(change(&times).map(|change| Drift { what: format!("{baseline} in {label}"), change }));
    }
    found
}

/// One warning for all of them.
pub(super) fn warning(drifts: &[Drift]) -> Option<Warning> {
    if drifts.is_empty() {
        return None;
    }
    let one = |drift: &Drift| {
        let (by, way) = match drift.change {
            slower if slower > 0.0 => (slower, "slower"),
            faster => ((1.0 + faster).recip() - 1.0, "faster"),
        };
        format!("{} became {} {way}", drift.what, words::percent(by))
    };
    let all: Vec<String> = drifts.iter().map(one).collect();
    let message = format!(
        "the speed of the machine changed from the first third of the blocks to the last: {}; the part of \
         the change that all environments share cancels within blocks",
        all.join(", ")
    );
    Some(Warning { kind: WarningKind::Drift, message })
}

/// The median canary of each block, relative to its time at the start of the session, in the order in which
/// the blocks ran.
fn canaries(design: &Design<'_>, part: usize) -> Vec<f64> {
    let mut blocks: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (block, noise) in design.trials.iter().filter_map(|(_, trial)| Some((trial.block, trial.noise?))) {
        let both = [noise.before, noise.after].map(|canary| canary.relative_to(&noise.reference)[part]);
        blocks.entry(block).or_default().extend(both);
    }
    design.blocks.ran.iter().filter_map(|block| median(blocks.get(block)?)).collect()
}

/// Median time in the last third divided by that in the first, minus one, if it is a trend and large enough
/// to report.
fn change(times: &[f64]) -> Option<f64> {
    let times: Vec<f64> = times.iter().copied().filter(|time| time.is_finite() && *time > 0.0).collect();
    let third = times.len() / 3;
    let change = median(&times[times.len() - third..])? / median(&times[..third])? - 1.0;
    let is_trend = trend_p(&times).is_some_and(|p| p < TREND);
    (is_trend && change.ln_1p().abs() > LEAST.ln_1p()).then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_and_a_step_are_reported_and_noise_is_not() {
        let jitter = |i: u32| 0.01 * f64::from(i * 7 % 11 % 5);
        let of =
            |shape: &dyn Fn(u32) -> f64| change(&(0..24).map(|i| shape(i) + jitter(i)).collect::<Vec<_>>());
        let slope = of(&|i| 1.0 + 0.01 * f64::from(i)).expect("told");
        assert!((slope - 0.155).abs() < 0.02, "{slope}");
        let step = of(&|i| if i < 12 { 1.25 } else { 1.0 }).expect("told");
        assert!((step + 0.2).abs() < 0.02, "{step}");
        assert_eq!((of(&|_| 1.0), change(&[1.0, 2.0]), change(&[])), (None, None, None));
        let short = of(&|i| 1.0 + 0.0005 * f64::from(i));
        assert_eq!(short, None, "too little to be of interest");
    }

    #[test]
    fn one_warning_lists_everything_that_drifted() {
        let drift = |what: &str, change| Drift { what: what.to_owned(), change };
        let told = warning(&[drift("native in cpu", 0.1), drift("the canary's reads", -0.2)]).expect("told");
        assert!(told.message.contains("native in cpu became 10 % slower"), "{}", told.message);
        assert!(told.message.contains("the canary's reads became 25 % faster"), "{}", told.message);
        assert_eq!(warning(&[]), None);
    }
}
