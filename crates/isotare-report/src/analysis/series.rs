//! Values by environment and block: the unit of analysis is the block.

use super::design::Design;
use isotare_core::{MeasuredBy, MetricDef, Role, Sample};
use isotare_stats::median;
use std::collections::{BTreeMap, HashMap};

/// One metric of one workload.
pub(super) struct Series {
    /// Name of the workload.
    pub workload: String,
    /// Its settings as given.
    pub parameters: BTreeMap<String, String>,
    /// The metric.
    pub metric: MetricDef,
    /// The role that it belongs to.
    pub role: Option<Role>,
    /// Who measured it.
    pub source: MeasuredBy,
    /// Per environment: the median of each block.
    pub blocks: Vec<BTreeMap<u32, f64>>,
}

/// Gathers values of one series.
#[derive(Default)]
pub(super) struct Gathered(Vec<BTreeMap<u32, Vec<f64>>>);

impl Gathered {
    /// Adds a value, if there is one.
    pub fn add(&mut self, environment: usize, block: u32, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.0.len() <= environment {
            self.0.resize_with(environment + 1, BTreeMap::new);
        }
        self.0[environment].entry(block).or_default().push(value);
    }

    /// The median of each block for each of `environments`.
    pub fn medians(mut self, environments: usize) -> Vec<BTreeMap<u32, f64>> {
        self.0.resize_with(environments, BTreeMap::new);
        let of_blocks = |blocks: BTreeMap<u32, Vec<f64>>| {
            blocks.into_iter().filter_map(|(block, values)| Some((block, median(&values)?))).collect()
        };
        self.0.into_iter().map(of_blocks).collect()
    }
}

/// The key of a series: workload, metric, role, and the part of Isotare that measured it.
type Key<'a> = (usize, &'a str, Option<Role>, MeasuredBy);

/// Every metric that completed trials reported, by workload, in the order in which they were first reported.
pub(super) fn of_samples(design: &Design<'_>) -> Vec<Series> {
    let mut found: Vec<(usize, &Sample, Gathered)> = Vec::new();
    let mut index: HashMap<Key<'_>, usize> = HashMap::new();
    for (place, trial) in design.counted() {
        for sample in &trial.samples {
            let key = (place.workload, sample.metric.name.as_ref(), sample.role, sample.source);
            let at = *index.entry(key).or_insert_with(|| {
                found.push((place.workload, sample, Gathered::default()));
                found.len() - 1
            });
            found[at].2.add(place.environment, trial.block, sample.value);
        }
    }
    found.sort_by_key(|(workload, ..)| *workload);
    let environments = design.environments.len();
    found
        .into_iter()
        .map(|(workload, sample, gathered)| Series {
            workload: design.workload_name(workload).to_owned(),
            parameters: design.parameters(workload),
            source: sample.source,
            metric: sample.metric.clone(),
            role: sample.role,
            blocks: gathered.medians(environments),
        })
        .collect()
}
