//! Warnings about the values themselves, if noise and isolation alone cannot explain them. No value is
//! removed because of a warning.

use super::compare::metric_name;
use super::design::Design;
use super::series::Series;
use crate::report::{ResultRow, Warning, WarningKind};
use crate::words;
use isotare_core::{Better, MeasuredBy};
use isotare_stats::{Verdict, is_too_steady, median, trend_p, two_modes, warm_up};
use std::collections::{BTreeMap, BTreeSet};

/// With fewer blocks, equal values can be chance if the values are coarse.
const FEWEST_EQUAL: usize = 5;
/// p value below which a trend is not regarded as chance.
const TREND: f64 = 0.001;
/// If writes are confirmed faster than the baseline's by more than this factor, they are not written in the
/// same way.
const SYNC: f64 = 1.25;
/// Metric of workloads that counts how often they waited for the device.
const SYNCS: &str = "fsyncs_per_second";

/// Values per block.
type Blocks = BTreeMap<u32, f64>;

/// Adds the warnings to the rows that the workloads and the runner measured.
pub(super) fn mark(design: &Design<'_>, series: &[Series], rows: &mut [ResultRow], margin: f64) {
    let hasty = hasty(rows);
    for row in rows.iter_mut() {
        if row.source == MeasuredBy::Workload && !row.null {
            let at = (row.workload.clone(), row.parameters.clone(), row.environment.clone());
            let message = hasty.get(&at).map(|times| {
                format!(
                    "its syncs return {times} times as fast as the baseline's, so its writes are not as \
                     durable (a cache may ignore flushes); compare it with a setting that does not ignore \
                     them"
                )
            });
            warn(row, WarningKind::SyncNotHonoured, message);
        }
    }
    for series in series.iter().filter(|series| series.source != MeasuredBy::Sampler && series.role.is_none())
    {
        let metric = metric_name(series);
        let mine = |row: &&mut ResultRow| {
            row.headline
                && (&row.workload, &row.parameters, &row.metric)
                    == (&series.workload, &series.parameters, &metric)
        };
        let values = Values::of(design, series);
        for row in rows.iter_mut().filter(mine) {
            let Some(at) = design.environments.iter().position(|arm| arm.name == row.environment) else {
                continue;
            };
            let logs = values.logs(at);
            let cold =
                warm_up(&logs).filter(|count| values.begins_quietly(at, *count, &design.blocks.disturbed));
            let cold = cold.and_then(|count| cold_beginning(&logs, count, series.metric.better, margin));
            warn(row, WarningKind::WarmUp, cold);
            warn(row, WarningKind::SeveralModes, modes(&logs, series.metric.better, margin));
            let trend = trend(&logs, row, series.metric.better, margin);
            warn(row, WarningKind::Trend, trend);
            warn(row, WarningKind::TooSteady, values.too_steady(at));
            warn(row, WarningKind::Duplicate, values.twin(at));
        }
    }
}

fn warn(row: &mut ResultRow, kind: WarningKind, message: Option<String>) {
    row.warnings.extend(message.map(|message| Warning { kind, message }));
}

/// Workload, parameters and environment of rows whose syncs are too fast, with how much.
fn hasty(rows: &[ResultRow]) -> BTreeMap<(String, BTreeMap<String, String>, String), String> {
    rows.iter()
        .filter(|row| row.metric == SYNCS && row.verdict == Verdict::Faster)
        .filter(|row| row.low.is_some_and(|low| low > SYNC))
        .filter_map(|row| {
            let at = (row.workload.clone(), row.parameters.clone(), row.environment.clone());
            Some((at, words::factor(row.ratio?)))
        })
        .collect()
}

/// The median of each block, of every environment.
struct Values<'a> {
    blocks: &'a [Blocks],
    names: Vec<&'a str>,
    nulls: BTreeSet<usize>,
    baseline: Option<usize>,
    better: Better,
    is_time: bool,
    /// Blocks in the order in which they ran.
    order: &'a [u32],
}

impl<'a> Values<'a> {
    fn of(design: &'a Design<'_>, series: &'a Series) -> Self {
        let arms = &design.environments;
        Self {
            blocks: &series.blocks,
            names: arms.iter().map(|arm| arm.name.as_str()).collect(),
            nulls: (0..arms.len()).filter(|at| arms[*at].is_null).collect(),
            baseline: arms.iter().position(|arm| arm.is_baseline),
            better: series.metric.better,
            is_time: series.metric.unit != "B",
            order: &design.blocks.ran,
        }
    }

    fn blocks(&self, at: usize) -> Option<&Blocks> {
        self.blocks.get(at).filter(|blocks| !blocks.is_empty())
    }

    /// Whether its first `count` blocks were not disturbed from outside, as far as is known.
    fn begins_quietly(&self, at: usize, count: usize, disturbed: &[u32]) -> bool {
        self.ratios(at).take(count).all(|(block, _)| !disturbed.contains(&block))
    }

    /// Logarithms of the ratios to the baseline with their blocks, in the order in which these ran.
    fn ratios(&self, at: usize) -> impl Iterator<Item = (u32, f64)> {
        let both = self.blocks(at).zip(self.baseline.and_then(|base| self.blocks(base)));
        let ratio = move |block: &u32| {
            let (own, base) = both?;
            Some((*block, (own.get(block)? / base.get(block)?).ln()))
        };
        self.order.iter().filter_map(ratio).filter(|(_, log)| log.is_finite())
    }

    /// Logarithms of the ratios to the baseline, in order.
    fn logs(&self, at: usize) -> Vec<f64> {
        self.ratios(at).map(|(_, log)| log).collect()
    }

    /// Values as times: a rate is converted to time per unit of work.
    fn times(&self, at: usize) -> Vec<f64> {
        let time = |value: &f64| if self.better == Better::Higher { value.recip() } else { *value };
        self.blocks(at)
            .into_iter()
            .flat_map(|blocks| blocks.values().map(time))
            .filter(|t| t.is_finite())
            .collect()
    }

    fn too_steady(&self, at: usize) -> Option<String> {
        let own = self.times(at);
        let others: Vec<Vec<f64>> = (0..self.names.len())
            .filter(|other| *other != at && !self.nulls.contains(other))
            .map(|other| self.times(other))
            .collect();
        let others: Vec<&[f64]> = others.iter().map(Vec::as_slice).collect();
        (self.is_time && is_too_steady(&own, &others)).then(|| {
            "its values vary less than a fifth as much as those of the others: it may contain a fixed wait \
             (sleep, polling, a time-out) or repeat an old result; check what its command waits for"
                .to_owned()
        })
    }

    fn twin(&self, at: usize) -> Option<String> {
        let own = self.blocks(at)?;
        let is_rough =
            own.values().map(|value| value.to_bits()).collect::<BTreeSet<u64>>().len() < FEWEST_EQUAL;
        let is_twin = |other: &usize| *other != at && self.blocks(*other) == Some(own);
        let twin = (0..self.names.len()).find(is_twin).filter(|_| !is_rough)?;
        Some(format!(
            "it has the same values as {} in every block: one of them was measured twice, or copied; check \
             where the values come from",
            self.names[twin]
        ))
    }
}

fn cold_beginning(logs: &[f64], count: usize, better: Better, margin: f64) -> Option<String> {
    let (first, later) = logs.split_at(count);
    let (first, later) = (median(first)?, median(later)?);
    if (first - later).abs() <= margin.ln_1p() {
        return None;
    }
    let cost = |log: f64| words::factor(if better == Better::Higher { -log } else { log }.exp());
    Some(format!(
        "the first {} different from all later ones, as if something had to warm up: cost ×{}, then ×{}; \
         they are kept, and have little influence on the typical ratio; look for files, caches or images \
         that are cold only in the first trials",
        if count == 1 { "block is".to_owned() } else { format!("{count} blocks are") },
        cost(first),
        cost(later)
    ))
}

fn modes(logs: &[f64], better: Better, margin: f64) -> Option<String> {
    let modes = two_modes(logs).filter(|modes| modes.high - modes.low > margin.ln_1p())?;
    let mut groups = [(modes.low, modes.lower), (modes.high, modes.upper)];
    if better == Better::Higher {
        groups = [(-modes.high, modes.upper), (-modes.low, modes.lower)];
    }
    let [(low, lower), (high, upper)] = groups.map(|(log, count)| (words::factor(log.exp()), count));
    Some(format!(
        "the values form two groups, and the ratio describes neither of them: cost ×{low} in {lower} blocks, \
         ×{high} in {upper}; possible causes are the CPU frequency, the placement on CPUs, or a cache that \
         is sometimes warm"
    ))
}

fn trend(logs: &[f64], row: &ResultRow, better: Better, margin: f64) -> Option<String> {
    let p = trend_p(logs)?;
    let third = logs.len() / 3;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let turned = |log: f64| if better == Better::Higher { -log } else { log };
    let change = turned(mean(&logs[logs.len() - third..]) - mean(&logs[..third]));
    if p >= TREND || change.abs() <= margin.ln_1p() {
        return None;
    }
    let way = if change > 0.0 { "rises" } else { "falls" };
    Some(format!(
        "the cost against {} {way} by {} from the first third of the blocks to the last, so a single ratio \
         does not describe it; look for leaks, or disks or caches that fill up, and measure longer",
        row.baseline,
        words::percent(change.abs().exp_m1())
    ))
}
