//! Compares each environment with the baseline, for each metric, paired within blocks.

use super::design::Design;
use super::series::Series;
use crate::report::{BaselineRow, ResultRow, Warning, WarningKind};
use isotare_core::{Better, Plan};
use isotare_stats::{
    Direction, Estimate, Margin, Precision, Verdict, adjusted_p_values, judge, log_ratios,
    mean_ratio_of_pairs, median, minimum_detectable_effect, pointwise_p, ratio_of_pairs,
};
use std::collections::BTreeMap;

/// Below this many blocks no signed-rank interval of level 0.95 exists.
const FEW_BLOCKS: usize = 6;

/// The results of all comparisons.
#[derive(Default)]
pub(super) struct Compared {
    pub results: Vec<ResultRow>,
    pub unpaired: Vec<ResultRow>,
    pub baseline_values: Vec<BaselineRow>,
}

/// One environment and its `(environment, baseline)` values, NaN where a block lacks one.
struct Comparison {
    environment: usize,
    pairs: Vec<(f64, f64)>,
}

/// Compares every series.
pub(super) fn compare(design: &Design<'_>, series: &[Series], plan: &Plan) -> Compared {
    let mut compared = Compared::default();
    for series in series {
        one(design, series, plan, &mut compared);
    }
    compared
}

fn one(design: &Design<'_>, series: &Series, plan: &Plan, out: &mut Compared) {
    let nothing = BTreeMap::new();
    let baseline = design.environments.iter().position(|arm| arm.is_baseline);
    let base = baseline.and_then(|at| series.blocks.get(at)).unwrap_or(&nothing);
    let metric = metric_name(series);
    if series.role.is_none() || !base.is_empty() {
        out.baseline_values.push(BaselineRow {
            workload: series.workload.clone(),
            parameters: series.parameters.clone(),
            metric: metric.clone(),
            unit: series.metric.unit.to_string(),
            better: series.metric.better,
            headline: series.metric.headline && series.role.is_none(),
            source: series.source,
            value: median(&base.values().copied().collect::<Vec<_>>()),
            blocks: base.len(),
        });
    }

    // Every comparison has an entry for every block, so that the sign flips of the family apply to the same
    // blocks. The entries are in the order in which the blocks ran, because serial correlation depends on it.
    let has_value = |block: &&u32| series.blocks.iter().any(|blocks| blocks.contains_key(block));
    let all_blocks: Vec<u32> = design.blocks.ran.iter().filter(has_value).copied().collect();
    let comparisons: Vec<Comparison> = (0..design.environments.len())
        .filter(|at| Some(*at) != baseline && series.blocks.get(*at).is_some_and(|blocks| !blocks.is_empty()))
        .map(|environment| {
            let value = |from: &BTreeMap<u32, f64>, block| from.get(block).copied().unwrap_or(f64::NAN);
            let pair = |block| (value(&series.blocks[environment], block), value(base, block));
            Comparison { environment, pairs: all_blocks.iter().map(pair).collect() }
        })
        .collect();
    let adjusted = adjusted(design, &comparisons, plan.seed);
    for (comparison, p_adjusted) in comparisons.iter().zip(adjusted) {
        let row = row(design, series, &metric, comparison, p_adjusted, plan);
        match row.ratio.is_some() || row.headline {
            true => out.results.push(row),
            false => out.unpaired.push(row),
        }
    }
}

/// The null test is not part of the family, because it answers another question.
fn adjusted(design: &Design<'_>, comparisons: &[Comparison], seed: u64) -> Vec<f64> {
    let columns: Vec<Vec<f64>> = comparisons.iter().map(|comparison| log_ratios(&comparison.pairs)).collect();
    let is_null = |at: &usize| design.environments[comparisons[*at].environment].is_null;
    let mut adjusted = vec![1.0; comparisons.len()];
    let (nulls, family): (Vec<usize>, Vec<usize>) = (0..comparisons.len()).partition(is_null);
    for members in nulls.into_iter().map(|at| vec![at]).chain([family]) {
        let columns: Vec<Vec<f64>> = members.iter().map(|at| columns[*at].clone()).collect();
        for (at, p) in members.into_iter().zip(adjusted_p_values(&columns, seed)) {
            adjusted[at] = p;
        }
    }
    adjusted
}

pub(super) fn metric_name(series: &Series) -> String {
    match series.role {
        Some(role) => format!("{}.{}", role.word(), series.metric.name),
        None => series.metric.name.to_string(),
    }
}

fn row(
    design: &Design<'_>,
    series: &Series,
    metric: &str,
    comparison: &Comparison,
    p_adjusted: f64,
    plan: &Plan,
) -> ResultRow {
    let arm = &design.environments[comparison.environment];
    let pairs = &comparison.pairs;
    let logs = log_ratios(pairs);
    let used: Vec<(f64, f64)> =
        pairs.iter().copied().filter(|(y, base)| y.is_finite() && base.is_finite()).collect();
    let blocks = logs.iter().filter(|log| log.is_finite()).count();
    let level = made_at(plan);
    let estimate = ratio_of_pairs(pairs, level);
    // One block gives an estimate without an interval.
    let ratio = estimate.map(|estimate| estimate.ratio).or_else(|| {
        logs.iter().copied().find(|log| log.is_finite()).map(f64::exp).filter(|ratio| ratio.is_finite())
    });
    let (low, high) = (estimate.map(|e| e.low), estimate.map(|e| e.high));
    let mean = mean_ratio_of_pairs(pairs, level);
    let better = series.metric.better;
    let verdict = Margin::new(plan.margin)
        .map_or(Verdict::Inconclusive, |margin| judge(pairs, direction(better), margin, p_adjusted, level));
    let effect = minimum_detectable_effect(&logs, level);
    let own: Vec<f64> = match used.is_empty() {
        true => pairs.iter().map(|(y, _)| *y).filter(|y| y.is_finite()).collect(),
        false => used.iter().map(|(y, _)| *y).collect(),
    };
    let (cost, cost_low, cost_high) = match better {
        Better::Lower => (ratio, low, high),
        Better::Higher => (ratio.map(f64::recip), high.map(f64::recip), low.map(f64::recip)),
    };
    ResultRow {
        workload: series.workload.clone(),
        parameters: series.parameters.clone(),
        metric: metric.to_owned(),
        unit: series.metric.unit.to_string(),
        better,
        headline: series.metric.headline && series.role.is_none(),
        source: series.source,
        environment: arm.name.clone(),
        baseline: plan.baseline.to_string(),
        null: arm.is_null,
        value: median(&own).unwrap_or(f64::NAN),
        baseline_value: median(&used.iter().map(|(_, base)| *base).collect::<Vec<_>>()),
        ratio,
        low,
        high,
        level: plan.level,
        cost,
        cost_low,
        cost_high,
        verdict,
        p: (blocks >= 2).then(|| pointwise_p(&logs)),
        p_adjusted: (blocks >= 2).then_some(p_adjusted),
        blocks,
        minimum_detectable_effect: effect,
        mean_ratio: mean.map(|mean| mean.ratio),
        mean_low: mean.map(|mean| mean.low),
        mean_high: mean.map(|mean| mean.high),
        method: estimate.map(|estimate| estimate.method),
        warnings: warnings(blocks, without_ratio(&used), verdict, effect, estimate, plan.margin),
    }
}

/// The level for the calculation of intervals, so that they keep the level of the plan.
fn made_at(plan: &Plan) -> f64 {
    plan.stopping.map_or(plan.level, |_| Precision::guarded(plan.level))
}

pub(super) fn direction(better: Better) -> Direction {
    match better {
        Better::Higher => Direction::Higher,
        Better::Lower => Direction::Lower,
    }
}

/// How many pairs have no ratio, because a value is not above zero, and the number of all pairs.
fn without_ratio(pairs: &[(f64, f64)]) -> (usize, usize) {
    let has_none = |(value, base): &&(f64, f64)| *value <= 0.0 || *base <= 0.0;
    (pairs.iter().filter(has_none).count(), pairs.len())
}

fn warnings(
    blocks: usize,
    (not_positive, all): (usize, usize),
    verdict: Verdict,
    effect: Option<f64>,
    estimate: Option<Estimate>,
    margin: f64,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, message| warnings.push(Warning { kind, message });
    match blocks {
        0 if not_positive > 0 => {}
        0 => warn(
            WarningKind::NoBaseline,
            "no block has a value of both this environment and the baseline".to_owned(),
        ),
        1 => warn(WarningKind::FewBlocks, "only one block: this gives a ratio, but no interval".to_owned()),
        2..FEW_BLOCKS => {
            let message = format!(
                "only {blocks} blocks: the interval assumes normally distributed noise; with {FEW_BLOCKS} \
                 blocks or more, this assumption is not needed"
            );
            warn(WarningKind::FewBlocks, message);
        }
        _ => {}
    }
    if not_positive > 0 {
        let message = format!(
            "{not_positive} of {all} blocks have a value of zero or below, so they have no ratio; an \
             estimate from the other blocks alone would have selection bias"
        );
        warn(WarningKind::NoRatio, message);
    }
    let too_noisy = effect.filter(|effect| *effect > margin && verdict == Verdict::Inconclusive);
    if let (Some(effect), Some(_)) = (too_noisy, estimate) {
        let percent = crate::words::percent(effect);
        let message = format!(
            "with this noise and this number of blocks, the session can find only differences of {percent} \
             or more; it cannot show smaller differences, so an inconclusive result does not mean that there \
             is no overhead"
        );
        warn(WarningKind::TooNoisy, message);
    }
    warnings
}
