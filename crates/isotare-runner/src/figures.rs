//! The first metric of every trial so far, for sessions that stop when it is precise enough.

use crate::event::{Forecast, Interim, MOST_FORETOLD};
use isotare_core::{Better, EnvironmentSpec, Outcome, Plan, Trial};
use isotare_stats::{Precision, blocks_to_find, foretold_effect, log_ratios, ratio_of_pairs};
use std::collections::{BTreeMap, BTreeSet};

/// Figures by condition and block.
pub(crate) struct Figures<'p> {
    plan: &'p Plan,
    values: Vec<BTreeMap<u32, f64>>,
    /// Which way a condition's figure is better; `None`: it has none yet.
    better: Vec<Option<Better>>,
}

impl<'p> Figures<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let count = plan.conditions.len();
        Self { plan, values: vec![BTreeMap::new(); count], better: vec![None; count] }
    }

    /// Keeps the first figure of a trial that counts.
    pub(crate) fn add(&mut self, trial: &Trial) {
        let figure = trial.headline().filter(|_| trial.outcome == Outcome::Completed);
        if let (Some(values), Some(figure)) = (self.values.get_mut(trial.condition), figure) {
            values.insert(trial.block, figure.value);
            self.better[trial.condition] = Some(figure.metric.better);
        }
    }

    /// Whether the comparison of every environment that is still measured with the baseline is as precise as
    /// `rule` requires after `blocks` blocks, for every workload. `replaced` blocks do not count. Without any
    /// comparison the answer is no.
    pub(crate) fn are_precise(
        &self,
        rule: &Precision,
        blocks: usize,
        replaced: &BTreeSet<u32>,
        given_up: &[bool],
    ) -> bool {
        let is_open =
            |at: &usize| !given_up.get(*at).copied().unwrap_or(false) && !self.values[*at].is_empty();
        let columns: Vec<Vec<(f64, f64)>> =
            (0..self.values.len()).filter(is_open).filter_map(|at| self.pairs(at, replaced)).collect();
        !columns.is_empty() && rule.is_reached(blocks, &columns, self.plan.level)
    }

    /// The differences that a session of `blocks` blocks will be able to find, for each workload. It uses the
    /// comparison with the most noise, among those that have values of `pilot` blocks and are still measured.
    /// Replicas of the baseline count only if there is no other comparison.
    pub(crate) fn forecasts(&self, pilot: u32, blocks: u32, given_up: &[bool]) -> Vec<Forecast<'p>> {
        let level = self.level();
        let kind = |spec: &EnvironmentSpec| EnvironmentSpec { replica: None, ..spec.clone() };
        let baseline = self.baseline();
        let mut hardest: Vec<Forecast<'p>> = Vec::new();
        for (at, condition) in self.plan.conditions.iter().enumerate() {
            if given_up.get(at).copied().unwrap_or(false) || self.values[at].len() < pilot as usize {
                continue;
            }
            let Some(logs) = self.pairs(at, &BTreeSet::new()).map(|pairs| log_ratios(&pairs)) else {
                continue;
            };
            let Some(effect) = foretold_effect(&logs, blocks as usize, level) else { continue };
            let for_margin = blocks_to_find(self.plan.margin, &logs, MOST_FORETOLD, level);
            let found = Forecast { condition, effect, for_margin };
            let weight = |it: &Forecast<'_>| (kind(&it.condition.environment) != baseline, it.effect);
            match hardest.iter_mut().find(|other| other.condition.workload == condition.workload) {
                Some(other) if weight(&found) > weight(other) => *other = found,
                Some(_) => {}
                None => hardest.push(found),
            }
        }
        hardest
    }

    /// What every comparison shows so far, in the order of the plan. Replicas of the baseline are left out, unless there is nothing
    /// else. `replaced` blocks do not count.
    pub(crate) fn interim(&self, replaced: &BTreeSet<u32>) -> Vec<Interim<'p>> {
        let mut estimates: Vec<Interim<'p>> = Vec::new();
        for (at, condition) in self.plan.conditions.iter().enumerate() {
            let Some(pairs) = self.pairs(at, replaced) else { continue };
            let Some(found) = ratio_of_pairs(&pairs, self.level()) else { continue };
            let (cost, low, high) = match self.better[at] {
                Some(Better::Higher) => (found.ratio.recip(), found.high.recip(), found.low.recip()),
                _ => (found.ratio, found.low, found.high),
            };
            estimates.push(Interim { condition, cost, low, high });
        }
        let is_replica = |it: &Interim<'_>| {
            EnvironmentSpec { replica: None, ..it.condition.environment.clone() } == self.baseline()
        };
        match estimates.iter().all(is_replica) {
            true => estimates,
            false => estimates.into_iter().filter(|it| !is_replica(it)).collect(),
        }
    }

    /// The level at which intervals are made, so that looks at fixed blocks do not cost theirs.
    fn level(&self) -> f64 {
        self.plan.stopping.map_or(self.plan.level, |_| Precision::guarded(self.plan.level))
    }

    /// The baseline without its replica.
    fn baseline(&self) -> EnvironmentSpec {
        EnvironmentSpec { replica: None, ..self.plan.baseline.clone() }
    }

    /// A condition's figures with those of the baseline; `None` for the baseline itself.
    fn pairs(&self, at: usize, replaced: &BTreeSet<u32>) -> Option<Vec<(f64, f64)>> {
        let conditions = &self.plan.conditions;
        let is_baseline = |other: &usize| {
            conditions[*other].environment == self.plan.baseline
                && conditions[*other].workload == conditions[at].workload
        };
        let baseline = (0..conditions.len()).find(is_baseline).filter(|baseline| *baseline != at)?;
        let counts = self.values[at].iter().filter(|(block, _)| !replaced.contains(block));
        Some(counts.filter_map(|(block, value)| Some((*value, *self.values[baseline].get(block)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{Better, Budget, CpuSet, MetricDef, Sample, Slot};
    use isotare_plan::{Blocks, Design, plan};

    const RULE: Precision = Precision { target: 0.01, pilot: 20, every: 10, cap: 100 };

    fn planned() -> Plan {
        let budget = Budget { cpus: CpuSet::new([0]).expect("not empty"), memory: 1 << 20, processes: None };
        let environments = ["native", "steady", "wild"].map(|name| name.parse().expect("valid")).to_vec();
        let workloads = vec!["w".parse().expect("valid")];
        let blocks = Blocks { min: 6, max: 100 };
        let design = Design::new(budget, 1);
        plan(&Design { environments, workloads, null_test: false, blocks, margin: 0.01, ..design })
            .expect("valid")
    }

    fn trial(block: u32, condition: usize, value: f64) -> Trial {
        let sample = |name: &'static str, headline, value| {
            let metric = MetricDef { headline, ..MetricDef::headline(name, "s", Better::Lower) };
            Sample::of_workload(metric, value)
        };
        let samples =
            vec![sample("detail", false, 1e9), sample("wall", true, value), sample("more", true, -1.0)];
        Trial { samples, ..Trial::new(0, Slot { block, condition }, 0, Outcome::Completed) }
    }

    /// Twenty blocks. The speed of the machine varies between blocks. `steady` costs 1.1 times as much with
    /// little noise; `wild` varies by `noise`.
    fn figures(plan: &Plan, noise: f64) -> Figures<'_> {
        let mut figures = Figures::new(plan);
        for block in 0..20 {
            let machine = 1.0 + 0.3 * f64::from(block % 3);
            let jitter = |scale: f64, k: u32| 1.0 + scale * (f64::from(block * 7 % 11 + k) - 5.0);
            figures.add(&trial(block, 0, machine));
            figures.add(&trial(block, 1, 1.1 * machine * jitter(0.0005, 0)));
            figures.add(&trial(block, 2, machine * jitter(noise, 1)));
        }
        figures
    }

    #[test]
    fn the_widest_interval_decides_and_common_noise_cancels_out() {
        let plan = planned();
        let none = BTreeSet::new();
        let open = [false; 3];
        assert!(figures(&plan, 0.0005).are_precise(&RULE, 20, &none, &open));
        assert!(!figures(&plan, 0.05).are_precise(&RULE, 20, &none, &open));
        assert!(figures(&plan, 0.05).are_precise(&RULE, 20, &none, &[false, false, true]), "given up");
        assert!(
            !figures(&plan, 0.0005).are_precise(&RULE, 20, &none, &[true; 3]),
            "nothing is left to compare"
        );
        assert!(!Figures::new(&plan).are_precise(&RULE, 20, &none, &open), "nothing was measured");
    }

    #[test]
    fn a_block_that_was_replaced_by_a_repeat_does_not_count() {
        let plan = planned();
        let mut figures = figures(&plan, 0.0005);
        for block in 100..110 {
            (0..3).for_each(|condition| {
                figures.add(&trial(block, condition, if condition == 2 { 9.0 } else { 1.0 }))
            });
        }
        assert!(!figures.are_precise(&RULE, 20, &BTreeSet::new(), &[false; 3]));
        assert!(figures.are_precise(&RULE, 20, &(100..110).collect(), &[false; 3]));
    }

    #[test]
    fn the_forecast_is_for_the_noisiest_comparison_of_a_workload() {
        let plan = planned();
        let figures = figures(&plan, 0.01);
        let forecasts = |blocks| figures.forecasts(6, blocks, &[false; 3]);
        let [forecast] = forecasts(40)[..] else { panic!("one workload") };
        assert_eq!(forecast.condition.environment.to_string(), "wild");
        let needed = forecast.for_margin.expect("less than the most");
        assert!(forecast.effect > plan.margin && needed > 40, "{forecast:?}");
        assert!(forecasts(u32::try_from(needed).unwrap())[0].effect <= plan.margin);
        let [calm] = figures.forecasts(6, 40, &[false, false, true])[..] else { panic!("one is given up") };
        assert_eq!(calm.condition.environment.to_string(), "steady");
        assert!(figures.forecasts(21, 40, &[false; 3]).is_empty(), "too little is known");
        assert!(Figures::new(&plan).forecasts(6, 40, &[false; 3]).is_empty(), "nothing was measured");
    }

    #[test]
    fn interim_results_are_costs_where_above_1_is_worse() {
        let plan = planned();
        let figures = figures(&plan, 0.0005);
        let shown = figures.interim(&BTreeSet::new());
        let names: Vec<String> = shown.iter().map(|it| it.condition.environment.to_string()).collect();
        assert_eq!(names, ["steady", "wild"]);
        assert!(
            (shown[0].cost - 1.1).abs() < 0.001 && shown[0].low < 1.1 && 1.1 < shown[0].high,
            "{shown:?}"
        );
        let mut rates = Figures::new(&plan);
        for block in 0..6 {
            for (condition, value) in [(0, 10.0), (1, 8.0 + 0.01 * f64::from(block)), (2, 10.0)] {
                let mut trial = trial(block, condition, value);
                trial.samples.iter_mut().for_each(|sample| sample.metric.better = Better::Higher);
                rates.add(&trial);
            }
        }
        let shown = rates.interim(&BTreeSet::new());
        assert!((shown[0].cost - 1.247).abs() < 0.01 && shown[0].low <= shown[0].cost, "{shown:?}");
        assert!(shown[0].cost <= shown[0].high);
        assert_eq!(rates.interim(&(1..6).collect()), [], "one block has no interval");
        assert_eq!(Figures::new(&plan).interim(&BTreeSet::new()), []);
    }

    #[test]
    fn trials_that_did_not_complete_have_no_figure() {
        let plan = planned();
        let mut figures = Figures::new(&plan);
        figures.add(&Trial { outcome: Outcome::Invalid, ..trial(0, 1, 1.0) });
        assert!(figures.values.iter().all(BTreeMap::is_empty));
    }
}
