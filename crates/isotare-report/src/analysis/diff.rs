//! Two sessions of the same experiment: how each environment's overhead changed.
//!
//! Blocks of two sessions are hours apart and cannot be paired. But the overhead of each session relative to
//! its own baseline can be compared, because the state of the machine cancels in it. The baseline itself can
//! be compared only if the machine stayed the same.

use super::compare::{direction, metric_name};
use super::design::Design;
use super::series::Series;
use super::{blocks, lifecycle, series};
use crate::diff::{Diff, DiffRow, DiffSide, Difference, Incomparable, Overhead, What};
use crate::report::{ResultRow, SCHEMA_VERSION, Warning, WarningKind, workload_label};
use crate::words;
use isotare_core::{Better, MeasuredBy, Session, Trial};
use isotare_stats::{Change, Estimate, Margin, Precision, Verdict, holm, median, ratio_of_pairs};
use std::collections::{BTreeMap, BTreeSet};

/// Facts of the machine that decide its speed.
const MACHINE: [&str; 11] = [
    "cpu-model",
    "cpus-online",
    "governor",
    "kernel",
    "kernel-build",
    "kernel-command-line",
    "memory-total-bytes",
    "mitigations",
    "smt",
    "turbo",
    "virtualised",
];
/// Whether a fact of an environment identifies the files that ran in it.
fn is_of_bits(fact: &str) -> bool {
    ["agent.hash", "image.digest"].contains(&fact) || fact.starts_with(super::ledger::PROGRAM)
}

/// Values per environment and block.
type Blocks = BTreeMap<u32, f64>;

/// Compares the session `after` with the session `before`.
pub fn diff(
    before: (&Session, &[Trial]),
    after: (&Session, &[Trial]),
    margin: f64,
    level: f64,
) -> Result<Diff, Incomparable> {
    let plans = [&before.0.plan, &after.0.plan];
    if plans[0].baseline != plans[1].baseline {
        let [before, after] = plans.map(|plan| plan.baseline.to_string());
        return Err(Incomparable::Baselines { before, after });
    }
    let designs = [before, after].map(|(session, trials)| Design::new(session, trials));
    let series = [0, 1].map(|at| {
        let mut all = series::of_samples(&designs[at]);
        all.extend(lifecycle::series(&designs[at]));
        all
    });
    let baseline = plans[0].baseline.to_string();
    let made_at =
        plans.iter().find(|plan| plan.stopping.is_some()).map_or(level, |_| Precision::guarded(level));
    let rule = Rule { baseline: &baseline, margin, level, made_at };
    let mut results = Vec::new();
    let mut unmatched = BTreeSet::new();
    for new in &series[1] {
        match series[0].iter().find(|old| key(old) == key(new)) {
            Some(old) => results.extend(rule.rows(&designs, old, new)),
            None => drop(unmatched.insert(only(new, after.0))),
        }
    }
    let lost = series[0].iter().filter(|old| series[1].iter().all(|new| key(old) != key(new)));
    unmatched.extend(lost.map(|old| only(old, before.0)));
    for (at, session) in [(0, before.0), (1, after.0)] {
        let other = &designs[1 - at].environments;
        let alone = designs[at].environments.iter().filter(|arm| other.iter().all(|o| o.name != arm.name));
        unmatched.extend(alone.map(|arm| format!("only {} has {}", session.id, arm.name)));
    }
    if results.iter().all(|row| row.before.is_none()) {
        return Err(Incomparable::NothingShared);
    }
    let emulated = [before.0, after.0]
        .iter()
        .any(|session| session.host.facts.get("emulated").is_some_and(|value| value.starts_with("yes")));
    let differences = differences(before, after);
    Ok(Diff {
        schema_version: SCHEMA_VERSION,
        before: side(before),
        after: side(after),
        warnings: warnings(&differences, &results, emulated, margin),
        baseline,
        margin,
        level,
        emulated,
        differences,
        results,
        unmatched: unmatched.into_iter().collect(),
    })
}

fn side((session, trials): (&Session, &[Trial])) -> DiffSide {
    DiffSide {
        session: session.id.clone(),
        started: session.started.clone(),
        version: session.version.clone(),
        blocks: blocks(trials) as usize,
    }
}

fn key(series: &Series) -> (&str, &BTreeMap<String, String>, String) {
    (&series.workload, &series.parameters, metric_name(series))
}

fn only(series: &Series, session: &Session) -> String {
    let workload = workload_label(&series.workload, &series.parameters);
    format!("only {} has {workload}, {}", session.id, words::metric(&metric_name(series)))
}

struct Rule<'a> {
    baseline: &'a str,
    margin: f64,
    level: f64,
    /// The level for the calculation of intervals, so that they keep the given level.
    made_at: f64,
}

impl Rule<'_> {
    /// One metric: the baseline, then every environment that both sessions have.
    fn rows(&self, designs: &[Design<'_>; 2], old: &Series, new: &Series) -> Vec<DiffRow> {
        let values = |at: usize, series: &Series, name: &str| -> Blocks {
            let arm = designs[at].environments.iter().position(|arm| arm.name == name);
            arm.and_then(|arm| series.blocks.get(arm)).cloned().unwrap_or_default()
        };
        let of = |name: &str| [values(0, old, name), values(1, new, name)];
        let base = of(self.baseline);
        let mut changes = Vec::new();
        for arm in designs[1].environments.iter().filter(|arm| !arm.is_baseline) {
            let own = of(&arm.name);
            let pairs = [paired(&own[0], &base[0]), paired(&own[1], &base[1])];
            if let Some(change) = Change::of(&pairs[0], &pairs[1]) {
                changes.push((arm, own, pairs, change));
            }
        }
        let family: Vec<f64> =
            changes.iter().filter(|(arm, ..)| !arm.is_null).map(|(.., change)| change.p()).collect();
        let mut adjusted = holm(&family).into_iter();
        let mut rows = vec![self.of_baseline(new, &base)];
        rows.retain(|row| row.row.ratio.is_some() && !changes.is_empty());
        for (arm, own, pairs, change) in changes {
            let p = change.p();
            let p_adjusted = if arm.is_null { p } else { adjusted.next().unwrap_or(p) };
            let overhead = |pairs: &[(f64, f64)]| {
                ratio_of_pairs(pairs, self.made_at).map(|estimate| overhead(&estimate, new.metric.better))
            };
            let mut row = self.row(new, &arm.name, &own, change.estimate(self.made_at));
            row.null = arm.is_null;
            row.verdict = Margin::new(self.margin).map_or(Verdict::Inconclusive, |margin| {
                change.judge(direction(new.metric.better), margin, p_adjusted, self.made_at)
            });
            row.p = Some(p);
            row.p_adjusted = Some(p_adjusted);
            let effect = change.minimum_detectable_effect(self.made_at);
            row.minimum_detectable_effect = Some(effect);
            if row.verdict == Verdict::Inconclusive && effect > self.margin {
                let message = format!(
                    "with this noise and this number of blocks, the sessions can show only changes of {} or \
                     more; they cannot show smaller changes, so an inconclusive result does not mean that \
                     there is no change",
                    words::percent(effect)
                );
                row.warnings.push(Warning { kind: WarningKind::TooNoisy, message });
            }
            rows.push(DiffRow { row, before: overhead(&pairs[0]), after: overhead(&pairs[1]) });
        }
        rows
    }

    /// The baseline of one session against that of the other. Its interval contains the noise inside the
    /// sessions, but not the change of the machine between them, so there is never a verdict.
    fn of_baseline(&self, series: &Series, base: &[Blocks; 2]) -> DiffRow {
        let alone =
            |blocks: &Blocks| -> Vec<(f64, f64)> { blocks.values().map(|value| (*value, 1.0)).collect() };
        let change = Change::of(&alone(&base[0]), &alone(&base[1]));
        let mut row =
            self.row(series, self.baseline, base, change.and_then(|change| change.estimate(self.made_at)));
        let message = "unpaired: the sessions ran at different times, so a change of the machine can be the \
                       cause as well as a change of the software; there is no verdict";
        row.warnings.push(Warning { kind: WarningKind::Unpaired, message: message.to_owned() });
        DiffRow { row, before: None, after: None }
    }

    fn row(
        &self,
        series: &Series,
        environment: &str,
        own: &[Blocks; 2],
        estimate: Option<Estimate>,
    ) -> ResultRow {
        let typical = |blocks: &Blocks| median(&blocks.values().copied().collect::<Vec<_>>());
        let cost = estimate.map(|estimate| overhead(&estimate, series.metric.better));
        ResultRow {
            workload: series.workload.clone(),
            parameters: series.parameters.clone(),
            metric: metric_name(series),
            unit: series.metric.unit.to_string(),
            better: series.metric.better,
            headline: series.metric.headline && series.role.is_none(),
            source: series.source,
            environment: environment.to_owned(),
            baseline: self.baseline.to_owned(),
            null: false,
            value: typical(&own[1]).unwrap_or(f64::NAN),
            baseline_value: typical(&own[0]),
            ratio: estimate.map(|e| e.ratio),
            low: estimate.map(|e| e.low),
            high: estimate.map(|e| e.high),
            level: self.level,
            cost: cost.map(|cost| cost.cost),
            cost_low: cost.map(|cost| cost.low),
            cost_high: cost.map(|cost| cost.high),
            verdict: Verdict::Inconclusive,
            p: None,
            p_adjusted: None,
            blocks: estimate.map_or(0, |e| e.blocks),
            minimum_detectable_effect: None,
            mean_ratio: None,
            mean_low: None,
            mean_high: None,
            method: estimate.map(|e| e.method),
            warnings: Vec::new(),
        }
    }
}

/// An estimate as a cost: above 1 is worse.
fn overhead(estimate: &Estimate, better: Better) -> Overhead {
    let (cost, low, high) = match better {
        Better::Lower => (estimate.ratio, estimate.low, estimate.high),
        Better::Higher => (estimate.ratio.recip(), estimate.high.recip(), estimate.low.recip()),
    };
    Overhead { cost, low, high, blocks: estimate.blocks }
}

fn paired(own: &Blocks, base: &Blocks) -> Vec<(f64, f64)> {
    own.iter().filter_map(|(block, value)| Some((*value, *base.get(block)?))).collect()
}

fn differences(before: (&Session, &[Trial]), after: (&Session, &[Trial])) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut check = |what, fact: &str, before: String, after: String| {
        if before != after {
            found.push(Difference { what, fact: fact.to_owned(), before, after });
        }
    };
    let fact = |session: &Session, name: &str| session.host.facts.get(name).cloned().unwrap_or_default();
    for name in MACHINE {
        check(What::Machine, name, fact(before.0, name), fact(after.0, name));
    }
    check(What::Bits, "isotare", before.0.version.clone(), after.0.version.clone());
    let plans = [&before.0.plan, &after.0.plan];
    let [old, new] = plans.map(|plan| plan.budget.cpus.to_string());
    check(What::Budget, "cpus", old, new);
    let [old, new] = plans.map(|plan| crate::quantity::size(plan.budget.memory));
    check(What::Budget, "memory", old, new);
    let [old, new] = plans.map(|plan| plan.budget.processes_in_words());
    check(What::Budget, "processes", old, new);
    let [old, new] = plans.map(|plan| format!("{} Hz", plan.sampling.rate));
    check(What::Budget, "sampling", old, new);
    for (name, old) in &before.0.environments {
        let (Ok(old), Some(Ok(new))) = (old, after.0.environments.get(name)) else { continue };
        check(What::Runtime, &format!("version of {name}"), old.version.clone(), new.version.clone());
    }
    let bits = [bits(before), bits(after)];
    for (at, old) in &bits[0] {
        if let Some(new) = bits[1].get(at) {
            check(What::Bits, &format!("{} of {}", at.1, at.0), old.clone(), new.clone());
        }
    }
    found
}

/// What ran, by environment and fact.
fn bits<'a>((session, trials): (&'a Session, &'a [Trial])) -> BTreeMap<(String, &'a str), String> {
    let mut found = BTreeMap::new();
    for trial in trials {
        let Some(condition) = session.plan.conditions.get(trial.condition) else { continue };
        for (name, value) in trial.facts.iter().filter(|(name, _)| is_of_bits(name)) {
            found.insert((condition.environment.to_string(), name.as_str()), value.clone());
        }
    }
    found
}

/// Null rows of the workloads' metrics, as within a session.
fn is_judged(row: &ResultRow) -> bool {
    row.null && row.headline && row.source == MeasuredBy::Workload
}

fn warnings(differences: &[Difference], results: &[DiffRow], emulated: bool, margin: f64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, message| warnings.push(Warning { kind, message });
    if emulated {
        let message = "EMULATED MACHINE: the processor was emulated in software; the results show what \
                       works, but the times say nothing about real speed";
        warn(WarningKind::Emulation, message.to_owned());
    }
    for difference in differences.iter().filter(|difference| difference.what != What::Runtime) {
        warn(WarningKind::Different, format!("not the same in both sessions: {difference}"));
    }
    let nulls: Vec<&ResultRow> = results.iter().map(|row| &row.row).filter(|row| is_judged(row)).collect();
    let off = nulls.iter().filter(|row| {
        let cost = row.cost.unwrap_or(1.0);
        matches!(row.verdict, Verdict::Slower | Verdict::Faster) || cost.max(cost.recip()) > 1.0 + margin
    });
    for row in off {
        let by = row.cost.map_or(0.0, |cost| cost.max(cost.recip()) - 1.0);
        let message = format!(
            "not calibrated: the null test changed by {} in {}, {}; do not believe changes of that size",
            words::percent(by),
            workload_label(&row.workload, &row.parameters),
            words::metric(&row.metric)
        );
        warn(WarningKind::NotCalibrated, message);
    }
    if nulls.is_empty() {
        let message = "not calibrated: the sessions have no null test in common, so it is unknown how much \
                       two sessions differ without a cause";
        warn(WarningKind::NotCalibrated, message.to_owned());
    }
    warnings
}
